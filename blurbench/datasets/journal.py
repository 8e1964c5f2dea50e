"""The hidden work folder of a data set in the making: lock, plan and done-records."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

from blurbench.datasets.format import (
    METADATA,
    WORK,
    Row,
    file_names,
    is_row,
    located,
)
from blurbench.errors import UserError
from blurbench.files import TEMPORARY, jsonl_line, sha256
from blurbench.sources.open import SPLITS
from blurbench.stores.store import Store

PLAN = f"{WORK}/plan.json"
RECORDS = f"{WORK}/shards"

_LONGEST = 2**40  # bytes of a record file

RowKey = tuple[str, str]  # split, pair id
SetRequest = dict[str, Any]  # what was asked for: the head of dataset.json


class WantedPair(Protocol):
    """A pair of the data set that is made, or indexed."""

    @property
    def split(self) -> str:
        """Train, val or test."""

    @property
    def id(self) -> str:
        """As in its row; no two of a split share one."""

    @property
    def source_id(self) -> str:
        """The picture it is made of: what failures.jsonl names."""


PairT = TypeVar("PairT", bound=WantedPair)


@dataclass
class Records:
    """What the done-records hold; rows stay on disk, for there may be millions."""

    paths: list[Path] = field(default_factory=list)  # the record files
    # Where each row is, file * _LONGEST + byte offset: a tuple would take 56 bytes more.
    made: dict[RowKey, int] = field(default_factory=dict)
    failed: dict[RowKey, Row] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of pairs that were made or failed."""
        return len(self.made) + len(self.lost())

    def lost(self) -> list[RowKey]:
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


def refuse_strangers(store: Store, found: Records, wanted: Iterable[WantedPair]) -> None:
    """UserError where the records hold a pair that is not of this data set."""
    keys = ((pair.split, pair.id) for pair in wanted)
    known = sum(key in found.made or key in found.failed for key in keys)
    if known < len(found):
        raise UserError(f"{store.where()}: holds pairs of another data set; give another --out")


@contextmanager
def work_folder(store: Store, wanted: SetRequest) -> Iterator[Path]:
    """Hold the work folder, with its plan; UserError where another run holds it.

    Gives a temporary folder for copies of the done-records of a URL.
    """
    with store.locked(WORK), TemporaryDirectory() as copies:
        if not store.is_file(PLAN):
            # The plan last: a run killed while it takes up rows begins with that again.
            _take_up(store, wanted.get("root"))
            store.write_json(PLAN, wanted)
        yield Path(copies)


def _take_up(store: Store, root: str | None) -> None:
    """Turn the rows of a finished set into done-records; what failed or is gone is made again."""
    is_made = _asking(store, root)
    for split in SPLITS:
        name = f"{split}/{METADATA}"
        if store.is_file(name):
            rows = whole_rows(store, name)
            made = ({"split": split, "row": row} for row in rows if is_made(split, row))
            store.write_rows(f"{RECORDS}/finished-{split}.jsonl", made)


def failure_entry(pair: WantedPair, error: str) -> Row:
    """What a record keeps of a pair that could not be made; of one that was: {split, row}."""
    failure = {"source_id": pair.source_id, "split": pair.split, "error": error}
    return {"split": pair.split, "id": pair.id, "failure": failure}


def write_record(store: Store, entries: list[Row]) -> None:
    """Keep what no shard could say of itself, such as that it kills its workers."""
    if entries:
        # Named by all it holds: another run never overwrites it.
        name = sha256(json.dumps(entries).encode())[:32]
        store.write(f"{RECORDS}/{name}.jsonl", b"".join(map(jsonl_line, entries)))


def read_records(
    store: Store, copies: Path, root: str | None = None, folder: str = RECORDS
) -> Records:
    """Everything finished so far, by whatever run; pairs whose pictures are gone are not."""
    found = Records(store.fetch(_record_names(store, folder), copies))
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


def still_open(
    store: Store, pairs: Iterable[PairT], root: str | None, folder: str = RECORDS
) -> list[PairT]:
    """Those of the pairs that no record holds as made, as of now."""
    # Not the copies of this run: records grow.
    with TemporaryDirectory() as copies:
        made = read_records(store, Path(copies), root, folder).made
    return [pair for pair in pairs if (pair.split, pair.id) not in made]


def _record_names(store: Store, folder: str) -> list[str]:
    # A record of a run before these had a folder for each shard lies in RECORDS itself.
    return [name for name in store.names(folder) if name.endswith(".jsonl")]


def whole_rows(store: Store, name: str) -> Iterator[Row]:
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


def remove_leftovers(store: Store, found: Records) -> None:
    """Remove pictures whose pair failed since, and what a killed run left half written."""
    lost = set(found.lost())
    for name in store.names():
        path = PurePosixPath(name)
        # The source of an orphan was damaged after it was made.
        orphan = len(path.parts) == 3 and (path.parts[0], path.stem) in lost
        if orphan or path.name.startswith(TEMPORARY):  # of a run that was killed
            store.remove(name)
