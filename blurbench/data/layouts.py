"""How pairs that somebody else made lie in a folder: recipes of kind "existing"."""

import re
from functools import cache
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from blurbench.data.families import Table

FIELD = re.compile(r"\{(\w+)\}")

Split = Literal["train", "val", "test"]
Counts = dict[
    Annotated[str, Field(pattern="^(train|val|test)$")], Annotated[int, Field(ge=0)]
]  # by split


class Pairs(Table):
    """Where pairs lie: paths below the root, without suffix; `{field}` is a piece of one part.

    {split} is train, val or test, {variant} that of the recipe, {sequence} goes to the rows; any
    other field only says that the paths of a pair agree there.
    """

    blur: str
    sharp: str
    split: Split | None = None  # where {split} is in no path
    list_file: str | None = None  # text: a line a pair, its sharp and then its blurred path

    @model_validator(mode="after")
    def _agree(self) -> "Pairs":
        fields = set(FIELD.findall(self.blur))
        if unknown := set(FIELD.findall(self.sharp)) - fields - {"variant"}:
            raise ValueError(f"sharp has the field {{{min(unknown)}}}, which blur has not")
        if ("{split}" in (self.list_file or self.blur)) == (self.split is not None):
            raise ValueError("needs either a split, or {split} in the path")
        return self


class Existing(Table):
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
    variants: tuple[str, ...] = ()  # blurs that the set has of each sharp picture
    variant: str = Field("", validate_default=True)  # the one that this recipe takes
    pairs: tuple[Pairs, ...] = Field(min_length=1)  # for each blurred picture the first that fits
    expected: Counts = Field(default_factory=dict)  # blurred pictures
    sequences: Counts = Field(default_factory=dict)  # expected too

    @property
    def places(self) -> tuple[Pairs, ...]:
        """Where the pairs of this variant lie."""
        named = "{variant}", self.variant
        return tuple(
            each.model_copy(
                update={"blur": each.blur.replace(*named), "sharp": each.sharp.replace(*named)}
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


@cache
def pattern(template: str) -> re.Pattern[str]:
    """What a path without suffix looks like; a field that comes again is the same again."""
    seen: set[str] = set()
    text = ""
    for piece in re.split(r"(\{\w+\})", template):
        name = piece.strip("{}")
        if not FIELD.fullmatch(piece):
            text += re.escape(piece)
        elif name in seen:
            text += f"(?P={name})"
        else:
            seen.add(name)
            text += f"(?P<{name}>{'train|val|test' if name == 'split' else '[^/]+'})"
    return re.compile(text)
