"""Recipes: what a data set is made of, as a TOML file read into a frozen, validated object."""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from blurbench.errors import UserError
from blurbench.paths import shipped

FOLDER = "datasets_manifests"
# A smaller pair has no room for the 11 px window of SSIM beside a blur, nor for four halvings.
MIN_SIDE = 32
PROSE = ("title", "source", "citation", "licence", "provenance")  # decides no pixel


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError("the lower end comes first")
    return value


Fraction = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[Fraction, Fraction], AfterValidator(_ordered)]
Side = Annotated[int, Field(ge=1, le=16384)]
OddSize = Annotated[int, Field(ge=3, le=127)]


class Table(BaseModel):
    """A table of a recipe: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Replicas(Table):
    """How many differently blurred pairs are made of one source image."""

    train: int = Field(1, ge=1)
    val: int = Field(1, ge=1)
    test: int = Field(1, ge=1)


class Splits(Table):
    """Share of each split among source images whose source states no split."""

    train: Fraction = 0.8
    val: Fraction = 0.1
    test: Fraction = 0.1

    @model_validator(mode="after")
    def _whole(self) -> "Splits":
        if abs(self.train + self.val + self.test - 1) > 1e-9:
            raise ValueError("train, val and test must add up to 1")
        return self


class Prepare(Table):
    """What happens to a source image before it is blurred."""

    resize: tuple[Side, Side] | None = None  # (height, width), whatever the aspect was
    min_size: Side = MIN_SIDE  # of the shorter side of the source image, px


class MotionFlow(Table):
    """A line kernel at each pixel (blurbench_kernels.motion_flow)."""

    family: Literal["motion_flow"]
    preset: Literal["strong", "mild"]
    mode: Literal["compat", "physical"] = "compat"
    severity: Range | None = None  # None: the preset's own range
    severity_reading: Literal["magnitude", "motion_scale"] = "magnitude"


class Trajectory(Table):
    """One kernel for the whole image, from a random camera trajectory (blurbench_kernels.bank)."""

    family: Literal["trajectory"]
    sizes: tuple[OddSize, ...] = Field(min_length=1)  # drawn uniformly, px
    anxiety: Range  # drawn uniformly
    exposure: float = Field(1.0, gt=0, le=1)  # share of the trajectory that is exposed
    fill: bool = True  # scale the trajectory so that it fills its kernel

    @field_validator("sizes")
    @classmethod
    def _odd(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if even := [size for size in value if size % 2 == 0]:
            raise ValueError(f"kernel sizes must be odd, not {even[0]}")
        return value


Blur = Annotated[MotionFlow | Trajectory, Field(discriminator="family")]


class Crop(Table):
    """What is cut off sharp, blur and mask alike after blurring."""

    borders: bool = False  # floor(max|v|/2) rows, floor(max|u|/2) columns: what the border touched
    # Then the square of this side in the middle.
    center: Annotated[int, Field(ge=MIN_SIDE, le=16384)] | None = None


class Noise(Table):
    """Gaussian noise added to the blurred image."""

    sigma: Fraction = 0.0  # of the [0, 1] range; 0 for none


class Recipe(Table):
    """Everything that decides a data set's pixels, given a source and a seed."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")  # names the random streams too
    title: str
    source: str  # how the user obtains the sharp images
    citation: str
    licence: str
    provenance: str  # where the numbers come from
    labels: tuple[Literal["mask"], ...] = ()
    replicas: Replicas = Replicas()
    splits: Splits = Splits()
    prepare: Prepare = Prepare()
    blur: Blur
    crop: Crop = Crop()
    noise: Noise = Noise()

    @property
    def masks(self) -> bool:
        """Whether every pair carries a mask."""
        return "mask" in self.labels

    def pixels(self) -> dict[str, Any]:
        """What decides pixels and rows, without the prose: equal for recipes that make the same."""
        return self.model_dump(mode="json", exclude=set(PROSE))


FAMILIES: dict[str, type[Table]] = {"motion_flow": MotionFlow, "trajectory": Trajectory}
# Where an error can lie -> whose fields are allowed there.
TABLES: dict[str, type[Table]] = {
    "replicas": Replicas,
    "splits": Splits,
    "prepare": Prepare,
    **FAMILIES,
    "crop": Crop,
    "noise": Noise,
}


def recipe_names() -> list[str]:
    """Names of the shipped recipes, sorted."""
    return sorted(path.stem for path in shipped(FOLDER).glob("*.toml"))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """A shipped recipe by its name, or any by the path of its .toml file.

    UserError, in one line, names the file, the path of each bad field and what is allowed there.
    """
    path = Path(name_or_path)
    if str(name_or_path) in recipe_names():
        path = shipped(FOLDER) / f"{name_or_path}.toml"
    elif not path.is_file():
        known = ", ".join(recipe_names())
        raise UserError(f"{name_or_path}: no such recipe; give a .toml file or one of: {known}")
    return parse_recipe(_read(path), path.name)


def parse_recipe(document: dict[str, Any], file: str) -> Recipe:
    """The recipe in a parsed TOML `document`; UserError names `file` and each bad field."""
    # By way of JSON, where "strict" takes a list for a tuple but no text for a number; a TOML
    # date becomes text, which no field mistakes for its own.
    text = json.dumps(document, default=str)
    try:
        return Recipe.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(_describe(each["loc"], each) for each in error.errors())
        raise UserError(f"{file}: {problems}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path.name}: not a TOML file ({error})") from None


def _describe(location: tuple[str | int, ...], error: Any) -> str:
    """One problem, such as "blur.severity.0: Input should be less than or equal to 1"."""
    # Pydantic puts the family's name after "blur"; no such key is in the user's file.
    field = ".".join(str(part) for part in location if part not in FAMILIES) or "the recipe"
    if error["type"] == "extra_forbidden":
        table = TABLES.get(str(location[-2]), Recipe) if len(location) > 1 else Recipe
        return f"{field}: unknown field; allowed here: {', '.join(table.model_fields)}"
    if error["type"] == "missing":
        return f"{field}: missing"
    if error["type"].startswith("union_tag"):
        return f"{field}.family: must be one of {', '.join(FAMILIES)}"
    return f"{field}: {error['msg'].removeprefix('Value error, ')} (is {error['input']!r:.60})"
