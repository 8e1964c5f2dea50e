"""A plain folder of blurry photographs, that have no sharp counterparts, as a data set."""

from collections.abc import Mapping
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from blurbench.datasets.dataset import BlurDataset
from blurbench.datasets.format import DATASET, WORK, Row, digest_of, pixel_hash
from blurbench.datasets.pair import READ
from blurbench.datasets.pairs import ScoredSplit
from blurbench.datasets.splits import pair_id
from blurbench.errors import UserError
from blurbench.files import inside
from blurbench.images import BadImage, decode_told, image_files, read_bytes, read_image
from blurbench.stores.open import Place, open_store

SPLIT = "photographs"


class Photographs:
    """A split of pictures that have nothing to compare with; every one below the folder is one."""

    recipe: Mapping[str, Any] = {"title": "Blurry photographs without sharp counterparts"}
    split = SPLIT
    has_sharp = False

    def __init__(self, folder: Path) -> None:
        """Reads every picture once, for the digest; one that cannot be read fails when scored."""
        self.folder, self.place = folder, str(folder)
        self.recipe_name = folder.resolve().name
        self.rows = [self._row(path) for path in image_files(folder)]
        self.rows.sort(key=lambda row: str(row["id"]))

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.rows)

    @cached_property
    def digest(self) -> str:
        """As of a made data set: of ids and pixels."""
        return digest_of((self.split, row) for row in self.rows)

    def picture(self, row: Row, _kind: str) -> np.ndarray:
        """(H, W, 3) uint8."""
        return read_image(inside(self.folder, row["blur_file_name"], links=True))

    def where(self, row: Row, _kind: str) -> str:
        """What to call a picture in messages."""
        return str(self.folder / row["blur_file_name"])

    def sent(self) -> "Photographs":
        """As other processes need it to read pictures: without rows, with the digest of all."""
        self.digest  # noqa: B018  # kept from now on
        other = copy(self)
        other.rows, other.folder = [], self.folder.absolute()
        return other

    def _row(self, path: Path) -> Row:
        name = path.relative_to(self.folder).as_posix()
        try:
            image, told = decode_told(read_bytes(path), str(path))
        except BadImage:
            pixels, told = "", ()
        else:
            pixels = pixel_hash(image)
        row = {"id": pair_id(name, self.split, 0), "blur_file_name": name, "blur_pixels": pixels}
        return {**row, READ: ", ".join(told)} if told else row


def open_data(place: Place, split: str = "test") -> ScoredSplit:
    """The split of a data set, or else the pictures of a plain folder; UserError for neither.

    Whoever scores several models opens it once, and hands it to each `evaluate`.
    """
    store = open_store(place)
    folder = Path(place)
    if not (store.is_here and folder.is_dir()) or any(map(store.exists, (DATASET, WORK))):
        return BlurDataset(store, split)
    found = Photographs(folder)
    if not found.rows:
        raise UserError(f"{folder}: no data set ({DATASET} is missing), and no pictures either")
    return found
