"""The only reader of a made data set; and the same pairs, blurred on the fly."""

from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from blurbench.datasets.crop import cropped
from blurbench.datasets.format import (
    METADATA,
    Description,
    pictures_of,
    read_description,
    read_picture,
    read_rows,
    source_hash,
)
from blurbench.datasets.pair import MadePair, make_pair, prepare
from blurbench.datasets.splits import choose, group_of, group_of_row
from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.images import decode, decode_labels, to_float
from blurbench.progress import progress
from blurbench.recipes.recipe import Recipe
from blurbench.sources.labels.masks import CLASS_COUNT
from blurbench.sources.open import Sharp, Source, in_order
from blurbench.stores.open import Place, open_store
from blurbench.stores.store import Store
from blurbench.words import meant

CACHE_BYTES = 2**30  # of prepared sharp images, in each process


class BlurDataset(Dataset[dict[str, Any]]):
    """One split of a data set that `blurbench synthesize` made; item i is row i, sorted by id."""

    has_sharp = True

    def __init__(
        self,
        place: Place | Store,
        split: str,
        description: Description | None = None,
        crop: int | None = None,
    ) -> None:
        """Of a folder or URL; UserError: no data set, no such split, or torn metadata.

        description: of the data set, where its dataset.json was read already.
        crop: side in px of the square that each item is cut to, anew each time; smaller pictures
        are mirrored at their edges. So pictures of several sizes make batches.
        """
        if crop is not None and crop < 1:
            raise UserError(f"crop={crop}: give the side of a square in px, 1 or more")
        self.crop = crop
        self.store = open_store(place)
        description = description or read_description(self.store)
        self.description = description
        self.splits = tuple(in_order(description.counts))
        if split not in self.splits:
            known, near = ", ".join(self.splits) or "none", meant(split, self.splits)
            # What is scored has an option for it, with "test" as its default; a training has none.
            mend = f"; give --split {self.splits[-1]}" if split == "test" and self.splits else ""
            where = self.store.where()
            raise UserError(f"{where}: no split {split!r}{near}; there are: {known}{mend}")
        self.split = split
        self.pictures = pictures_of(self.store, description, split)
        self.digest = description.digest
        self.recipe = description.recipe
        self.recipe_name = str(self.recipe.get("name", ""))
        self.rows = list(read_rows(self.store, split))
        if len(self.rows) != description.counts[split]:
            where = self.store.where(f"{split}/{METADATA}")
            raise UserError(
                f"{where}: {len(self.rows)} rows, but {description.counts[split]} were made; "
                "run `blurbench verify`"
            )

    @property
    def place(self) -> str:
        """The folder or URL that it lies in, for messages."""
        return self.store.where()

    def other(self, split: str) -> "BlurDataset":
        """Another split of the same data set; UserError as above."""
        return BlurDataset(self.store, split, self.description, self.crop)

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`blur`, `sharp` float32 (3, H, W) in [0, 1], `id`; `mask` one-hot float32 (4, H, W).

        `captions` are a list of sentences.
        """
        row = self.rows[index]
        mask = self.picture(row, "mask") if self.has("mask") else None
        blur, sharp = self.picture(row, "blur"), self.picture(row, "sharp")
        item = _item(row["id"], blur, sharp, mask, row)
        return cropped(item, self.crop) if self.crop else item

    def sample(self, index: int, epoch: int) -> dict[str, Any]:  # noqa: ARG002
        """Item `index`; a stored pair is the same in every epoch."""
        return self[index]

    def has(self, label: str) -> bool:
        """Whether every pair carries this label, such as "mask" or "captions"."""
        return bool(self.rows) and (f"{label}_file_name" in self.rows[0] or label in self.rows[0])

    def captions(self) -> list[list[str]]:
        """The sentences of each pair, without its pictures."""
        return [row.get("captions") or [] for row in self.rows]

    def sources(self) -> set[str]:
        """SHA-256 of the file of each sharp picture, as the rows have it (`source_hash`)."""
        return {found for row in self.rows if (found := source_hash(row))}

    def groups(self) -> list[str]:
        """Of each pair its sequence or person, else its folder of frames, else its source."""
        return [group_of_row(self.recipe, row) for row in self.rows]

    def only(self, indices: Sequence[int]) -> "BlurDataset":
        """These pairs alone, in this order."""
        other = copy(self)
        other.rows = [self.rows[index] for index in indices]
        return other

    def sent(self) -> "BlurDataset":
        """As other processes need it to read pictures: small, without rows but of a gallery."""
        other, (store, folder) = copy(self), self.pictures
        other.rows = [row for row in self.rows if row.get("role") == "gallery"]
        # Workers may have other working directories.
        other.store, other.pictures = self.store.absolute(), (store.absolute(), folder)
        return other

    def sizes(self) -> set[tuple[int, int]]:
        """(H, W) in px of the pairs; UserError where a row does not tell."""
        found: list[tuple[Any, Any]] = [(row.get("height"), row.get("width")) for row in self.rows]
        if not all(isinstance(side, int) for each in found for side in each):
            where = self.store.where(f"{self.split}/{METADATA}")
            raise UserError(f"{where}: a row has no height and width; run `blurbench verify`")
        return set(found)

    def picture(self, row: dict[str, Any], kind: str) -> np.ndarray:
        """A row's `blur` or `sharp` as (H, W, 3) uint8, or its `mask` as (H, W) labels."""
        name = self.name(row, kind)
        store, _ = self.pictures
        data, where = read_picture(store, name), store.where(name)
        return decode_labels(data, where) if kind == "mask" else decode(data, where)

    def name(self, row: dict[str, Any], kind: str) -> str:
        """The file of a row's `blur`, `sharp` or `mask`; UserError where it leaves the folder."""
        name = row.get(f"{kind}_file_name")
        if not isinstance(name, str):
            where = self.store.where(f"{self.split}/{METADATA}")
            raise UserError(f"{where}: {row['id']} has no {kind}")
        store, folder = self.pictures
        return store.inside(folder, name)

    def where(self, row: dict[str, Any], kind: str) -> str:
        """What to call a row's `blur`, `sharp` or `mask` in messages."""
        return self.pictures[0].where(self.name(row, kind))


