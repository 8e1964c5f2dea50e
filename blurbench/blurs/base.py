"""What every blur family shares: a table of settings, and `blur`, which makes of a scene a blur."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from blurbench.errors import UserError

if TYPE_CHECKING:
    from blurbench_kernels.layers import Way

# A smaller pair has no room for the 11 px window of SSIM beside a blur, nor for four halvings.
MIN_SIDE = 32


def ordered(value: tuple[Any, Any]) -> tuple[Any, Any]:
    """A range that goes up; ValueError for another."""
    if value[0] > value[1]:
        raise ValueError("the lower end comes first")
    return value


Fraction = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[Fraction, Fraction], AfterValidator(ordered)]
Positive = Annotated[float, Field(gt=0, le=1024)]
Lengths = Annotated[tuple[Positive, Positive], AfterValidator(ordered)]
# Sigma of a Gaussian, radius of a disk: kernels of 500 px at the most.
Spread = Annotated[float, Field(gt=0, le=64)]
Spreads = Annotated[tuple[Spread, Spread], AfterValidator(ordered)]
Angle = Annotated[float, Field(ge=-360, le=360)]
OddSize = Annotated[int, Field(ge=3, le=127)]
Order = Literal["random", "replica"]
KernelLayout = Literal["KHW", "HWK"]
Value = TypeVar("Value")
Light = Callable[[np.ndarray], np.ndarray]


class RecipeTable(BaseModel):
    """A table of a recipe: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    # Fields that 0.1.0 did not have -> the value that does what it did. That one is not written,
    # so that an old recipe is the same recipe: its data sets are gone on with.
    SINCE: ClassVar[dict[str, Any]] = {}

    @model_serializer(mode="wrap")
    def _written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialise(self)
        return {k: v for k, v in written.items() if k not in self.SINCE or v != self.SINCE[k]}


class Target(RecipeTable):
    """Severity that each pair is scaled to: a bin is drawn, then a length in it, both uniformly."""

    bins: tuple[Lengths, ...] = Field(min_length=1)  # mean blur length
    unit: Literal["px", "width"] = "px"  # width: parts of the image's width

    def draw(self, random: np.random.Generator, width: int) -> float:
        """The severity in px that a pair of this width, px, is to have."""
        length = between(one_of(self.bins, random), random)
        return length * width if self.unit == "width" else length


@dataclass(frozen=True)
class Scene:
    """What is blurred, and the names and random numbers that decide how."""

    item_id: str
    # (H, W, 3), uint8 or float64 on the 0..255 scale: encoded values, or linear light.
    image: np.ndarray
    frames: np.ndarray | None  # (N, H, W, 3) uint8; `image` is the one in the middle
    random: np.random.Generator  # of this pair
    replica: int
    bank: tuple[str | int, ...]  # names the kernels that pairs share: recipe, seed, split
    light: Light = lambda picture: picture  # what is blurred of a picture, as `image` was made
    mask: np.ndarray | None = None  # (H, W) uint8 labels, where the recipe asks for them
    times: np.ndarray | None = None  # (N,) s, when the frames of a video are shown
    depth: np.ndarray | None = None  # (H, W) uint16 as its file has it, where `looks_for` it

    def pick(self, order: Order, count: int) -> int:
        """Which of `count` kernels the pair gets."""
        return self.replica % count if order == "replica" else int(self.random.integers(count))


@dataclass(frozen=True)
class Blurred:
    """A blurred image before crop, noise and rounding, and what is known of its blur."""

    image: np.ndarray  # (H, W, 3), float64, or the dtype of the scene; 0..255
    border: tuple[int, int]  # rows and columns on each side that the border touched
    drawn: dict[str, Any]  # every drawn parameter
    severity: tuple[float, float] | None  # mean and max blur length, px; None: not known
    family: str
    type: str = ""  # of a concert blur
    mask: np.ndarray | None = None  # (H, W) uint8: which layer each pixel was cut into
    columns: dict[str, Any] = field(default_factory=dict)  # of the row, for every pair the same


@dataclass(frozen=True)
class Moving:
    """How a layer moves during the exposure, and what is known of it."""

    way: "Way"
    border: tuple[int, int]  # as of `Blurred`, and so are the others
    drawn: dict[str, Any]
    severity: tuple[float, float]


def need(item_id: str, size: tuple[int, int], least: tuple[int, int]) -> None:
    """UserError unless (height, width) reaches `least`."""
    if size[0] < least[0] or size[1] < least[1]:
        needed = f"at least {least[1]}x{least[0]} are needed for its blur and crop"
        raise UserError(f"{item_id}: too small with {size[1]}x{size[0]} px; {needed}")


def between(ends: tuple[float, float], random: np.random.Generator) -> float:
    """A value drawn uniformly; a range of one value is that value."""
    return ends[0] + (ends[1] - ends[0]) * random.random()


def one_of(values: Sequence[Value], random: np.random.Generator) -> Value:
    """One of the values, each as likely as the others."""
    # random() takes one draw, however many values there are; integers() may take more.
    return values[int(random.random() * len(values))]


class Family(RecipeTable, ABC):
    """The settings of a blur family, and how it blurs."""

    # What it has of a picture: one kernel, one a pixel, or none, as medians and averaged frames.
    KERNELS: ClassVar[Literal["one", "one a pixel", "none"]] = "one a pixel"
    # Whether it blurs 8-bit pictures only, by a `type` of blur that rows name.
    CONCERT: ClassVar[bool] = False
    # Whether it cuts pictures by a mask, and so gives masks and columns of its own.
    CUTS: ClassVar[bool] = False
    MEASURED: ClassVar[bool] = True  # whether it knows the `severity` of its blurs, as rows need

    family: str

    @abstractmethod
    def blur(self, scene: Scene) -> Blurred:
        """Blur the picture of a scene; UserError names an item that is too small for it."""

    @property
    def window(self) -> tuple[int, int | None] | None:
        """(frames it averages at most, frames from one pair to the next); None: pictures."""
        return None

    @property
    def measured(self) -> bool:
        """Whether these settings give a `severity`."""
        return self.MEASURED

    @property
    def looks_for(self) -> Literal["objects", "depth"] | None:
        """What it must know of what a picture shows; None: nothing."""
        return None

    def shared(self) -> int | None:
        """How many kernels all pairs share; None: each pair has its own."""
        return None

    def located(self, folder: Path | None) -> "Family":  # noqa: ARG002
        """These settings, their files found in the recipe's folder; UserError names the field."""
        return self

    def noise(self, random: np.random.Generator) -> float | None:  # noqa: ARG002
        """Sigma of the noise that stands for a blur, of the [0, 1] range; None: the recipe's."""
        return None
