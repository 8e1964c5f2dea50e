"""Objects that move before a background, each on a way of its own."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from blurbench.blurs.base import MIN_SIDE, Blurred, Family, Fraction, Moving, Scene, need, one_of
from blurbench.blurs.camera import Camera
from blurbench.blurs.motion_flow import MotionFlow
from blurbench.blurs.trajectory import Trajectory
from blurbench.errors import UserError

NO_BACKGROUND = "its objects leave no background to be seen"
Moved = Literal["background", "objects", "both"]
LayerMotion = Annotated[MotionFlow | Camera | Trajectory, Field(discriminator="family")]


class Layers(Family):
    """A picture cut by its mask; each layer is blurred by itself (blurbench_kernels.layers)."""

    KERNELS: ClassVar = "none"
    CUTS: ClassVar[bool] = True

    family: Literal["layers"]
    background: LayerMotion
    objects: LayerMotion  # each object draws from it anew
    moves: Annotated[tuple[Moved, ...], Field(min_length=1)] = ("both",)  # one drawn uniformly
    # The largest so many are cut out. Masks have labels 0 to 3, as those of faces do.
    count: int = Field(3, ge=1, le=3)
    least: Fraction = 0.01  # parts of the picture that an object fills; smaller ones are background
    join: bool = False  # all labels are one object, such as the classes of a face
    front: Literal["lower", "random"] = "lower"  # in front is what reaches farther down, or any
    fill: Literal["inpaint", "edge"] = "inpaint"  # what an object uncovers: smooth light, or edges

    @model_validator(mode="after")
    def _moving(self) -> "Layers":
        for name, part in (("background", self.background), ("objects", self.objects)):
            if isinstance(part, Trajectory) and (part.target is None or part.count):
                raise ValueError(f"{name}: a trajectory of layers needs a target and no count")
            if isinstance(part, MotionFlow) and part.severity_reading == "noise":
                raise ValueError(f'{name}: severity_reading = "noise" moves nothing')
            # Rows that see other times than those beside them have no one order of layers.
            if isinstance(part, Camera) and part.readout:
                raise ValueError(f"{name}: layers have no rolling shutter: readout must be 0")
        return self

    @property
    def looks_for(self) -> Literal["objects", "depth"] | None:
        """Things to cut out; classes of a face serve, too."""
        return "objects"

    def blur(self, scene: Scene) -> Blurred:
        """Cut the picture, move its layers, and integrate the exposure."""
        from blurbench_kernels import layers

        labels = self._labels(scene)
        moved = one_of(self.moves, scene.random)
        ways = [self._way(scene, labels, n, moved) for n in range(int(labels.max()) + 1)]
        rows, columns = (max(way.border[axis] for way in ways) for axis in (0, 1))
        least = (2 * rows + MIN_SIDE, 2 * columns + MIN_SIDE)
        need(scene.item_id, scene.image.shape[:2], least)
        try:
            parts = layers.cut(scene.image, labels, self.fill)
        except ValueError:  # what is left lies within the objects' own soft edges
            raise UserError(f"{scene.item_id}: {NO_BACKGROUND}") from None
        return Blurred(
            layers.blur(parts, [each.way for each in ways]),
            (rows, columns),
            {"layers": [each.drawn for each in ways]},
            _severity(ways, labels),
            self.family,
            mask=labels,
            columns=_columns(ways, moved),
        )

    def _labels(self, scene: Scene) -> np.ndarray:
        """(H, W) uint8: 0 is the background, 1 to N the objects, N in front."""
        found = np.zeros(scene.image.shape[:2], np.uint8) if scene.mask is None else scene.mask
        found = (found > 0).astype(np.uint8) if self.join else found
        areas = np.bincount(found.reshape(-1), minlength=256)
        fitting = [n for n in range(1, 256) if areas[n] and areas[n] >= self.least * found.size]
        largest = sorted(fitting, key=lambda n: -areas[n])[: self.count]
        if not largest:
            told = f"no object fills {self.least:.3g} of it (blur.least)"
            raise UserError(f"{scene.item_id}: {told}")
        if sum(areas[n] for n in largest) == found.size:
            raise UserError(f"{scene.item_id}: {NO_BACKGROUND}")
        labels = np.zeros(256, np.uint8)
        for place, n in enumerate(sorted(largest, key=self._depths(scene, found)), start=1):
            labels[n] = place
        out: np.ndarray = labels[found]
        return out

    def _depths(self, scene: Scene, found: np.ndarray) -> Any:
        """What rises from back to front, by the label of an object."""
        if self.front == "random":
            drawn = scene.random.random(256).tolist()
            return drawn.__getitem__
        # What stands on the ground nearer to the camera ends lower in the picture.
        return lambda n: np.flatnonzero((found == n).any(axis=1))[-1]

    def _way(self, scene: Scene, labels: np.ndarray, layer: int, moved: Moved) -> Moving:
        from blurbench_kernels import layers

        part = self.objects if layer else self.background
        # Drawn though it should rest, so that another `moves` draws the others alike.
        way = part.over_time(replace(scene, bank=(*scene.bank, "layer", layer)), labels == layer)
        if moved in ("both", "objects" if layer else "background"):
            return way
        return Moving(layers.still(*labels.shape), (0, 0), {}, (0.0, 0.0))


def _severity(ways: list[Moving], labels: np.ndarray) -> tuple[float, float]:
    """Of the picture: each pixel has the length of the layer that it shows."""
    areas = np.bincount(labels.reshape(-1))
    mean = sum(way.severity[0] * int(area) for way, area in zip(ways, areas, strict=True))
    return mean / labels.size, max(way.severity[1] for way in ways)


def _columns(ways: list[Moving], moved: Moved) -> dict[str, Any]:
    """Lists have an entry a layer, the background first."""
    return {
        "moved": moved,
        "layer_severity_mean_px": [round(way.severity[0], 3) for way in ways],
        "layer_severity_max_px": [round(way.severity[1], 3) for way in ways],
    }
