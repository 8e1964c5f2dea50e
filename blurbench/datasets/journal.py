"""The hidden work folder of a data set in the making: lock, plan, done-records, the end."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import groupby
from pathlib import Path, PurePosixPath
from posixpath import join
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import cv2

from blurbench.datasets.card import write_card
from blurbench.datasets.format import (
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
    located,
    read_description,
    read_whole,
)
from blurbench.errors import UserError
from blurbench.files import TEMPORARY, jsonl_line, sha256
from blurbench.recipes.recipe import PROSE
from blurbench.sources.open import SPLITS
from blurbench.stores.store import Store

PLAN = f"{WORK}/plan.json"
RECORDS = f"{WORK}/shards"

_LONGEST = 2**40  # bytes of a record file

Key = tuple[str, str]  # split, pair id
Request = dict[str, Any]  # what was asked for: the head of dataset.json


@dataclass
class Found:
    """What the done-records hold; rows stay on disk, for there may be millions."""

    paths: list[Path] = field(default_factory=list)  # the record files
    # Where each row is, file * _LONGEST + byte offset: a tuple would take 56 bytes more.
    made: dict[Key, int] = field(default_factory=dict)
    failed: dict[Key, Row] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of pairs that were made or failed."""
        return len(self.made) + len(self.lost())

    def lost(self) -> list[Key]:
        """What failed and was never made, sorted."""
        return sorted(key for key in self.failed if key not in self.made)

    def rows(self, split: str) -> Iterator[Row]:
        """The rows of one split, sorted by id."""
        keys = sorted(key for key in self.made if key[0] == split)
        # Neighbours lie in one file: opening it for each row would take half of the time.
        for number, same in groupby(keys, key=lambda key: self.made[key] // _LONGEST):
            with self.paths[number].open("rb") as file:
                for key in same:
                    file.seek(self.made[key] % _LONGEST)
                    yield json.loads(file.readline())["row"]

    def failures(self) -> list[Row]:
        """One row for each input and error, with the number of pairs it cost."""
        lost = (self.failed[key] for key in self.lost())
        counts = Counter(json.dumps(row, ensure_ascii=False) for row in lost)
        return [{**json.loads(text), "pairs": count} for text, count in counts.items()]


def finished(store: Store, root: str | None = None) -> Description | None:
    """The description of a data set that is whole, with nothing left to retry or to clean up.

    root: of an index, here and below: the folder of its pictures.
    """
    if store.exists(WORK) or not store.is_file(DATASET):
        return None
    description = read_description(store)
    return None if description.failed or not _is_whole(store, description, root) else description


def _is_whole(store: Store, description: Description, root: str | None) -> bool:
    """Whether every pair has its row and its pictures; pictures are not opened."""
    is_there = located(store, root, "")[0].asking()
    for split, count in description.counts.items():
        metadata = f"{store.inside('', split)}/{METADATA}"
        _, folder = located(store, root, split)
        rows = (row for row in _whole_rows(store, metadata) if is_row(row))
        # No `inside` for each picture: with it, 200 000 pairs would take half a minute.
        whole = (all(is_there(join(folder, name)) for name in file_names(row)) for row in rows)
        if sum(whole) != count:
            return False
    return True


def refuse_other(store: Store, wanted: Request) -> None:
    """UserError where the store holds anything but this data set, whole or begun."""
    if store.is_file(PLAN):
        _compare(store, read_whole(store, PLAN), wanted)
    elif store.is_file(DATASET):
        _compare(store, read_description(store).model_dump(), wanted)
    elif store.is_file(""):
        raise UserError(f"{store.where()}: is a file; give a folder as --out")
    # A run that could not make one pair leaves the list of its failures alone.
    elif store.exists() and store.top() - {WORK, FAILURES}:
        raise UserError(f"{store.where()}: not empty, and not a data set; give another --out")


def _compare(store: Store, there: Request, wanted: Request) -> None:
    try:
        _refuse_difference(store, there, wanted)
    except (KeyError, TypeError, AttributeError):
        raise UserError(
            f"{store.where()}: what it was made of is no longer readable; {MEND}"
        ) from None


def _refuse_difference(store: Store, there: Request, wanted: Request) -> None:
    recipes = [
        {key: value for key, value in each["recipe"].items() if key not in PROSE}
        for each in (there, wanted)
    ]
    if recipes[0] != recipes[1]:
        was = "was made with another recipe, or before its recipe was changed"
        raise UserError(f"{store.where()}: {was}; give another --out")
    for name in ("seed", "limit", "image_format", "blurbench"):
        if there[name] != wanted[name]:
            was = f"was made with {name} {there[name]}, not {wanted[name]}"
            raise UserError(f"{store.where()}: {was}; give another --out")
    if there["source"]["ids_sha256"] != wanted["source"]["ids_sha256"]:
        count, now = there["source"]["images"], wanted["source"]["images"]
        raise UserError(
            f"{store.where()}: was made from another list of images ({count} then, {now} now), or "
            "they were in other splits or groups; give another --out"
        )
    if there["source"].get("labels_sha256") != wanted["source"].get("labels_sha256"):
        raise UserError(f"{store.where()}: the labels were changed since; give another --out")


def refuse_strangers(store: Store, found: Found, wanted: Iterable[Key]) -> None:
    """UserError where the records hold a pair that is not of this data set."""
    known = sum(key in found.made or key in found.failed for key in wanted)
    if known < len(found):
        raise UserError(f"{store.where()}: holds pairs of another data set; give another --out")


@contextmanager
def work_folder(store: Store, wanted: Request) -> Iterator[Path]:
    """Hold the work folder, with its plan; UserError where another run holds it.

    Gives a temporary folder for copies of the done-records of a URL.
    """
    with store.locked(WORK), TemporaryDirectory() as copies:
        if not store.is_file(PLAN):
            _take_up(store, wanted.get("root"))
            store.write_json(PLAN, wanted)
        yield Path(copies)


def _take_up(store: Store, root: str | None) -> None:
    """Turn the rows of a finished set into done-records; what failed or is gone is made again."""
    is_made = _asking(store, root)
    for split in SPLITS:
        name = f"{split}/{METADATA}"
        if store.is_file(name):
            rows = _whole_rows(store, name)
            made = ({"split": split, "row": row} for row in rows if is_made(split, row))
            store.write_rows(f"{RECORDS}/finished-{split}.jsonl", made)


def failure_entry(split: str, id: str, source_id: str, error: str) -> Row:
    """What `write_record` keeps of a pair that could not be made."""
    failure = {"source_id": source_id, "split": split, "error": error}
    return {"split": split, "id": id, "failure": failure}


def write_record(store: Store, entries: list[Row]) -> None:
    """Keep what a shard made, written after its pictures: {split, row} or {split, id, failure}."""
    if entries:
        # Named by all it holds: the shards of another run or size never overwrite it.
        name = sha256(json.dumps(entries).encode())[:32]
        store.write(f"{RECORDS}/{name}.jsonl", b"".join(map(jsonl_line, entries)))


def read_records(store: Store, copies: Path, root: str | None = None) -> Found:
    """Everything finished so far, by whatever run; pairs whose pictures are gone are not."""
    found = Found(store.fetch(_record_names(store), copies))
    is_made = _asking(store, root)
    for number, path in enumerate(found.paths):
        with path.open("rb") as file:
            for offset, entry in _whole_lines(file):
                split: Any = entry.get("split")
                row: Any = entry.get("row")
                if split not in SPLITS:
                    continue
                split = sys.intern(split)  # one text for all
                if isinstance(entry.get("failure"), dict) and isinstance(entry.get("id"), str):
                    found.failed[split, entry["id"]] = entry["failure"]
                elif is_made(split, row):
                    found.made[split, row["id"]] = number * _LONGEST + offset
    return found


def _record_names(store: Store) -> list[str]:
    return [name for name in store.names(RECORDS) if name.endswith(".jsonl")]


def _whole_rows(store: Store, name: str) -> Iterator[Row]:
    """The objects in a JSON-lines file, damaged lines left out; none of a missing file."""
    if store.is_file(name):
        with store.open(name) as file:
            yield from (row for _, row in _whole_lines(file))


def _whole_lines(file: Iterable[bytes]) -> Iterator[tuple[int, Row]]:
    """(byte offset, object) of each line.

    Damaged lines are left out: their pairs are made again.
    """
    offset = 0
    for line in file:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if isinstance(entry, dict):
            yield offset, entry
        offset += len(line)


def _asking(store: Store, root: str | None) -> Callable[[str, Any], bool]:
    """What tells of a split and a row whether it is one, and its pictures are there."""
    is_there = located(store, root, "")[0].asking()

    def is_made(split: str, row: Any) -> bool:
        pictures, folder = located(store, root, split)
        return is_row(row) and all(
            is_there(pictures.inside(folder, name)) for name in file_names(row)
        )

    return is_made


def _libraries() -> dict[str, str]:
    # OpenCV is installed as one of two packages, so it is asked itself.
    known = {name: version(name) for name in ("numpy", "numba", "pillow")}
    return {**known, "opencv": cv2.__version__}


def _remove_leftovers(store: Store, found: Found) -> None:
    lost = set(found.lost())
    for name in store.names():
        path = PurePosixPath(name)
        # The source of an orphan was damaged after it was made.
        orphan = len(path.parts) == 3 and (path.parts[0], path.stem) in lost
        if orphan or path.name.startswith(TEMPORARY):  # of a run that was killed
            store.remove(name)


def finish(store: Store, copies: Path, wanted: Request, pairs: int) -> Description:
    """Assemble metadata and failures from the records, write dataset.json last, clean up.

    UserError where no pair could be made. And where the records are not those of all `pairs`, or
    of another request: behind a URL, where nothing keeps a second run out, it may have finished
    and taken the records of this one.
    """
    refuse_other(store, wanted)
    found = read_records(store, copies, wanted.get("root"))
    if len(found) < pairs:
        what = "what was made is no longer there, as where two runs write at once"
        raise UserError(f"{store.where()}: {what}; run the same command again")
    _remove_leftovers(store, found)
    failures = found.failures()
    if not found.made:
        _give_up(store, failures)
    counts = dict(sorted(Counter(split for split, _ in found.made).items()))
    hashes = {split: store.write_rows(f"{split}/{METADATA}", found.rows(split)) for split in counts}
    if failures:
        store.write_rows(FAILURES, failures)
    else:
        store.remove(FAILURES)
    description = Description(
        **wanted,
        made_with=_libraries(),
        counts=counts,
        failed=len(failures),
        metadata_sha256=hashes,
        digest=digest_of((split, row) for split in counts for row in found.rows(split)),
    )
    write_card(store, description)
    store.write_json(DATASET, description.model_dump())
    store.clear(WORK)
    return description


def _give_up(store: Store, failures: list[Row]) -> NoReturn:
    # No data set: nothing could load one without pairs. The next run may be of another recipe.
    store.write_rows(FAILURES, failures)
    store.clear(WORK)
    first = f"no pair could be made; the first: {failures[0]['error']}"
    raise UserError(f"{store.where()}: {first} (see {FAILURES})")
