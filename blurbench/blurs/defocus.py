"""A lens out of focus: over a plane, a depth map, or what a mask marks before its background."""

import math
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from blurbench.blurs.base import (
    MIN_SIDE,
    Blurred,
    Family,
    Lengths,
    Scene,
    Spreads,
    Target,
    between,
    need,
)
from blurbench.blurs.camera import Camera
from blurbench.blurs.motion_flow import MotionFlow
from blurbench.blurs.trajectory import Trajectory
from blurbench.errors import UserError
from blurbench.files import sha256

Shake = Annotated[MotionFlow | Trajectory | Camera, Field(discriminator="family")]


class Defocus(Family):
    """A thin lens: the disk of each pixel goes with its distance (blurbench_kernels.defocus)."""

    family: Literal["defocus"]
    # mask: what it marks is nearer than the rest; map: a file of depth for each picture.
    depth: Literal["plane", "mask", "map"] = "plane"
    # What a map's numbers are. 0 is unknown, and then as the nearest pixel; or infinitely far.
    stored: Literal["distance", "inverse"] = "distance"
    # Distances, drawn uniformly; that of the plane's middle, of what no mask marks, or the one
    # half of a map is nearer than, is 1.
    focus: Lengths = (0.5, 2.0)  # of what is in focus
    near: Lengths = (0.3, 0.8)  # of what a mask marks
    tilt: float = Field(0.0, ge=0, le=45)  # of the plane, largest, degrees
    focal: float = Field(1.0, gt=0, le=20)  # parts of the image's width
    # Radius, px, of what is infinitely far when the lens is focused at 1; drawn uniformly.
    aperture: Spreads | None = None
    target: Target | None = None  # of the mean diameter
    motion: Shake | None = None  # that the picture has, too

    @model_validator(mode="after")
    def _sized(self) -> "Defocus":
        if (self.aperture is None) == (self.target is None):
            raise ValueError("give aperture or a target")
        return self

    @property
    def looks_for(self) -> Literal["objects", "depth"] | None:
        """Things that are near, for which classes of a face serve; or depth maps."""
        kinds: dict[str, Literal["objects", "depth"]] = {"mask": "objects", "map": "depth"}
        return kinds.get(self.depth)

    def blur(self, scene: Scene) -> Blurred:
        """Draw a lens and what is in focus; blur, and then move."""
        from blurbench_kernels import defocus, layers

        focus, near = between(self.focus, scene.random), between(self.near, scene.random)
        largest = math.radians(self.tilt)
        # Drawn even where they are not used, so that another recipe draws the same lenses.
        tilt = largest * (2 * scene.random.random() - 1), largest * (2 * scene.random.random() - 1)
        labels = self._labels(scene)
        ground = self._map(scene) if self.depth == "map" else self._plane(scene, tilt)
        depths = [ground, ground / near][: 1 + int(labels.max())]
        seen = np.where(labels == 1, depths[-1], ground)
        aperture = self._aperture(scene, defocus.radii(seen, 1 / focus, 1.0))
        radii = [defocus.radii(each, 1 / focus, aperture) for each in depths]
        border = math.ceil(max(float(each.max()) for each in radii))
        need(scene.item_id, scene.image.shape[:2], (2 * border + MIN_SIDE,) * 2)
        if self.depth == "map":
            image = defocus.blur_map(scene.image, ground, radii[0])
        else:
            image = defocus.blur_layers(layers.cut(scene.image, labels), radii)
        shown = np.where(labels == 1, radii[-1], radii[0])
        drawn: dict[str, Any] = {"focus": focus, "near": near, "tilt": tilt, "aperture": aperture}
        if scene.depth is not None:
            # A source knows its maps by their names: another map of the same name shows here.
            drawn["depth_sha256"] = sha256(scene.depth.astype("<u2").tobytes())
        # math.fsum rounds once: the last digit of NumPy's mean is the processor's.
        lengths = 2 * math.fsum(shown.reshape(-1)) / shown.size, 2 * float(shown.max())
        return self._moved(scene, Blurred(image, (border, border), drawn, lengths, self.family))

    def _plane(self, scene: Scene, tilt: tuple[float, float]) -> np.ndarray:
        """(H, W) 1 / distance of a tilted plane."""
        from blurbench_kernels import defocus

        height, width = scene.image.shape[:2]
        try:
            return defocus.plane(height, width, self.focal * width, tilt)
        except ValueError as error:
            raise UserError(f"{scene.item_id}: {error}; lower blur.tilt") from None

    def _map(self, scene: Scene) -> np.ndarray:
        """(H, W) 1 / distance as its file tells, such that its median is 1."""
        from blurbench_kernels import holes

        if scene.depth is None:
            raise UserError(f"{scene.item_id}: has no depth map")
        told, known = scene.depth.astype(np.float64), scene.depth > 0
        if self.stored == "inverse":
            middle = float(np.median(told))
            if middle == 0:
                raise UserError(f"{scene.item_id}: half of its depth map is 0, infinitely far")
            return told / middle
        if not known.any():
            raise UserError(f"{scene.item_id}: its depth map is all 0, which is unknown")
        near = np.median(told[known]) / np.where(known, told, 1.0)
        # Not smoothly: between what is near and what is far nothing is in focus.
        return holes.fill(near[..., None], ~known, "edge")[..., 0]

    def _labels(self, scene: Scene) -> np.ndarray:
        """(H, W) uint8: 1 where a mask marks what is near, else 0."""
        if self.depth != "mask":
            return np.zeros(scene.image.shape[:2], np.uint8)
        if scene.mask is None:
            raise UserError(f'{scene.item_id}: depth = "mask" needs labels = ["mask"]')
        if scene.mask.all():
            raise UserError(f"{scene.item_id}: its mask leaves no background to be seen")
        return (scene.mask > 0).astype(np.uint8)

    def _aperture(self, scene: Scene, unit: np.ndarray) -> float:
        """From the range; or such that the mean diameter is what is drawn from the target.

        unit (H, W): the radii at an aperture of 1.
        """
        if self.aperture:
            return between(self.aperture, scene.random)
        assert self.target is not None, "a recipe states a range or a target"
        mean = math.fsum(unit.reshape(-1)) / unit.size
        if mean == 0:
            raise UserError(
                f"{scene.item_id}: all of it is in focus; widen blur.focus or blur.tilt"
            )
        return self.target.draw(scene.random, scene.image.shape[1]) / (2 * mean)

    def _moved(self, scene: Scene, blurred: Blurred) -> Blurred:
        """Blurred by the motion as well. Lengths add: of a disk along a line the longest does."""
        if self.motion is None or blurred.severity is None:
            return blurred
        moved = self.motion.blur(replace(scene, image=blurred.image))
        own, more = blurred.severity, moved.severity or (0.0, 0.0)
        border = blurred.border[0] + moved.border[0], blurred.border[1] + moved.border[1]
        need(scene.item_id, scene.image.shape[:2], (2 * max(border) + MIN_SIDE,) * 2)
        drawn = {**blurred.drawn, "motion": moved.drawn}
        lengths = own[0] + more[0], own[1] + more[1]
        return Blurred(moved.image, border, drawn, lengths, self.family)
