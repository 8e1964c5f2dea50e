"""The pairs of a data set as an export reads them: checked rows, checked bytes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from blurbench.datasets.format import (
    DATASET,
    METADATA,
    PICTURES,
    WORK,
    Description,
    Row,
    pictures_of,
    read_hashed_rows,
    read_picture,
)
from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.stores.store import Store

# Ids become names of files and keys: LMDB takes keys of 511 bytes, a plain tar names of 100.
NAME = re.compile("[A-Za-z0-9_-]{1,80}")


@dataclass(frozen=True)
class ExportPicture:
    """One file of a pair."""

    store: Store
    name: str  # in the store
    sha256: str

    @property
    def suffix(self) -> str:
        """Such as ".png"."""
        return PurePosixPath(self.name).suffix


@dataclass(frozen=True)
class ExportPair:
    """A row and the files it names."""

    split: str
    id: str
    height: int
    width: int
    pictures: dict[str, ExportPicture]  # by kind: blur, sharp, mask
    row: Row


def read_pairs(store: Store, description: Description) -> list[ExportPair]:
    """Every pair, sorted by split and id; UserError where the rows are not those that were made."""
    if store.exists(WORK):
        raise UserError(f"{store.where()}: unfinished; run the same synthesize again")
    splits = sorted(description.counts)
    return [pair for split in splits for pair in _read_split(store, split, description)]


def _read_split(store: Store, split: str, description: Description) -> list[ExportPair]:
    name = f"{store.inside('', split)}/{METADATA}"
    where, verify = store.where(name), "run `blurbench verify`"
    root = pictures_of(store, description, split)
    rows, digest = read_hashed_rows(store, split)
    pairs = {row["id"]: _pair(root, where, split, row) for row in rows}
    if digest != description.metadata_sha256.get(split):
        raise UserError(f"{where}: changed; its SHA-256 is not the one in {DATASET}; {verify}")
    if len(pairs) != description.counts[split]:
        lacking = f"{len(pairs)} pairs, {description.counts[split]} in {DATASET}"
        raise UserError(f"{where}: {lacking}; {verify}")
    return [pairs[id] for id in sorted(pairs)]


def _pair(root: tuple[Store, str], where: str, split: str, row: Row) -> ExportPair:
    for name in (split, row["id"]):
        if not NAME.fullmatch(name):
            raise UserError(f"{where}: {name!r} cannot name a file; it needs {NAME.pattern}")
    for column in ("height", "width"):
        if not isinstance(row.get(column), int):
            raise UserError(f"{where}: {row['id']} has no {column}")
    kinds = [kind for kind in PICTURES if f"{kind}_file_name" in row]
    pictures = {kind: _picture(root, where, kind, row) for kind in kinds}
    return ExportPair(split, row["id"], row["height"], row["width"], pictures, row)


def _picture(root: tuple[Store, str], where: str, kind: str, row: Row) -> ExportPicture:
    known = row.get(f"{kind}_sha256")
    if not isinstance(known, str):
        raise UserError(f"{where}: {row['id']} has no {kind}_sha256")
    store, folder = root
    return ExportPicture(store, store.inside(folder, row[f"{kind}_file_name"]), known)


def read_checked(picture: ExportPicture) -> bytes:
    """The bytes of a picture; UserError where they are not those that its row is about."""
    data = read_picture(picture.store, picture.name)
    if sha256(data) != picture.sha256:
        where = picture.store.where(picture.name)
        mend = "put the old file back, or make the data set again"
        raise UserError(f"{where}: changed; its SHA-256 is not the one in {METADATA}; {mend}")
    return data


def by_split(pairs: Iterable[ExportPair]) -> dict[str, list[ExportPair]]:
    """The pairs of each split, in the order given."""
    splits: dict[str, list[ExportPair]] = {}
    for pair in pairs:
        splits.setdefault(pair.split, []).append(pair)
    return splits
