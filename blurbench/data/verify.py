"""Is a data set exactly what its dataset.json says?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from blurbench.data.records import (
    DATASET,
    METADATA,
    PICTURES,
    WORK,
    Description,
    Row,
    digest_of,
    file_names,
    pixel_hash,
    read_description,
    read_rows,
)
from blurbench.engine import run_shards
from blurbench.errors import UserError
from blurbench.files import inside, sha256
from blurbench.images import BadImage, decode, decode_labels, image_files, read_bytes
from blurbench.progress import progress

SHARD_SIZE = 64


@dataclass(frozen=True)
class Checked:
    """The rows of one shard."""

    split: str
    rows: Sequence[Row]


def verify(folder: Path, *, workers: int = 1, scheduler: str | None = None) -> list[str]:
    """One line for each way in which `folder` differs from its dataset.json; empty for none.

    Reads every picture. UserError where there is no data set.
    """
    description = read_description(folder)
    problems = []
    if (folder / WORK).exists():
        problems.append(f"{folder / WORK}: unfinished; run the same synthesize again")
    rows = _rows(folder, description, problems)
    shards = [
        Checked(split, rows[split][start : start + SHARD_SIZE])
        for split in rows
        for start in range(0, len(rows[split]), SHARD_SIZE)
    ]
    check = partial(_check_shard, folder.absolute())
    with progress("verify", sum(map(len, rows.values()))) as advance:
        for done in run_shards(check, shards, workers=workers, scheduler=scheduler):
            killed = [f"{folder / done.shard.split}: a picture here kills the process reading it"]
            problems += killed if done.killed else done.result or []
            advance(len(done.shard.rows))
    return sorted(problems + _strangers(folder, rows))


def _rows(folder: Path, description: Description, problems: list[str]) -> dict[str, list[Row]]:
    """The rows by split; appends what is wrong with the metadata itself."""
    rows: dict[str, list[Row]] = {}
    for split, count in sorted(description.counts.items()):
        path = folder / split / METADATA
        try:
            rows[split] = sorted(read_rows(folder, split), key=lambda row: row["id"])
        except UserError as error:
            problems.append(str(error))
            continue
        if sha256(path.read_bytes()) != description.metadata_sha256.get(split):
            problems.append(f"{path}: changed; its SHA-256 is not the one in {DATASET}")
        if len(rows[split]) != count:
            problems.append(f"{path}: {len(rows[split])} rows, {count} in {DATASET}")
    if digest_of((split, row) for split in rows for row in rows[split]) != description.digest:
        problems.append(f"{folder / DATASET}: its digest is not that of the rows")
    return rows


def _check_shard(folder: Path, shard: Checked) -> list[str]:
    return [
        problem
        for row in shard.rows
        for kind in PICTURES
        if f"{kind}_file_name" in row
        for problem in _check_picture(folder / shard.split, kind, row)
    ]


def _check_picture(folder: Path, kind: str, row: Row) -> list[str]:
    try:
        path = inside(folder, row[f"{kind}_file_name"])
        data = read_bytes(path)
        if sha256(data) != row.get(f"{kind}_sha256"):
            return [f"{path}: changed; its SHA-256 is not the one in {METADATA}"]
        image = decode_labels(data, str(path)) if kind == "mask" else decode(data, str(path))
    except (UserError, BadImage) as error:
        return [str(error)]
    if pixel_hash(image) != row.get(f"{kind}_pixels"):
        return [f"{path}: its pixels are not those in {METADATA}"]
    return []


def _strangers(folder: Path, rows: dict[str, list[Row]]) -> list[str]:
    known = {
        folder / split / str(name)
        for split, of_split in rows.items()
        for row in of_split
        for name in file_names(row)
    }
    return [
        f"{path}: a picture that no row of {METADATA} names"
        for path in image_files(folder)
        if path not in known
    ]
