"""Recipes: what a data set is made of, as a TOML file read into a frozen, validated object."""

import json
import tomllib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from blurbench.blurs.base import MIN_SIDE, Fraction, RecipeTable, Target
from blurbench.blurs.registry import PLUG_INS, UNKNOWN, Blur, family_class, parts_of
from blurbench.errors import UserError
from blurbench.files import load_json, read_regular, shipped
from blurbench.recipes.existing import Existing, PairPaths
from blurbench.recipes.ingredient import Ingredient
from blurbench.recipes.sensor import Raw, Sensor
from blurbench.schemas import fault
from blurbench.words import meant

FOLDER = "datasets_manifests"
# Decides no pixel.
PROSE = ("title", "source", "citation", "licence", "provenance", "differs", "layout")


AnyRecipe = TypeVar("AnyRecipe", bound=RecipeTable)


Side = Annotated[int, Field(ge=1, le=16384)]


class Replicas(RecipeTable):
    """How many differently blurred pairs are made of one source image."""

    train: int = Field(1, ge=1)
    val: int = Field(1, ge=1)
    test: int = Field(1, ge=1)


class Splits(RecipeTable):
    """Share of each split among source images whose source states no split."""

    # hash: more pictures move no other one; count: as near to the shares as whole groups get, and
    # none is empty that can have one.
    by: Literal["hash", "count"] = "hash"
    train: Fraction = 0.8
    val: Fraction = 0.1
    test: Fraction = 0.1

    SINCE: ClassVar[dict[str, Any]] = {"by": "hash"}

    @model_validator(mode="after")
    def _whole(self) -> "Splits":
        # Not == 1: as floats 0.7 + 0.2 + 0.1 is less.
        if abs(self.train + self.val + self.test - 1) > 1e-9:
            raise ValueError("train, val and test must add up to 1")
        return self


class Prepare(RecipeTable):
    """What happens to a source image before it is blurred."""

    resize: tuple[Side, Side] | None = None  # (height, width), whatever the aspect was
    min_size: Side = MIN_SIDE  # of the shorter side of the source image, px


class Images(RecipeTable):
    """How many source images each split has: the first in hash order; None for all there are."""

    train: int | None = Field(None, ge=0)
    val: int | None = Field(None, ge=0)
    test: int | None = Field(None, ge=0)


class CaptionRules(RecipeTable):
    """Sentences that come with the source images, where the source has a caption file."""

    count: int = Field(5, ge=1)  # the first so many of each image; fewer are a failure
    required: bool = False  # whether a source without any caption file is refused


class ObjectRules(RecipeTable):
    """Which things that a source tells are objects: to layers, and to defocus by masks."""

    background: tuple[str, ...] = ()  # classes of COCO's list that are none, such as "bed"
    crowds: bool = False  # whether what the list has as a crowd is one object, or none


class Recognition(RecipeTable):
    """Identities with one probe, which is blurred, and sharp gallery images beside it."""

    probes: int = Field(ge=1)  # identities, the first in hash order that have images enough
    gallery: int = Field(ge=1)  # sharp images of each


class Region(RecipeTable):
    """Where the blur is, the rest staying sharp: a random square, or one class of the mask."""

    kind: Literal["box", "class"]
    side: Annotated[int, Field(ge=MIN_SIDE, le=16384)] | None = None  # of the square, px

    @model_validator(mode="after")
    def _told(self) -> "Region":
        if (self.kind == "box") != (self.side is not None):
            raise ValueError("a box needs its side, a class of the mask has none")
        return self


class Crop(RecipeTable):
    """What is cut off sharp, blur and mask alike after blurring."""

    borders: bool = False  # floor(max|v|/2) rows, floor(max|u|/2) columns: what the border touched
    # Then the square of this side in the middle.
    center: Annotated[int, Field(ge=MIN_SIDE, le=16384)] | None = None


class Noise(RecipeTable):
    """Gaussian noise added to the blurred image."""

    sigma: Fraction = 0.0  # 0 for none
    # The range that sigma is a part of: unit is [0, 1]; symmetric is [-1, 1], twice as long.
    range: Literal["unit", "symmetric"] = "unit"

    @property
    def of_unit(self) -> float:
        """Sigma of the [0, 1] range."""
        return self.sigma / 2 if self.range == "symmetric" else self.sigma


