"""Done-records: a line for each pair that was made or failed, and what is found in them again."""

import json
import re
from array import array
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from pydantic_core import from_json

from blurbench.datasets.checks import Files
from blurbench.datasets.format import WORK, Row, file_names, is_row, located
from blurbench.errors import UserError
from blurbench.files import jsonl_line, load_json, sha256
from blurbench.stores.store import Store

RECORDS = f"{WORK}/shards"

# A line begins with the SHA-256 of what follows; one of 0.1.0 does not.
_BEGIN = b'{"sha256": "'
_TEXT = len(_BEGIN) + 64 + 3
_ROW = b', "row": '  # inside a text it would stand as \"row\"
# How the line of a pair that was made begins, where its texts are plain ASCII: of most millions.
_PLAIN = r'"([ !#-\[\]-~]+)"'
_FILE = rf"\[{_PLAIN}, ([1-9][0-9]{{0,14}})\]"
_MADE = re.compile(
    rf'{{"sha256": "(.{{64}})", "split": {_PLAIN}, "id": {_PLAIN}, '
    rf'"files": \[{_FILE}, {_FILE}(?:, {_FILE})?\], "row": '
)
_LONGEST = 2**40  # bytes of a record file
_NONE = -1


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
_Head = tuple[str, str, Any, Row | None]  # split, id, and files or failure


class MadeRow(NamedTuple):
    """What a record holds of a pair that was made."""

    row: Row
    files: Files
    line: bytes  # of the row in metadata.jsonl


def made_entry(split: str, row: Row, files: Files) -> Row:
    """What a record keeps of a pair that was made."""
    return {"split": split, "id": row["id"], "files": files, "row": row}


def failed_entry(pair: WantedPair, error: str) -> Row:
    """What a record keeps of a pair that could not be made."""
    failure = {"source_id": pair.source_id, "split": pair.split, "error": error}
    return {"split": pair.split, "id": pair.id, "failure": failure}


def record_lines(entries: Iterable[Row]) -> bytes:
    """The content of a record; a line that is damaged costs its pair alone."""
    lines = (jsonl_line(entry)[1:] for entry in entries)
    return b"".join(b'%s%s", %s' % (_BEGIN, sha256(line).encode(), line) for line in lines)


