"""How pairs that somebody else made lie in a folder: recipes of kind "existing"."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from blurbench.blurs.base import RecipeTable

FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")

Split = Literal["train", "val", "test"]
Counts = dict[
    Annotated[str, Field(pattern="^(train|val|test)$")], Annotated[int, Field(ge=0)]
]  # by split


def _fields_only(template: str) -> str:
    if re.search("[{}]", FIELD.sub("", template)):
        raise ValueError("braces are for fields: a name of letters, digits and _, such as {name}")
    return template


Template = Annotated[str, AfterValidator(_fields_only)]  # text with {fields}


class PairPaths(RecipeTable):
    """Where pairs lie: paths below the root, without suffix; `{field}` is a piece of one part.

    {split} is train, val or test, {variant} that of the recipe, {sequence} goes to the rows; any
    other field only says that the paths of a pair agree there.
    """

    blur: Template
    sharp: Template
    split: Split | None = None  # where {split} is in no path
    list_file: Template | None = None  # text: a line a pair, its sharp and then its blurred path

    @model_validator(mode="after")
    def _agree(self) -> "PairPaths":
        fields = set(FIELD.findall(self.blur))
        if unknown := set(FIELD.findall(self.sharp)) - fields - {"variant"}:
            raise ValueError(f"sharp has the field {{{min(unknown)}}}, which blur has not")
        if unknown := set(FIELD.findall(self.list_file or "")) - {"split", "variant"}:
            known = "it takes {split} and {variant}"
            raise ValueError(f"list_file has the field {{{min(unknown)}}}; {known}")
        if ("{split}" in (self.list_file or self.blur)) == (self.split is not None):
            raise ValueError("needs either a split, or {split} in the path")
        return self


class Existing(RecipeTable):
    """Pairs that are there already: an index of them is written, and nothing is copied."""

    kind: Literal["existing"]
    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    title: str
    source: str  # how the user obtains the pairs
    citation: str
    licence: str
    provenance: str  # where the numbers come from
    differs: str = ""
    layout: str  # drawn in one line, for whoever gives another folder
    variants: tuple[
        Annotated[str, Field(pattern="^[^{}]+$")], ...
    ] = ()  # blurs that the set has of each sharp picture
    variant: str = Field("", validate_default=True)  # the one that this recipe takes
    # For each blurred picture the first that fits.
    pairs: tuple[PairPaths, ...] = Field(min_length=1)
    expected: Counts = Field(default_factory=dict)  # blurred pictures
    sequences: Counts = Field(default_factory=dict)  # expected too

    @property
    def places(self) -> tuple[PairPaths, ...]:
        """Where the pairs of this variant lie."""
        chosen = {"variant": self.variant}
        return tuple(
            each.model_copy(
                update={
                    "blur": fill(each.blur, chosen),
                    "sharp": fill(each.sharp, chosen),
                    "list_file": each.list_file and fill(each.list_file, chosen),
                }
            )
            for each in self.pairs
        )

    @field_validator("variant")
    @classmethod
    def _chosen(cls, value: str, info: ValidationInfo) -> str:
        variants = info.data.get("variants", ())
        if value not in (variants or ("",)):
            raise ValueError(f"must be one of {', '.join(variants) or 'the variants, a field'}")
        return value


def fill(template: str, values: Mapping[str, str]) -> str:
    """A template with those of its fields that have a value in place; nothing is evaluated."""
    return FIELD.sub(lambda field: values.get(field[1], field[0]), template)


@cache
def pattern(template: str) -> re.Pattern[str]:
    """What a path without suffix looks like; a field that comes again is the same again."""
    seen: set[str] = set()
    text = ""
    for place, piece in enumerate(FIELD.split(template)):
        if place % 2 == 0:  # between two fields
            text += re.escape(piece)
        elif piece in seen:
            text += f"(?P={piece})"
        else:
            seen.add(piece)
            text += f"(?P<{piece}>{'train|val|test' if piece == 'split' else '[^/]+'})"
    return re.compile(text)