class Recipe(RecipeTable):
    """Everything that decides a data set's pixels, given a source and a seed."""

    kind: Literal["synthetic"] = "synthetic"
    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")  # names the random streams too
    title: str
    source: str  # how the user obtains the sharp images
    citation: str
    licence: str
    provenance: str  # where the numbers come from
    differs: str = ""  # from the paper's data, and why
    labels: tuple[Literal["mask", "shot_type", "identity"], ...] = ()
    captions: CaptionRules | None = None
    objects: ObjectRules | None = None
    recognition: Recognition | None = None
    pictures: str | None = None  # pattern of the source's ids that are used, such as "*/sharp/*"
    # Pictures that share a split where the source states none: each is alone, or its folder is one.
    groups: Literal["picture", "folder"] = "picture"
    images: Images = Images()
    replicas: Replicas = Replicas()
    splits: Splits = Splits()
    # Which colours the pixels of a source are: those of its profile, or converted to sRGB.
    colour: Literal["as-stored", "srgb"] = "as-stored"
    prepare: Prepare = Prepare()
    blur: Blur
    identity: Fraction = 0.0  # share of pairs that stay sharp
    region: Region | None = None
    crop: Crop = Crop()
    sensor: Sensor | None = None
    noise: Noise = Noise()
    # In place of blur and what surrounds it: recipes, one of which is drawn for each pair.
    mix: Annotated[tuple[Ingredient, ...], Field(min_length=2)] | None = None

    SINCE: ClassVar[dict[str, Any]] = {"colour": "as-stored", "objects": None, "mix": None}

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if self.prepare.resize and self.depth == 16:
            raise ValueError("pictures of 16 bits are not resized: sensor.depth must be 8")
        if self.region and self.region.kind == "class" and not self.masks:
            raise ValueError('region.kind = "class" needs labels = ["mask"]')
        if self.shots and self.sensor and self.sensor.light == "linear":
            raise ValueError('concert blurs take 8-bit pictures: sensor.light must be "encoded"')
        if self.cuts and (self.identity or self.region or not self.masks):
            raise ValueError('layers need labels = ["mask"], no identity and no region')
        if self.objects and "objects" not in self.looks_for:
            raise ValueError('objects are for family = "layers", or "defocus" with depth = "mask"')
        if self.recognition and "identity" not in self.labels:
            raise ValueError('recognition needs labels = ["identity"]')
        return self

    @property
    def each(self) -> tuple["Recipe", ...]:
        """The recipes that it mixes; itself where it mixes none."""
        return tuple(part.made for part in self.mix) if self.mix else (self,)

    def drawn(self, place: float) -> "Recipe":
        """The recipe that makes a pair, by a number drawn from [0, 1)."""
        for part in self.mix or ():
            place -= part.weight or 0.0
            if place < 0:
                return part.made
        return self.each[-1]

    @property
    def masks(self) -> bool:
        """Whether every pair carries a mask."""
        return "mask" in self.labels

    @property
    def depth(self) -> Literal[8, 16]:
        """Bits of its sources that count."""
        return self.sensor.depth if self.sensor else 8

    @cached_property
    def frames(self) -> tuple[int, int] | None:
        """(frames that a source item holds, step from one item to the next); None: pictures."""
        if self.blur.window is None:
            return None
        longest, step = self.blur.window
        return longest, step or longest

    @cached_property
    def shots(self) -> bool:
        """Whether rows say which of the concert blurs theirs is."""
        return any(part.CONCERT for part in parts_of(self.blur))

    @cached_property
    def cuts(self) -> bool:
        """Whether pictures are cut into layers, and masks tell which."""
        return any(part.CUTS for part in parts_of(self.blur))

    @cached_property
    def looks_for(self) -> frozenset[str]:
        """What its blurs must know of what a picture shows: "objects", "depth"."""
        return frozenset(part.looks_for for part in parts_of(self.blur) if part.looks_for)

    @cached_property
    def measured(self) -> bool:
        """Whether rows say how long their blur is; averaged frames do where motion is followed."""
        return all(part.measured for part in parts_of(self.blur))

    def plugins(self) -> dict[str, str]:
        """Its families of other packages: their package and its version."""
        return PLUG_INS.origins(part.family for part in parts_of(self.blur))

    def pixels(self) -> dict[str, Any]:
        """What decides pixels and rows, without the prose: equal for recipes that make the same."""
        return self.model_dump(mode="json", exclude=set(PROSE))


# Where an error can lie -> whose fields are allowed there.
TABLES: dict[str, type[RecipeTable]] = {
    "replicas": Replicas,
    "splits": Splits,
    "prepare": Prepare,
    "images": Images,
    "captions": CaptionRules,
    "objects": ObjectRules,
    "recognition": Recognition,
    "region": Region,
    "target": Target,
    "crop": Crop,
    "sensor": Sensor,
    "raw": Raw,
    "noise": Noise,
    "pairs": PairPaths,
    "mix": Ingredient,
}