@dataclass
class Records(Generic[PairT]):
    """Which of the wanted pairs are made; rows stay on disk, for there may be millions."""

    pairs: Sequence[PairT]
    paths: list[Path]  # the record files
    # Of each pair where its row is, file * _LONGEST + byte offset, or _NONE. With a dictionary of
    # keys 1.7 million pairs took 370 MB; these are 14.
    at: np.ndarray
    failed: dict[int, Row] = field(default_factory=dict)  # by the number of the pair
    strangers: int = 0  # entries of other pairs

    @property
    def made(self) -> int:
        """How many pairs were made."""
        return int(np.count_nonzero(self.at != _NONE))

    def left(self) -> list[PairT]:
        """The pairs that are not made."""
        return [self.pairs[number] for number in _numbers(self.at == _NONE)]

    def lost(self) -> list[int]:
        """Numbers of what failed and was never made, sorted by split and id."""
        lost = (number for number in self.failed if self.at[number] == _NONE)
        return sorted(lost, key=lambda n: (self.pairs[n].split, self.pairs[n].id))

    def counts(self) -> dict[str, int]:
        """How many pairs of each split were made; none is left out of those that have any."""
        made = Counter(self.pairs[number].split for number in _numbers(self.at != _NONE))
        return dict(sorted(made.items()))

    def rows(self, split: str) -> Iterator[MadeRow]:
        """The rows of the pairs of one split that were made, sorted by id.

        UserError where a record was changed since it was read.
        """
        made = (n for n in _numbers(self.at != _NONE) if self.pairs[n].split == split)
        places = self.at[_by_id(self.pairs, np.fromiter(made, np.int64))].tolist()
        # Neighbours lie in one file: opening it for each row would take half of the time.
        for number, same in groupby(places, key=lambda place: place // _LONGEST):
            with self.paths[number].open("rb") as file:
                for place in same:
                    file.seek(place % _LONGEST)
                    yield _made_row(file.readline(), self.paths[number])

    def failures(self) -> list[Row]:
        """One row for each input and error, with the number of pairs it cost."""
        lost = (self.failed[number] for number in self.lost())
        counts = Counter(json.dumps(row, ensure_ascii=False) for row in lost)
        return [{**json.loads(text), "pairs": count} for text, count in counts.items()]


def _numbers(wanted: np.ndarray) -> Iterator[int]:
    """Where it is true; a list of millions would take 40 bytes each."""
    return map(int, np.flatnonzero(wanted))


def _made_row(line: bytes, path: Path) -> MadeRow:
    head, (row, text) = _head(line), _row_of(line)
    if head is None or not is_row(row):
        raise UserError(f"{path}: damaged; remove it and run the same command again")
    return MadeRow(row, head[2] or [], text)


def _row_of(line: bytes) -> tuple[Any, bytes]:
    """The row of a line, and the line that it is in metadata.jsonl; None where it holds none."""
    try:
        if not line.startswith(_BEGIN):
            row = load_json(line)["row"]
            return row, jsonl_line(row)
        # As it stands: to read and write it anew by `json` took most of the time of finishing.
        text = line[line.index(_ROW) + len(_ROW) : -len(b"}\n")]
        # What `load_json` alone refuses hides in escapes; it takes four times as long.
        row = load_json(text) if b"\\u" in text else from_json(text, allow_inf_nan=False)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None, b""
    return row, text + b"\n"


def _by_id(pairs: Sequence[WantedPair], numbers: np.ndarray) -> np.ndarray:
    if all(one < other for one, other in pairwise(pairs[int(n)].id for n in numbers)):
        return numbers
    # Ids are ASCII. As Python's texts they would take three times as much.
    width = max(len(pairs[int(n)].id) for n in numbers)
    texts = np.fromiter((pairs[int(n)].id.encode() for n in numbers), f"S{width}", len(numbers))
    return numbers[np.argsort(texts, kind="stable")]


def read_records(
    store: Store,
    copies: Path,
    pairs: Sequence[PairT],
    root: str | None = None,
    folder: str = RECORDS,
) -> Records[PairT]:
    """What of the pairs is finished so far, by whatever run; what lost a picture is not.

    Damaged lines are left out: their pairs are made again.
    """
    # A record of 0.1.0 lies in RECORDS itself, not in a folder of its shard.
    names = [name for name in store.names(folder) if name.endswith(".jsonl")]
    paths = store.fetch(names, copies)
    is_whole = asking(store, root)
    keys, places = array("q"), array("q")
    failed: dict[int, Row] = {}
    for number, path in enumerate(paths):
        with path.open("rb") as file:
            for offset, (split, name, files, failure) in _heads(file):
                key = hash((split, name))
                if failure is not None:
                    failed[key] = failure
                elif is_whole(split, files):
                    keys.append(key)
                    places.append(number * _LONGEST + offset)
    return _numbered(pairs, paths, np.asarray(keys), np.asarray(places), failed)


def _numbered(
    pairs: Sequence[PairT],
    paths: list[Path],
    keys: np.ndarray,
    places: np.ndarray,
    failed: dict[int, Row],
) -> Records[PairT]:
    """The records by numbers of pairs. Two of 1.7 million share a hash once in ten million sets."""
    wanted = np.fromiter((hash((pair.split, pair.id)) for pair in pairs), np.int64, len(pairs))
    order = np.argsort(wanted)
    wanted = wanted[order]

    def number_of(some: np.ndarray) -> np.ndarray:
        if not len(wanted):
            return np.full(len(some), _NONE)
        # One after the other in their order: a tenth of the time.
        by_key, found = np.argsort(some), np.empty(len(some), np.int64)
        found[by_key] = np.searchsorted(wanted, some[by_key])
        found = np.minimum(found, len(wanted) - 1)
        return np.where(wanted[found] == some, order[found], _NONE)

    at = np.full(len(pairs), _NONE)
    numbers = number_of(keys)
    at[numbers[numbers != _NONE]] = places[numbers != _NONE]
    failing = number_of(np.fromiter(failed, np.int64, len(failed))).tolist()
    by_number = zip(failing, failed.values(), strict=True)
    known = {number: row for number, row in by_number if number != _NONE}
    strangers = int(np.count_nonzero(numbers == _NONE)) + failing.count(_NONE)
    return Records(pairs, paths, at, known, strangers)


def _heads(file: Iterable[bytes]) -> Iterator[tuple[int, _Head]]:
    """(byte offset, head) of each line that is whole."""
    offset = 0
    for line in file:
        head = _head(line)
        if head is not None:
            yield offset, head
        offset += len(line)


def _head(line: bytes) -> _Head | None:
    # Of 1.7 million lines a parser and its dictionaries took twice as long.
    found = _MADE.match(line.decode("latin-1"))
    if found is None:
        return _parsed(line)
    told, split, name, blur, blur_size, sharp, sharp_size, mask, mask_size = found.groups()
    if sha256(line[_TEXT:]) != told:
        return None
    files = [(blur, int(blur_size)), (sharp, int(sharp_size))]
    if mask:
        files.append((mask, int(mask_size)))
    return split, name, files, None


def _parsed(line: bytes) -> _Head | None:
    entry = _entry(line)
    if entry is None:
        return None
    return entry["split"], entry["id"], entry.get("files"), entry.get("failure")


def _entry(line: bytes) -> Row | None:
    """The entry of any line that is whole; without its row, which takes most of it."""
    if not line.startswith(_BEGIN):
        return _of_0_1_0(line)
    if sha256(line[_TEXT:]) != line[len(_BEGIN) : _TEXT - 3].decode("latin-1"):
        return None
    end = line.find(_ROW)
    try:
        # Not `load_json`: of 1.7 million lines it took 10 s longer.
        entry = from_json(line if end < 0 else line[:end] + b"}", allow_inf_nan=False)
    except ValueError:
        return None
    return entry if _is_entry(entry) else None


def _of_0_1_0(line: bytes) -> Row | None:
    """An entry without checksum and sizes, as this version writes it; None where it is none."""
    try:
        entry = load_json(line)
    except (ValueError, RecursionError):
        return None
    row: Any = entry.get("row") if isinstance(entry, dict) else None
    if is_row(row) and isinstance(entry.get("split"), str):
        return made_entry(entry["split"], row, [(name, None) for name in file_names(row)])
    return entry if _is_entry(entry) and "failure" in entry else None


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    if not (isinstance(entry.get("split"), str) and isinstance(entry.get("id"), str)):
        return False
    if "failure" in entry:
        return isinstance(entry["failure"], dict)
    return isinstance(entry.get("files"), list)


def asking(store: Store, root: str | None) -> Callable[[str, Any], bool]:
    """What tells of a split whether files are there, and of the size that they were written with.

    Where no size is known, they hold something.
    """
    pictures, _ = located(store, root, "")
    size_of = pictures.sizes()

    def is_whole(split: str, files: Any) -> bool:
        inner = f"{split}/" if root is None else ""
        try:
            for name, known in files:
                # Not `inside`, which asks for links: of 3.4 million names that took two minutes.
                if ".." in name or name[:1] == "/":
                    return False
                size = size_of(inner + name)
                if not size or (size != known and known):
                    return False
        except (TypeError, ValueError):  # no names and sizes
            return False
        return True

    return is_whole


def forget(store: Store, pairs: Container[tuple[str, str]]) -> None:
    """Take pairs, as (split, id), out of all records: they are made again."""
    for name in store.names(RECORDS):
        lines = store.read(name).splitlines(keepends=True)
        heads = ((line, _head(line)) for line in lines)
        kept = [line for line, head in heads if head is None or head[:2] not in pairs]
        if len(kept) < len(lines):
            store.write(name, b"".join(kept))


def still_open(
    store: Store, pairs: Sequence[PairT], root: str | None, folder: str = RECORDS
) -> list[PairT]:
    """Those of the pairs that no record holds as made, as of now."""
    # Not the copies of this run: records grow.
    with TemporaryDirectory() as copies:
        return read_records(store, Path(copies), pairs, root, folder).left()
