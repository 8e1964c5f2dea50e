"""The hidden work folder of a data set in the making: lock, plan, done-records, the end."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import file_digest
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2

from blurbench.data.manifest import PROSE
from blurbench.data.records import (
    DATASET,
    FAILURES,
    MEND,
    METADATA,
    WORK,
    Description,
    Row,
    digest_of,
    file_names,
    is_row,
    read_description,
    read_whole,
)
from blurbench.data.sources import SPLITS
from blurbench.errors import UserError
from blurbench.files import inside, locked, sha256, sync, write_json, write_jsonl

PLAN = "plan.json"

Key = tuple[str, str]  # split, pair id
Request = dict[str, Any]  # what was asked for: the head of dataset.json


@dataclass
class Found:
    """What the done-records hold; rows stay on disk, for there may be millions."""

    made: dict[Key, tuple[Path, int]] = field(default_factory=dict)  # record file, byte offset
    failed: dict[Key, Row] = field(default_factory=dict)

    def rows(self, split: str) -> Iterator[Row]:
        """The rows of one split, sorted by id."""
        for key in sorted(key for key in self.made if key[0] == split):
            path, offset = self.made[key]
            with path.open("rb") as file:
                file.seek(offset)
                yield json.loads(file.readline())["row"]

    def failures(self) -> list[Row]:
        """One row for each input and error, with the number of pairs it cost."""
        lost = [self.failed[key] for key in sorted(self.failed) if key not in self.made]
        counts = Counter(json.dumps(row, ensure_ascii=False) for row in lost)
        return [{**json.loads(text), "pairs": count} for text, count in counts.items()]


def finished(out: Path) -> Description | None:
    """The description of a data set that is whole, with nothing left to retry or to clean up."""
    if (out / WORK).exists() or not (out / DATASET).is_file():
        return None
    description = read_description(out)
    return None if description.failed or not _is_whole(out, description) else description


def _is_whole(out: Path, description: Description) -> bool:
    """Whether every pair has its row and its pictures; pictures are not opened."""
    for split, count in description.counts.items():
        folder = inside(out, split)
        rows = (row for _, row in _whole_lines(folder / METADATA) if is_row(row))
        # No `inside` for each picture: with it, 200 000 pairs would take half a minute.
        whole = (all((folder / name).is_file() for name in file_names(row)) for row in rows)
        if sum(whole) != count:
            return False
    return True


def refuse_other(out: Path, wanted: Request) -> None:
    """UserError where `out` holds anything but this data set, whole or begun."""
    if not out.exists():
        return
    if not out.is_dir():
        raise UserError(f"{out}: is a file; give a folder as --out")
    plan = out / WORK / PLAN
    if plan.is_file():
        _compare(out, read_whole(plan), wanted)
    elif (out / DATASET).is_file():
        _compare(out, read_description(out).model_dump(), wanted)
    elif any(path.name != WORK for path in out.iterdir()):
        raise UserError(f"{out}: not empty, and not a data set; give another --out")


def _compare(out: Path, there: Request, wanted: Request) -> None:
    try:
        _refuse_difference(out, there, wanted)
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"{out}: what it was made of is no longer readable; {MEND}") from None


def _refuse_difference(out: Path, there: Request, wanted: Request) -> None:
    recipes = [
        {key: value for key, value in each["recipe"].items() if key not in PROSE}
        for each in (there, wanted)
    ]
    if recipes[0] != recipes[1]:
        was = "was made with another recipe, or before its recipe was changed"
        raise UserError(f"{out}: {was}; give another --out")
    for name in ("seed", "limit", "image_format", "blurbench"):
        if there[name] != wanted[name]:
            raise UserError(
                f"{out}: was made with {name} {there[name]}, not {wanted[name]}; give another --out"
            )
    if there["source"]["ids_sha256"] != wanted["source"]["ids_sha256"]:
        count, now = there["source"]["images"], wanted["source"]["images"]
        raise UserError(
            f"{out}: was made from another list of images ({count} then, {now} now); "
            "give another --out"
        )


@contextmanager
def work_folder(out: Path, wanted: Request) -> Iterator[Path]:
    """The locked work folder, with its plan; UserError where another run holds it."""
    work = out / WORK
    with locked(work):
        if not (work / PLAN).is_file():
            _take_up(out, work)
            write_json(work / PLAN, wanted)
        yield work


def _take_up(out: Path, work: Path) -> None:
    """Turn the rows of a finished set into done-records; what failed or is gone is made again."""
    for path in out.glob(f"*/{METADATA}"):
        split = path.parent.name
        rows = (row for _, row in _whole_lines(path) if _is_made(path.parent, row))
        made = ({"split": split, "row": row} for row in rows)
        write_jsonl(work / "shards" / f"finished-{split}.jsonl", made)


def write_record(work: Path, entries: list[Row]) -> None:
    """Keep what a shard made, written after its pictures: {split, row} or {split, id, failure}."""
    if entries:
        # Named by all it holds: the shards of another run or size never overwrite it.
        name = sha256(json.dumps(entries).encode())[:32]
        write_jsonl(work / "shards" / f"{name}.jsonl", entries)


def read_records(out: Path, work: Path) -> Found:
    """Everything finished so far, by whatever run; pairs whose pictures are gone are not."""
    found = Found()
    for path in sorted((work / "shards").glob("*.jsonl")):
        for offset, entry in _whole_lines(path):
            split: Any = entry.get("split")
            row: Any = entry.get("row")
            if split not in SPLITS:
                continue
            if isinstance(entry.get("failure"), dict) and isinstance(entry.get("id"), str):
                found.failed[split, entry["id"]] = entry["failure"]
            elif _is_made(out / split, row):
                found.made[split, row["id"]] = path, offset
    return found


def _whole_lines(path: Path) -> Iterator[tuple[int, Row]]:
    """(byte offset, object) of each line; none of a missing file.

    Damaged lines are left out: their pairs are made again.
    """
    if not path.is_file():
        return
    offset = 0
    with path.open("rb") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            if isinstance(entry, dict):
                yield offset, entry
            offset += len(line)


def _is_made(folder: Path, row: Any) -> bool:
    return is_row(row) and all(inside(folder, name).is_file() for name in file_names(row))


def _libraries() -> dict[str, str]:
    # OpenCV is installed as one of two packages, so it is asked itself.
    known = {name: version(name) for name in ("numpy", "numba", "pillow")}
    return {**known, "opencv": cv2.__version__}


def _remove_leftovers(out: Path, found: Found) -> None:
    for torn in out.rglob(".tmp-*"):  # of runs that were killed
        torn.unlink(missing_ok=True)
    for split, id in found.failed.keys() - found.made.keys():
        for orphan in (out / split).glob(f"*/{id}.*"):  # its source was damaged after it was made
            orphan.unlink()


def finish(out: Path, work: Path, wanted: Request) -> Description:
    """Assemble metadata and failures from the records, write dataset.json last, clean up."""
    found = read_records(out, work)
    _remove_leftovers(out, found)
    counts = dict(sorted(Counter(split for split, _ in found.made).items()))
    hashes = {}
    for split in counts:
        path = out / split / METADATA
        write_jsonl(path, found.rows(split))
        with path.open("rb") as file:
            hashes[split] = file_digest(file, "sha256").hexdigest()
    failures = found.failures()
    if failures:
        write_jsonl(out / FAILURES, failures)
    else:
        (out / FAILURES).unlink(missing_ok=True)
    description = Description(
        **wanted,
        made_with=_libraries(),
        counts=counts,
        failed=len(failures),
        metadata_sha256=hashes,
        digest=digest_of((split, row) for split in counts for row in found.rows(split)),
    )
    write_json(out / DATASET, description.model_dump())
    sync(out)
    shutil.rmtree(work)
    return description
