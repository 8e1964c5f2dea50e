"""The blur families of a recipe and their fields; how each blurs is in blurring.py."""

import math
from functools import reduce
from importlib.metadata import entry_points
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError("the lower end comes first")
    return value


def _listed(value: Any) -> Any:
    # A tuple, for strict validation takes no list from Python.
    return tuple(value) if isinstance(value, list) else (value,)


Fraction = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[Fraction, Fraction], AfterValidator(_ordered)]
Positive = Annotated[float, Field(gt=0, le=1024)]
Lengths = Annotated[tuple[Positive, Positive], AfterValidator(_ordered)]
# Sigma of a Gaussian, radius of a disk: kernels of 500 px at the most.
Spread = Annotated[float, Field(gt=0, le=64)]
Spreads = Annotated[tuple[Spread, Spread], AfterValidator(_ordered)]
Angle = Annotated[float, Field(ge=-360, le=360)]
OddSize = Annotated[int, Field(ge=3, le=127)]
Order = Literal["random", "replica"]
Layout = Literal["KHW", "HWK"]
ShotType = Literal[
    "horizontal", "vertical", "averaging", "gaussian", "median", "bilateral", "resizing"
]
# What each shot blur needs to be told.
SHOT_FIELDS: dict[str, tuple[str, ...]] = {
    "horizontal": ("size",),
    "vertical": ("size",),
    "averaging": ("size",),
    "gaussian": ("size", "sigma"),
    "median": ("size",),
    "bilateral": ("diameter", "sigma_color", "sigma_space"),
    "resizing": ("factor",),
}


