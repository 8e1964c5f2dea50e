"""The files beside the pictures of a source that say something about them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from blurbench.csv_rows import CsvRow, csv_rows
from blurbench.errors import UserError
from blurbench.sources.items import Labels
from blurbench.stores.store import Store


@dataclass(frozen=True)
class LabelFiles:
    """Where label files may lie; names are relative to the root of the source, sorted."""

    names: Sequence[str]
    store: Store

    def read(self, name: str) -> bytes:
        """All of a file; what cannot be read, or is a link out of the source, is a UserError."""
        try:
            return self.store.read(self.store.inside("", name))
        except OSError as error:
            raise UserError(f"{name}: cannot be read ({error.strerror})") from None


@dataclass(frozen=True)
class KnownLabels:
    """What is known of one picture before it is read."""

    labels: Labels = field(default_factory=dict)
    split: str | None = None
    group: str | None = None
    problem: str | None = None  # why it cannot be used


@dataclass(frozen=True)
class Matches:
    """Which pictures a file means."""

    ids: dict[str, str]  # name in the file -> id
    unclear: dict[str, str]  # id -> why it is not sure whether the file means it


@dataclass(frozen=True)
class CsvTable:
    """A CSV file with a header."""

    columns: frozenset[str]  # in small letters
    rows: Iterator[tuple[int, CsvRow]]  # with the number of their line


def read_table(files: LabelFiles, name: str) -> CsvTable:
    """Open a CSV file in UTF-8; its rows are read, and found fault with, when they are asked for.

    UserError names the file, and the line that has another number of fields than the header.
    """
    columns, rows = csv_rows(files.read(name), name)
    plain = {column: column.strip().lower() for column in columns}
    return CsvTable(
        frozenset(plain.values()),
        ((line, {plain[key]: value.strip() for key, value in row.items()}) for line, row in rows),
    )


def match(names: Iterable[str], ids: Iterable[str]) -> Matches:
    """The pictures that one file means by its names: a path, the end of one, or the file name.

    A name that fits several pictures, or one picture that only folders tell apart, fits none.
    """
    by_file_name: dict[str, list[str]] = defaultdict(list)
    for id in sorted(ids):
        by_file_name[PurePosixPath(id).name].append(id)
    found: dict[str, str] = {}
    unclear: dict[str, str] = {}
    elsewhere: dict[str, list[str]] = defaultdict(list)  # id -> names in other folders
    for name in dict.fromkeys(names):
        path = name.replace("\\", "/").removeprefix("./")
        alike = by_file_name.get(PurePosixPath(path).name, [])
        fitting = [id for id in alike if id == path]
        fitting = fitting or [id for id in alike if id.endswith(f"/{path}")]
        if len(fitting) == 1:
            found[name] = fitting[0]
        elif len(alike) == 1:
            elsewhere[alike[0]].append(name)
        elif alike:
            these = fitting or alike
            unclear |= dict.fromkeys(these, f"{name} could mean {these[0]} or {these[1]}")
    named = set(found.values())
    for id, (first, *others) in elsewhere.items():
        if others:
            unclear.setdefault(id, f"{first} or {others[0]} could mean it")
        elif id not in named:
            found[first] = id
    return Matches(found, unclear)
