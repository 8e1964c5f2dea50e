"""Is a data set exactly what its dataset.json says?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from blurbench.datasets.card import FOLDER as CARD
from blurbench.datasets.checks import find_changed_lists, find_damage
from blurbench.datasets.format import (
    DATASET,
    METADATA,
    PICTURES,
    WORK,
    Description,
    Row,
    digest_of,
    file_names,
    located,
    mend_of,
    pictures_of,
    pixel_hash,
    read_description,
    read_picture,
    read_rows,
)
from blurbench.engine import ALONE, Workers, run_shards
from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.images import IMAGE_SUFFIXES, decode, decode_labels
from blurbench.progress import progress
from blurbench.stores.open import Place, open_store
from blurbench.stores.store import Store

SHARD_SIZE = 64  # pairs; Dask takes 3 ms a shard


@dataclass(frozen=True)
class VerifyShard:
    """The rows of one shard."""

    split: str
    rows: Sequence[Row]


def verify(place: Place | Store, workers: Workers = ALONE, *, fast: bool = False) -> list[str]:
    """One line for each way in which a folder or URL differs from its dataset.json; empty for none.

    Reads every picture; `fast`, it asks for their sizes. UserError where there is no data set.
    """
    store = open_store(place)
    description = read_description(store)
    problems = []
    if store.exists(WORK):
        problems.append(f"{store.where(WORK)}: unfinished; run the same synthesize again")
    pictures_of(store, description, "")  # an index whose pictures were moved: not a line for each
    problems += (find_damage if fast else find_changed_lists)(store, description)
    rows = _rows(store, description, problems)
    if fast:
        return sorted({*problems, *_strangers(store, rows)})
    shards = [
        VerifyShard(split, rows[split][start : start + SHARD_SIZE])
        for split in rows
        for start in range(0, len(rows[split]), SHARD_SIZE)
    ]
    check = partial(_check_shard, store.absolute(), description.root)
    with progress("verify", sum(map(len, rows.values()))) as advance:
        for done in run_shards(check, shards, workers):
            where = store.where(done.shard.split)
            killed = [f"{where}: a picture here kills the process reading it"]
            found = killed if done.killed else done.result or []
            problems += [_as_given(store, each) for each in found]
            advance(len(done.shard.rows))
    return sorted({*problems, *_strangers(store, rows)})


def _as_given(store: Store, problem: str) -> str:
    """A line of a worker, which knows absolute paths, with the path as the user gave it."""
    absolute, given = (each.where("x")[:-1] for each in (store.absolute(), store))
    return given + problem.removeprefix(absolute) if problem.startswith(absolute) else problem


def unchecked(place: Place | Store) -> list[str]:
    """What nothing tells the damage of, in a data set of 0.1.0; a line, or none."""
    store = open_store(place)
    if read_description(store).sha256:
        return []
    return [
        f"{store.where(DATASET)}: of 0.1.0, without checksums: itself and sizes are unchecked; the "
        "same synthesize adds them when it mends something"
    ]


def _rows(store: Store, description: Description, problems: list[str]) -> dict[str, list[Row]]:
    """The rows by split; appends what is wrong with the metadata itself."""
    rows: dict[str, list[Row]] = {}
    for split, count in sorted(description.counts.items()):
        name = f"{split}/{METADATA}"
        where = store.where(name)
        try:
            found = [*read_rows(store, split)]
        except UserError as error:
            problems.append(str(error))
            continue
        rows[split] = sorted(found, key=lambda row: row["id"])
        if len(rows[split]) != count:
            problems.append(f"{where}: {len(rows[split])} rows, {count} in {DATASET}")
    if digest_of((split, row) for split in rows for row in rows[split]) != description.digest:
        problems.append(f"{store.where(DATASET)}: its digest is not that of the rows")
    return rows


def _check_shard(store: Store, root: str | None, shard: VerifyShard) -> list[str]:
    pictures, folder = located(store, root, shard.split)
    return [
        problem
        for row in shard.rows
        for kind in PICTURES
        if f"{kind}_file_name" in row
        for problem in _check_picture(pictures, folder, kind, row, mend_of(root))
    ]


def _check_picture(store: Store, folder: str, kind: str, row: Row, mend: str) -> list[str]:
    try:
        name = store.inside(folder, row[f"{kind}_file_name"])
        where = store.where(name)
        data = read_picture(store, name)
        if sha256(data) != row.get(f"{kind}_sha256"):
            return [f"{where}: changed; its SHA-256 is not the one in {METADATA}; {mend}"]
        image = decode_labels(data, where) if kind == "mask" else decode(data, where)
    except UserError as error:
        return [str(error)]
    if pixel_hash(image) != row.get(f"{kind}_pixels"):
        return [f"{where}: its pixels are not those in {METADATA}"]
    return []


def _strangers(store: Store, rows: dict[str, list[Row]]) -> list[str]:
    known = {
        PurePosixPath(split, name)
        for split, of_split in rows.items()
        for row in of_split
        for name in file_names(row)
    }
    return [
        f"{store.where(name)}: a picture that no row of {METADATA} names"
        for name in store.names()
        if _is_picture(path := PurePosixPath(name)) and path not in known and path.parts[0] != CARD
    ]


def _is_picture(path: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in IMAGE_SUFFIXES and not hidden