class Table(BaseModel):
    """A table of a recipe: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Target(Table):
    """Severity that each pair is scaled to: a bin is drawn, then a length in it, both uniformly."""

    bins: tuple[Lengths, ...] = Field(min_length=1)  # mean blur length
    unit: Literal["px", "width"] = "px"  # width: parts of the image's width


class MotionFlow(Table):
    """A line kernel at each pixel (blurbench_kernels.motion_flow)."""

    family: Literal["motion_flow"]
    preset: Literal["strong", "mild"]
    mode: Literal["compat", "physical"] = "compat"
    severity: Range | None = None  # None: the preset's own range
    # What severity scales: the magnitude of each parameter, the whole flow, or no motion at all:
    # then it is the standard deviation of Gaussian noise in grey levels.
    severity_reading: Literal["magnitude", "motion_scale", "noise"] = "magnitude"
    target: Target | None = None

    @property
    def scaling(self) -> tuple[tuple[float, float] | None, Literal["magnitude", "motion_scale"]]:
        """The range that scales the motion, and how."""
        if self.severity_reading == "noise":
            return None, "magnitude"
        return self.severity, self.severity_reading


class Trajectory(Table):
    """One kernel for the whole image, from a random camera trajectory (blurbench_kernels.bank)."""

    family: Literal["trajectory"]
    sizes: tuple[OddSize, ...] = ()  # drawn uniformly, px; none with a target
    anxiety: Range  # drawn uniformly
    # Shares of the trajectory that are exposed, one drawn uniformly.
    exposure: Annotated[
        tuple[Annotated[float, Field(gt=0, le=1)], ...],
        Field(min_length=1),
        BeforeValidator(_listed),
    ] = (1.0,)
    fill: bool = True  # scale the trajectory so that it fills its kernel
    steps: int = Field(2000, ge=2, le=20000)  # samples of the trajectory
    count: int | None = Field(None, ge=1)  # kernels in all, by split; None: a new one a pair
    order: Order = "random"  # which of `count` kernels a pair gets; replica: its replica's
    target: Target | None = None

    @field_validator("sizes")
    @classmethod
    def _odd(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if even := [size for size in value if size % 2 == 0]:
            raise ValueError(f"kernel sizes must be odd, not {even[0]}")
        return value

    @model_validator(mode="after")
    def _sized(self) -> "Trajectory":
        if bool(self.sizes) == bool(self.target):
            raise ValueError("give sizes or a target")
        if self.order == "replica" and self.count is None:
            raise ValueError('order = "replica" needs a count of kernels')
        return self


class Camera(Table):
    """A camera path with six degrees of freedom before a plane (blurbench_kernels.camera)."""

    family: Literal["camera"]
    anxiety: Range  # of each component's path, drawn uniformly
    translation: Fraction = 0.01  # largest, parts of the plane's distance
    rotation: float = Field(1.0, ge=0, le=45)  # largest, degrees
    focal: float = Field(1.0, gt=0, le=20)  # parts of the image's width
    tilt: float = Field(0.0, ge=0, le=45)  # of the plane, largest, degrees
    target: Target | None = None


class Line(Table):
    """A straight uniform line."""

    family: Literal["line"]
    length: Lengths | None = None  # drawn uniformly, px
    angle: Annotated[tuple[Angle, Angle], AfterValidator(_ordered)] = (0.0, 180.0)  # degrees
    target: Target | None = None

    @model_validator(mode="after")
    def _sized(self) -> "Line":
        return _one_of(self, "length")


class Gaussian(Table):
    """A Gaussian."""

    family: Literal["gaussian"]
    sigma: Spreads | None = None  # drawn uniformly, px
    target: Target | None = None

    @model_validator(mode="after")
    def _sized(self) -> "Gaussian":
        return _one_of(self, "sigma")


class Disk(Table):
    """A uniform disk: a lens out of focus."""

    family: Literal["disk"]
    radius: Spreads | None = None  # drawn uniformly, px
    target: Target | None = None

    @model_validator(mode="after")
    def _sized(self) -> "Disk":
        return _one_of(self, "radius")


def _one_of(table: Any, name: str) -> Any:
    if (getattr(table, name) is None) == (table.target is None):
        raise ValueError(f"give {name} or a target")
    return table


class Shot(Table):
    """One of the seven concert blurs (blurbench_kernels.shot)."""

    family: Literal["shot"]
    type: ShotType
    size: OddSize | None = None  # px
    sigma: Positive | None = None  # px
    diameter: OddSize | None = None  # px
    sigma_color: Positive | None = None  # grey levels
    sigma_space: Positive | None = None  # px
    factor: Annotated[float, Field(gt=1, le=64)] | None = None  # how much smaller, then back

    @model_validator(mode="after")
    def _told(self) -> "Shot":
        needed = SHOT_FIELDS[self.type]
        given = [name for fields in SHOT_FIELDS.values() for name in fields]
        for name in dict.fromkeys(given):
            if (getattr(self, name) is not None) != (name in needed):
                raise ValueError(f"{self.type} takes {', '.join(needed)}")
        return self

    @property
    def parameters(self) -> dict[str, float]:
        """The arguments of the blur."""
        return {name: getattr(self, name) for name in SHOT_FIELDS[self.type]}


class FrameAverage(Table):
    """Consecutive frames averaged; the sharp picture is the one in the middle."""

    family: Literal["frame_average"]
    frames: tuple[Annotated[int, Field(ge=3, le=999)], ...] = Field(min_length=1)  # one is drawn
    step: int | None = Field(None, ge=1)  # frames from one pair to the next; None: no overlap

    @field_validator("frames")
    @classmethod
    def _odd(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if even := [count for count in value if count % 2 == 0]:
            raise ValueError(f"frames must be odd, so that one is in the middle, not {even[0]}")
        return value


class Bank(Table):
    """Kernels from the user's own file (kernel_files.py)."""

    family: Literal["bank"]
    # .npy, .npz, .mat, .png, .txt, .dlm, or a folder of the last three; beside the recipe or below.
    file: str
    variable: str | None = None  # its name inside an .npz or .mat that holds several
    # Convolution turns the kernel by 180 degrees, correlation (Levin et al., OpenCV) does not.
    apply: Literal["convolution", "correlation"]
    layout: Layout | None = None  # which axis counts; None: the last of a .mat, else the first
    transpose: bool  # rows and columns are swapped in the file
    order: Order = "random"
    sha256: str | None = None  # of the kernels; filled in when the recipe is read
    # Where this machine has the file, which decides no pixel.
    _path: Path | None = PrivateAttr(None)

    @property
    def path(self) -> Path | None:
        """Where the file was found; None before."""
        return self._path

    def located(self, path: Path, sha256: str) -> "Bank":
        """This table once its file is found and read."""
        found = self.model_copy(update={"sha256": sha256})
        found._path = path
        return found


Single = MotionFlow | Trajectory | Camera | Line | Gaussian | Disk | Shot | FrameAverage | Bank
SINGLE: dict[str, type[Table]] = {
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


class Mixture(Table):
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


FAMILIES: dict[str, type[Table]] = {**SINGLE, "mixture": Mixture}
if TYPE_CHECKING:
    Blur = Single | Mixture
else:
    Blur = Annotated[reduce(or_, FAMILIES.values()), Field(discriminator="family")]


def parts_of(blur: Any) -> tuple[Any, ...]:
    """The families that a recipe's blur can pick from."""
    return blur.parts if isinstance(blur, Mixture) else (blur,)
