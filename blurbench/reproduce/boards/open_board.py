"""What an open board states before its first row: data, rows, steps; `suites.py` states each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blurbench.recipes.recipe import Recipe

PREFIX = "board-"  # of every open board's name


@dataclass(frozen=True, eq=False)
class BoardData:
    """Pictures under one recipe."""

    name: str  # of its folder
    recipe: str  # a shipped one
    folder: str  # of the sharp pictures, below --data-root; empty: always the built-in ones
    stand_in: str  # built-in source
    title: str  # what the page calls it
    changes: Mapping[str, Any] = field(default_factory=dict)  # fields of the recipe

    def blurred_by(self, stand_in: bool) -> "Recipe":
        """The recipe with what the board changes; another name, so that digests tell them apart."""
        from blurbench.recipes.recipe import load_recipe  # here: `list tables` does without

        suffix = "-stand-in" if stand_in and self.folder else ""
        named = {"name": f"board-{self.name}{suffix}", "title": self.title}
        return load_recipe(self.recipe).model_copy(update={**named, **self.changes})


@dataclass(frozen=True, eq=False)
class BoardRow:
    """A row, and what makes it: nothing of the last five for the blurred pictures themselves."""

    name: str
    what: str  # in words
    minutes: float  # of one core: training and scoring, measured beforehand
    model: str = ""
    preset: str = "tiny"
    settings: Mapping[str, Any] = field(default_factory=dict)  # fields of the preset
    files: Mapping[str, str] = field(default_factory=dict)  # fields that are files: -> path
    steps: int = 0  # of all stages together
    classical: str = ""  # a name of `evaluate --classical`
    shipped: str = ""  # weights in the package
    weights: str = ""  # file or folder below --data-root


@dataclass(frozen=True)
class OpenBoard:
    """Data sets, and rows in the order of their worth."""

    name: str
    title: str
    trained_on: BoardData
    scored: tuple[BoardData, ...]
    shown: tuple[BoardData, ...]  # publishable pictures to look at, not ranked
    rows: tuple[BoardRow, ...]
    metrics: tuple[str, ...]
    leaders: int = 2  # rows that are trained from three seeds

    @property
    def data(self) -> tuple[BoardData, ...]:
        """Each data set once."""
        return tuple(dict.fromkeys((self.trained_on, *self.scored, *self.shown)))
