"""What a training and an evaluation ask of one split, whoever made it and wherever it lies."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from blurbench.datasets.format import Row


class Pairs(Protocol):
    """A split to train on: stored pairs, or pairs blurred anew in every epoch."""

    @property
    def splits(self) -> Sequence[str]:
        """Every split that there is beside this one, in order."""

    @property
    def digest(self) -> str:
        """What tells these pairs from all others."""

    @property
    def recipe_name(self) -> str:
        """Of the recipe that made them; "" where it has none."""

    def __len__(self) -> int:
        """Number of pairs in one epoch."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`blur`, `sharp` float32 (3, H, W) in [0, 1], `id`, and what labels there are."""

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        """Item `index` as this epoch shows it."""

    def has(self, label: str) -> bool:
        """Whether every pair carries this label, such as "mask" or "captions"."""

    def captions(self) -> list[list[str]]:
        """The sentences of each pair, without its pictures."""

    def sources(self) -> set[str]:
        """SHA-256 of the file of each sharp picture; reads them where no row tells it."""

    def groups(self) -> list[str]:
        """Of each pair, what it must not be parted from: its clip or person, else its source."""

    def only(self, indices: Sequence[int]) -> "Pairs":
        """These pairs alone, in this order."""

    def sizes(self) -> set[tuple[int, int]] | None:
        """(H, W) in px of the pairs; None where that is known only once they are made."""


class ScoredSplit(Protocol):
    """A split to restore and score: a data set's, or photographs that have no sharp pictures."""

    rows: list[Row]

    @property
    def place(self) -> str:
        """The folder or URL that it lies in, for messages."""

    @property
    def split(self) -> str:
        """Its name."""

    @property
    def digest(self) -> str:
        """Of the whole data set: what tells it from all others."""

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The recipe as it stands in dataset.json."""

    @property
    def recipe_name(self) -> str:
        """Of the recipe; "" where it has none."""

    @property
    def has_sharp(self) -> bool:
        """Whether there is a sharp picture to compare with."""

    def __len__(self) -> int:
        """Number of rows."""

    def picture(self, row: Row, kind: str) -> np.ndarray:
        """A row's `blur` or `sharp` as (H, W, 3) uint8, or its `mask` as (H, W) labels."""

    def where(self, row: Row, kind: str) -> str:
        """What to call a row's picture in messages."""

    def sent(self) -> "ScoredSplit":
        """The same, picklable and without rows but those of a gallery, to read pictures with."""
