"""The blur families by name, and mixtures of them."""

import inspect
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, PlainValidator, SerializeAsAny, model_validator
from pydantic_core import PydanticCustomError

from blurbench.blurs.bank import Bank
from blurbench.blurs.base import Blurred, Family, Order, Positive, Scene
from blurbench.blurs.camera import Camera
from blurbench.blurs.defocus import Defocus
from blurbench.blurs.frame_average import FrameAverage
from blurbench.blurs.layers import Layers
from blurbench.blurs.motion_flow import MotionFlow
from blurbench.blurs.shot import Shot
from blurbench.blurs.trajectory import Trajectory
from blurbench.blurs.uniform import Disk, Gaussian, Line
from blurbench.errors import UserError
from blurbench.plugins import PlugIns

SINGLE: dict[str, type[Family]] = {
    "motion_flow": MotionFlow,
    "trajectory": Trajectory,
    "camera": Camera,
    "line": Line,
    "gaussian": Gaussian,
    "disk": Disk,
    "defocus": Defocus,
    "shot": Shot,
    "frame_average": FrameAverage,
    "bank": Bank,
}
MIXTURE, LAYERS = "mixture", "layers"


def fault(name: str, found: Any) -> str:
    """What keeps a thing from being the blur family of this name; empty for nothing."""
    if not (isinstance(found, type) and issubclass(found, Family)):
        return "is no subclass of blurbench.blurs.base.Family"
    if inspect.isabstract(found):
        return f"has no method {min(found.__abstractmethods__)}"
    if get_args(found.model_fields["family"].annotation) != (name,):
        return f"must state family: Literal[{name!r}]"
    return ""


PLUG_INS = PlugIns("blurbench.kernels", "blur family", (*SINGLE, LAYERS, MIXTURE), fault)


def family_class(name: str) -> type[Family]:
    """The settings of a family, ours or another package's; UserError for an unknown name."""
    return FAMILIES[name] if name in FAMILIES else PLUG_INS.load(name)


def settings(value: Any, mixed: bool = True) -> Family:
    """The settings in a table of a recipe, by its family; ValueError for what is none of them.

    mixed: whether a mixture is allowed.
    """
    if isinstance(value, Family):
        return value
    if not isinstance(value, dict):
        raise ValueError("must be a table that names a family")
    name, ours = str(value.get("family")), FAMILIES if mixed else SINGLE
    # What others add is looked for only where it is wanted: that takes 11 ms.
    if name not in ours and name not in PLUG_INS.names():
        known = ", ".join([*ours, *PLUG_INS.names()])
        raise PydanticCustomError(UNKNOWN, f"must be one of {known}")
    # By way of JSON, as the recipe itself: its "strict" takes a list for a tuple.
    return family_class(name).model_validate_json(json.dumps(value))


UNKNOWN = "unknown_family"  # type of an error of pydantic
Blur = Annotated[SerializeAsAny[Family], PlainValidator(settings)]
Part = Annotated[SerializeAsAny[Family], PlainValidator(lambda value: settings(value, mixed=False))]


class Mixture(Family):
    """One of several families for each pair."""

    family: Literal["mixture"]
    parts: tuple[Part, ...] = Field(min_length=1)
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

    @property
    def window(self) -> tuple[int, int | None] | None:
        """The longest average of its parts, and the smallest step."""
        windows = [part.window for part in self.parts if part.window]
        if not windows:
            return None
        longest = max(count for count, _ in windows)
        return longest, min(step or longest for _, step in windows)

    def located(self, folder: Path | None) -> "Mixture":
        """These settings, the files of the parts found."""
        found = tuple(_located(part, number, folder) for number, part in enumerate(self.parts))
        return self.model_copy(update={"parts": found})

    def blur(self, scene: Scene) -> Blurred:
        """Blur by the part that is drawn, or by the one whose turn it is."""
        if self.order == "replica":
            index = scene.replica % len(self.parts)
            # Replicas of a part count from 0 again: a bank of its own starts with its first kernel.
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


def _located(part: Family, number: int, folder: Path | None) -> Family:
    try:
        return part.located(folder)
    except UserError as error:
        raise UserError(f"parts.{number}.{error}") from None


# No part of a mixture: its rows have columns and masks of their own.
FAMILIES: dict[str, type[Family]] = {**SINGLE, LAYERS: Layers, MIXTURE: Mixture}


def parts_of(blur: Family) -> tuple[Family, ...]:
    """The families that a recipe's blur can pick from."""
    return blur.parts if isinstance(blur, Mixture) else (blur,)