class OnTheFlyDataset(Dataset[dict[str, Any]]):
    """The pairs that a recipe would make of one split, made when they are asked for.

    One item a source image; epoch e blurs it as replica e of the stored data set.
    """

    def __init__(self, recipe: Recipe, source: Source, split: str, seed: int = 0) -> None:
        """UserError where no source image falls into the split."""
        self.recipe, self.seed, self.split = recipe, seed, split
        chosen = choose(recipe, source)
        self.splits = tuple(in_order({of_item for _, of_item in chosen}))
        self.items = [item for item, of_item in chosen if of_item == split]
        if not self.items:
            known = ", ".join(self.splits) or "none"
            raise UserError(f"{source.spec}: no images for split {split!r}; there are: {known}")
        self.recipe_name = recipe.name
        self._cache: dict[int, Sharp] = {}
        self._cached_bytes = 0

    def __getstate__(self) -> dict[str, Any]:
        """Loader processes start with an empty cache: a full one is too much to send."""
        return {**self.__dict__, "_cache": {}, "_cached_bytes": 0}

    def __len__(self) -> int:
        """Number of source images."""
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """As in `BlurDataset`; the blur of epoch 0."""
        return self.sample(index, 0)

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        """As in `BlurDataset`; the blur of this epoch.

        Where a picture cannot be used, the next that can stands in; UserError where none can.
        """
        problem = None
        for step in range(len(self)):
            try:
                # A picture may be too small for the blur of this epoch alone.
                pair = self.pair((index + step) % len(self) if step else index, epoch)
            except UserError as error:
                problem = problem or error
            else:
                return _item(pair.id, pair.blur, pair.sharp, pair.mask, pair.row)
        raise UserError(f"no picture of split {self.split!r} can be used; one is {problem}")

    def pair(self, index: int, replica: int) -> MadePair:
        """The pair of source image `index`: the pixels of the stored set under the same key."""
        item = self.items[index]
        return make_pair(self.recipe, self.seed, item.id, self.split, replica, self._sharp(index))

    def has(self, label: str) -> bool:
        """Whether every pair carries this label, such as "mask"."""
        return label in self.recipe.labels or label in self.items[0].labels

    def captions(self) -> list[list[str]]:
        """The sentences of each source image, without reading it."""
        return [item.labels.get("captions") or [] for item in self.items]

    def sources(self) -> set[str]:
        """SHA-256 of each source image that can be read, as its rows would have it; reads all."""
        found = set()
        with progress(f"sources of {self.split}", len(self)) as advance:
            for index, item in enumerate(self.items):
                with suppress(UserError):  # of what cannot be read nothing is learnt
                    found.add(item.file_hash() or self._sharp(index).sha256)
                advance()
        return found

    def groups(self) -> list[str]:
        """Of each source image its clip, person or folder, as the recipe has it; else itself."""
        return [group_of(self.recipe, item) for item in self.items]

    def only(self, indices: Sequence[int]) -> "OnTheFlyDataset":
        """These pairs alone, in this order."""
        other = copy(self)
        other.items = [self.items[index] for index in indices]
        other.__dict__.pop("digest", None)  # which was of all
        other._cache, other._cached_bytes = {}, 0
        return other

    def sizes(self) -> None:
        """Not known before the pictures are read."""

    @cached_property
    def digest(self) -> str:
        """Stands for recipe, seed and the list of images; no digest of pixels."""
        ids = [item.id for item in self.items]
        plugins = self.recipe.plugins()  # with their versions, which may blur differently
        told = (self.recipe.pixels(), self.seed, ids, *([plugins] if plugins else []))
        return "recipe:" + sha256(repr(told).encode())

    def _sharp(self, index: int) -> Sharp:
        if index in self._cache:
            return self._cache[index]
        item = self.items[index]
        sharp = prepare(self.recipe, item.id, item.load())
        held = (sharp.image, sharp.mask, sharp.frames)
        size = sum(array.nbytes for array in held if array is not None)
        # First come, first kept: epochs are shuffled, so that evicting would help no image.
        if self._cached_bytes + size <= CACHE_BYTES:
            self._cache[index] = sharp
            self._cached_bytes += size
        return sharp


def _item(
    id: str, blur: np.ndarray, sharp: np.ndarray, mask: np.ndarray | None, row: dict[str, Any]
) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": id,
        "blur": torch.from_numpy(to_float(blur)),
        "sharp": torch.from_numpy(to_float(sharp)),
    }
    if mask is not None:
        item["mask"] = one_hot(mask)
    if "captions" in row:
        item["captions"] = row["captions"]
    return item


def one_hot(mask: np.ndarray) -> torch.Tensor:
    """Labels 0 to 3, (H, W) uint8 -> float32 (4, H, W)."""
    classes = np.arange(CLASS_COUNT, dtype=np.uint8)[:, None, None]
    return torch.from_numpy((mask == classes).astype(np.float32))
