"""The hidden work folder of a data set in the making: lock, plan and done-records."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from blurbench.datasets.checks import find_changed_rows, trusted_rows
from blurbench.datasets.format import (
    DATASET,
    PICTURES,
    WORK,
    Row,
    file_names,
    read_description,
)
from blurbench.datasets.records import RECORDS, PairT, Records, made_entry, record_lines
from blurbench.errors import UserError
from blurbench.files import TEMPORARY, sha256
from blurbench.progress import progress
from blurbench.sources.items import SourceItem
from blurbench.stores.store import Store

PLAN = f"{WORK}/plan.json"
TAKEN_UP = 10_000  # rows of a finished set in one record: some 12 MB

SetRequest = dict[str, Any]  # what was asked for: the head of dataset.json


def refuse_strangers(store: Store, found: Records[PairT]) -> None:
    """UserError where the records hold a pair that is not of this data set."""
    if found.strangers:
        raise UserError(f"{store.where()}: holds pairs of another data set; give another --out")


@contextmanager
def work_folder(
    store: Store, wanted: SetRequest, refuse_other: Callable[[], object]
) -> Iterator[Path]:
    """Hold the work folder, with its plan; UserError where another run holds it.

    `refuse_other` looks at the set once more. Gives a temporary folder for copies of the
    done-records of a URL.
    """
    with store.locked(WORK), TemporaryDirectory() as copies:
        if not store.is_file(PLAN):
            try:
                refuse_other()
            except UserError:
                # Another command made its set here since we looked; it is whole.
                store.clear(WORK)
                raise
            # The plan last: a run killed while it takes up rows begins with that again.
            _take_up(store)
            store.write_json(PLAN, wanted)
        yield Path(copies)


def _take_up(store: Store) -> None:
    """Turn the rows of a finished set into done-records; what was changed is made again."""
    if not store.is_file(DATASET):
        return
    description = read_description(store)
    for split in description.counts:
        rows = trusted_rows(store, description, split)
        entries = (made_entry(split, row, files) for row, files in rows)
        number = 0
        while some := list(islice(entries, TAKEN_UP)):
            store.write(f"{RECORDS}/finished-{split}/{split}-{number}.jsonl", record_lines(some))
            number += 1


def refuse_changed_sources(store: Store, found: Records[PairT]) -> None:
    """UserError where what a finished set had lost was made again of other sources.

    A source is known by its name alone: to read each anew would take as long as to make its pairs.
    What was made of the others is removed.
    """
    if not store.is_file(DATASET):
        return
    there = read_description(store)
    if there.failed or there.counts != found.counts():
        return
    changed = []
    for split in there.counts:
        rows = ((made.row, made.line) for made in found.rows(split))
        for row in find_changed_rows(store, there, split, rows):
            changed.append(str(row.get("source_id", row["id"])))
            for name in file_names(row):
                store.remove(f"{split}/{name}")
    if changed:
        store.clear(WORK)
        told = f"{changed[0]}: it, or its mask or depth map, was changed since its pairs were made"
        raise UserError(f"{store.where()}: {told}; put back what it was, or give another --out")


def outdated(
    store: Store, found: Records[PairT], items: Iterable[SourceItem]
) -> dict[tuple[str, str], str]:
    """Pairs of an unfinished set whose source is another file now: (split, id) -> source.

    Only files that were written or moved since it was begun are read: reading all of a million
    frames takes hours. Of sources and sets behind URLs no such time is known; nor is a mask's hash.
    """
    # What a finished set lost is compared with its rows: `refuse_changed_sources`.
    if not (store.is_here and found.made) or store.is_file(DATASET):
        return {}
    if not (hashes := _hashes(_written_since(items, store))):
        return {}
    rows = ((split, made.row) for split in found.counts() for made in found.rows(split))
    return {
        (split, row["id"]): source
        for split, row in rows
        if (source := str(row.get("source_id"))) in hashes
        and row.get("source_sha256") != hashes[source]
    }


def _written_since(items: Iterable[SourceItem], store: Store) -> list[SourceItem]:
    begun = Path(store.where(PLAN)).stat().st_mtime

    def is_new(path: Path) -> bool:
        try:
            return path.stat().st_ctime > begun
        except OSError:  # it will fail by name
            return True

    return [item for item in items if any(map(is_new, item.files()))]


def _hashes(items: Sequence[SourceItem]) -> dict[str, str | None]:
    """By id; None of what cannot be read any more."""
    found: dict[str, str | None] = {}
    with progress("changed sources", len(items)) as advance:
        for item in items:
            try:
                found[item.id] = item.file_hash() or item.load().sha256
            except UserError:
                found[item.id] = None
            advance()
    return found


def write_record(store: Store, entries: list[Row]) -> None:
    """Keep what no shard could say of itself, such as that it kills its workers."""
    if entries:
        data = record_lines(entries)
        # Named by all it holds: another run never overwrites it.
        store.write(f"{RECORDS}/{sha256(data)[:32]}.jsonl", data)


def remove_leftovers(store: Store, found: Records[PairT]) -> None:
    """Remove pictures whose pair failed since, and what a killed run left half written."""
    lost = {(found.pairs[number].split, found.pairs[number].id) for number in found.lost()}
    for name in store.names():
        # No path of pathlib for each: of 3.4 million names they took a minute.
        folder, _, file = name.rpartition("/")
        split, _, kind = folder.partition("/")
        # The source of an orphan was damaged after it was made.
        orphan = kind in PICTURES and (split, file.rpartition(".")[0]) in lost
        if orphan or file.startswith(TEMPORARY):  # of a run that was killed
            store.remove(name)