def recipe_names() -> list[str]:
    """Names of the shipped recipes, sorted."""
    return sorted(path.stem for path in shipped(FOLDER).glob("*.toml"))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """A shipped recipe by its name, or any by the path of its .toml file.

    UserError, in one line, names the file, the path of each bad field and what is allowed there;
    or tells what to do with a recipe of pairs that exist.
    """
    recipe = load_any_recipe(name_or_path)
    if isinstance(recipe, Existing):
        index = f"blurbench synthesize {name_or_path} --source DIR --out INDEX"
        raise UserError(f"{name_or_path}: blurs nothing, its pairs exist; index them ({index})")
    return recipe


def load_any_recipe(name_or_path: str | Path) -> Recipe | Existing:
    """`load_recipe`, for recipes of either kind."""
    path = find_recipe(name_or_path)
    document = read_document(path)
    if document.get("kind") == "existing":
        return validated(Existing, document, path.name)
    return parse_recipe(document, path.name, path.parent)


def find_recipe(name_or_path: str | Path) -> Path:
    """The file of a recipe; UserError where there is none."""
    path, known = Path(name_or_path), recipe_names()
    if str(name_or_path) in known:
        return shipped(FOLDER) / f"{name_or_path}.toml"
    if not path.is_file():
        told = f"{name_or_path}: no such recipe{meant(str(name_or_path), known)}"
        raise UserError(f"{told}; give a .toml file or one of: {', '.join(known)}")
    return path


def parse_recipe(document: dict[str, Any], file: str, folder: Path | None = None) -> Recipe:
    """The recipe in a parsed TOML `document`; UserError names `file` and each bad field.

    folder: where the recipe lies, beside or below which are the kernels of a bank.
    """
    if "mix" in document:
        from blurbench.recipes.mixing import mixed  # which reads recipes in turn

        return mixed(document, file, folder)
    return _located(validated(Recipe, document, file), file, folder)


def validated(kind: type[AnyRecipe], document: dict[str, Any], file: str) -> AnyRecipe:
    """A document as a recipe of one kind; UserError as of `parse_recipe`."""
    # By way of JSON, where "strict" takes a list for a tuple but no text for a number; a TOML
    # date becomes text, which no field mistakes for its own.
    text = json.dumps(document, default=str)
    try:
        found = kind.model_validate_json(text)
        load_json(text.encode())  # refuses NUL in a name, and the like
        return found
    except ValidationError as error:
        problems = "; ".join(_describe(kind, document, each) for each in error.errors())
        raise UserError(f"{file}: {problems}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: {error}") from None
    except UserError as error:  # a family of another package that cannot be used
        raise UserError(f"{file}: blur.family: {error}") from None


def _located(recipe: Recipe, file: str, folder: Path | None) -> Recipe:
    """The recipe with the kernels of its banks found and identified."""
    try:
        blur = recipe.blur.located(folder)
    except UserError as error:
        raise UserError(f"{file}: blur.{error}") from None
    return recipe.model_copy(update={"blur": blur})


def read_document(path: Path) -> dict[str, Any]:
    """What a TOML file holds; UserError where it is none."""
    try:
        document = tomllib.loads(read_regular(path).decode().replace("\r\n", "\n"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    # Not only what tomllib itself calls an error: of numbers and dates Python does.
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path.name}: not a TOML file ({error})") from None
    return document


def _describe(kind: type[RecipeTable], document: Any, error: ErrorDetails) -> str:
    """One problem, such as "blur.severity.0: should be less than or equal to 1 (is 2)"."""
    field = ".".join(map(str, error["loc"])) or "the recipe"
    if error["type"] == "extra_forbidden":
        table = _table(kind, document, error["loc"][:-1])
        return f"{field}: unknown field; allowed here: {', '.join(table.model_fields)}"
    if error["type"] == UNKNOWN:
        return f"{field}.family: {error['msg']}"
    return fault(error)


def _table(kind: type[RecipeTable], document: Any, path: Sequence[str | int]) -> type[RecipeTable]:
    """Which table lies at a path of the document."""
    for part in path:
        document = document[part]
        if isinstance(document, dict) and "family" in document:
            kind = family_class(document["family"])
        else:
            kind = TABLES.get(str(part), kind)
    return kind
