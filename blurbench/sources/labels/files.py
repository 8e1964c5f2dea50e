"""The files beside the pictures of a source that say something about them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from blurbench.errors import UserError
from blurbench.names import match_names, spelled
from blurbench.schemas.csv_rows import CsvRow, csv_rows
from blurbench.sources.items import Labels
from blurbench.sources.labels.depths import DepthFile
from blurbench.sources.labels.objects import ObjectMasks
from blurbench.stores.store import Store


@dataclass(frozen=True)
class LabelFiles:
    """Where label files may lie; names are relative to the root of the source, sorted."""

    names: Sequence[str]
    store: Store

    def read(self, name: str) -> bytes:
        """All of a file; what cannot be read is a UserError."""
        try:
            return self.store.read(name)
        except OSError as error:
            raise UserError(f"{name}: cannot be read ({error.strerror})") from None


@dataclass(frozen=True)
class KnownLabels:
    """What is known of one picture before it is read."""

    labels: Labels = field(default_factory=dict)
    split: str | None = None
    group: str | None = None
    problem: str | None = None  # why it cannot be used
    objects: ObjectMasks | None = None
    depth: DepthFile | None = None


@dataclass(frozen=True)
class ShownLabels:
    """What is known of what the pictures of a source show: objects, or depth."""

    told: dict[str, KnownLabels]  # of every picture, by its id
    words: dict[str, str]  # where it is from; what is left out, by the keys of items.LACKS


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
    """The pictures that one file means by its names, as `names.match_names` reads them.

    A name that fits several pictures, or one picture that several names fit, fits none; but for
    several spellings of one.
    """
    ids, names = list(ids), list(names)
    matches = _match(names, ids)
    # As a URL has them. A file may be named so, hence only what means nothing as it stands.
    quoted = {unquote(name): name for name in names if "%" in name and name not in matches.ids}
    if not quoted:
        return matches
    known = {*matches.ids.values(), *matches.unclear}
    more = _match(quoted, [id for id in ids if id not in known])
    told = {quoted[name]: id for name, id in more.ids.items()}
    return Matches(matches.ids | told, matches.unclear | more.unclear)


def _match(names: Iterable[str], ids: Sequence[str]) -> Matches:
    found = match_names({id: (id,) for id in ids}, names)
    told, unclear = {name: id for id, name in found.names.items()}, {}
    for id, several in found.doubled.items():
        if len(set(map(spelled, several))) == 1:
            told |= dict.fromkeys(several, id)
        else:
            unclear[id] = f"{several[0]} or {several[1]} could mean it"
    for name, (one, other, *more) in found.unclear.items():
        for id in (one, other, *more):
            unclear.setdefault(id, f"{name} could mean {one} or {other}")
    return Matches(told, unclear)
