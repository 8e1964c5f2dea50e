"""Which pairs a folder or a data set holds, and their pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from blurbench.datasets.find_pairs import list_pairs
from blurbench.datasets.format import (
    DATASET,
    WORK,
    Description,
    pictures_of,
    read_description,
    read_picture,
    read_rows,
)
from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.recipes.existing import Existing
from blurbench.recipes.recipe import load_any_recipe
from blurbench.sources.open import in_order
from blurbench.stores.folder import Folder
from blurbench.stores.open import Place, open_store
from blurbench.stores.store import Store


class KnownPair(NamedTuple):
    """A pair, and where its pictures lie."""

    split: str
    id: str
    store: Store
    blur: str  # names in the store
    sharp: str

    @property
    def name(self) -> str:
        """What no other pair of the set is called."""
        return f"{self.split}/{self.id}"

    def read(self) -> tuple[bytes, bytes]:
        """The blurred and the sharp file; BadImage where one cannot be read."""
        return read_picture(self.store, self.blur), read_picture(self.store, self.sharp)


@dataclass(frozen=True)
class PairsFound:
    """The pairs of a folder, sorted by split and id."""

    pairs: Sequence[KnownPair]
    digest: str  # of the data set; of the names, where it is a plain folder
    notes: Sequence[str] = ()  # what was not read, a line each
    problems: Sequence[str] = ()  # what is no pair, a line each

    def first(self, count: int | None) -> list[KnownPair]:
        """So many pairs, the first in the order of their names' hashes; all for None."""
        by_hash = sorted(self.pairs, key=lambda pair: sha256(pair.name.encode()))
        return sorted(by_hash[:count], key=lambda pair: (pair.split, pair.id))


def find_known_pairs(place: Place) -> PairsFound:
    """The pairs of a data set or an index, or else of a folder laid out as recipe `pairs` has it.

    UserError where there is none, or the set is unfinished.
    """
    store = open_store(place).absolute()
    if store.is_file(DATASET) or store.exists(WORK):
        description = read_description(store)
        return PairsFound(list(_rows(store, description)), description.digest)
    if not store.is_here:
        raise UserError(f"{store.where()}: no data set ({DATASET} is missing)")
    recipe = load_any_recipe("pairs")
    assert isinstance(recipe, Existing)
    found = list_pairs(recipe, str(place))
    pictures = Folder(Path(place).absolute(), links=True)
    pairs = [
        KnownPair(pair.split, pair.id, pictures, pair.blur, pair.sharp)
        for pair in found.pairs
        if not pair.problem
    ]
    told = "\n".join(f"{pair.split} {pair.blur} {pair.sharp}" for pair in pairs)
    problems = [pair.problem for pair in found.pairs if pair.problem]
    return PairsFound(pairs, sha256(told.encode()), found.notes, problems)


def _rows(store: Store, description: Description) -> Iterator[KnownPair]:
    for split in in_order(description.counts):
        pictures, folder = pictures_of(store, description, split)
        for row in read_rows(store, split):
            blur, sharp = (
                pictures.inside(folder, row[f"{k}_file_name"]) for k in ("blur", "sharp")
            )
            yield KnownPair(split, row["id"], pictures, blur, sharp)
