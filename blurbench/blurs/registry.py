"""The blur families by name, and mixtures of them."""

import math
from dataclasses import replace
from functools import reduce
from importlib.metadata import entry_points
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from blurbench.blurs.bank import Bank
from blurbench.blurs.base import Blurred, Family, Order, Positive, Scene
from blurbench.blurs.camera import Camera
from blurbench.blurs.frame_average import FrameAverage
from blurbench.blurs.motion_flow import MotionFlow
from blurbench.blurs.shot import Shot
from blurbench.blurs.trajectory import Trajectory
from blurbench.blurs.uniform import Disk, Gaussian, Line

Single = MotionFlow | Trajectory | Camera | Line | Gaussian | Disk | Shot | FrameAverage | Bank


SINGLE: dict[str, type[Family]] = {
    "motion_flow": MotionFlow,
    "trajectory": Trajectory,
    "camera": Camera,
    "line": Line,
    "gaussian": Gaussian,
    "disk": Disk,
    "shot": Shot,
    "frame_average": FrameAverage,
    "bank": Bank,
    # Settings of other packages, which blur themselves.
    **{found.name: found.load() for found in entry_points(group="blurbench.kernels")},
}


if TYPE_CHECKING:
    AnySingle = Single
else:
    AnySingle = Annotated[reduce(or_, SINGLE.values()), Field(discriminator="family")]


class Mixture(Family):
    """One of several families for each pair."""

    family: Literal["mixture"]
    parts: tuple[AnySingle, ...] = Field(min_length=1)
    weights: tuple[Positive, ...] = ()  # one a part; none: all alike
    order: Order = "random"  # replica: replica n gets part n, and so on round

    @model_validator(mode="after")
    def _matched(self) -> "Mixture":
        if self.weights and len(self.weights) != len(self.parts):
            raise ValueError(f"{len(self.weights)} weights for {len(self.parts)} parts")
        if self.weights and self.order == "replica":
            raise ValueError('weights go with order = "random"')
        if not math.isclose(sum(self.weights or [1.0]), 1):
            raise ValueError("weights must add up to 1")
        return self

    def blur(self, scene: Scene) -> Blurred:
        """Blur by the part that is drawn, or by the one whose turn it is."""
        if self.order == "replica":
            index = scene.replica % len(self.parts)
            turn = scene.replica // len(self.parts)
            return self._part(index, replace(scene, replica=turn))
        weights = self.weights or (1 / len(self.parts),) * len(self.parts)
        place = scene.random.random()
        index = 0
        while index < len(weights) - 1 and place >= weights[index]:
            place -= weights[index]
            index += 1
        return self._part(index, scene)

    def _part(self, index: int, scene: Scene) -> Blurred:
        # Each part has kernels of its own, should two be banks.
        blurred = self.parts[index].blur(replace(scene, bank=(*scene.bank, "part", index)))
        return replace(blurred, drawn={"part": index, **blurred.drawn})


FAMILIES: dict[str, type[Family]] = {**SINGLE, "mixture": Mixture}
if TYPE_CHECKING:
    Blur = Single | Mixture
else:
    Blur = Annotated[reduce(or_, FAMILIES.values()), Field(discriminator="family")]


def parts_of(blur: Any) -> tuple[Any, ...]:
    """The families that a recipe's blur can pick from."""
    return blur.parts if isinstance(blur, Mixture) else (blur,)
