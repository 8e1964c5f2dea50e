"""Sizes and checksums of a finished set: what was damaged is seen without opening a picture."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from posixpath import join
from typing import Any

from blurbench.datasets.format import (
    CHECKS,
    DATASET,
    METADATA,
    Description,
    Row,
    file_names,
    is_row,
    located,
)
from blurbench.files import load_json, sha256
from blurbench.stores.store import SizeOf, Store

Files = list[tuple[str, int | None]]  # what a row names, and bytes; None where 0.1.0 kept none


def check_line(split: str, row: Row, line: bytes, sizes: SizeOf, files: Files, folder: str) -> Row:
    """What checks.jsonl keeps of a pair: the sizes as recorded, else as they are now.

    line: of the row, in metadata.jsonl.
    """
    known = dict(files)
    told = [(name, known.get(name) or sizes(join(folder, name))) for name in file_names(row)]
    return {"split": split, "id": row["id"], "files": told, "row_sha256": sha256(line)}


def find_damage(store: Store, description: Description) -> Iterator[str]:
    """One line for each list of a finished set that was changed, and each picture lost or cut.

    No picture is opened. Of a set of 0.1.0, which kept no sizes, each has to hold something.
    """
    yield from find_changed_lists(store, description)
    pictures, _ = located(store, description.root, "")
    size_of, counts = pictures.sizes(), Counter[str]()
    for split, files in _files(store, description):
        counts[split] += 1
        _, folder = located(store, description.root, split)
        for name, known in files:
            path = join(folder, name)
            if complaint := _complaint(size_of(path), known):
                yield f"{pictures.where(path)}: {complaint}"
    for split, count in description.counts.items():
        if counts[split] != count:
            where = store.where(rows_of(store, split))
            yield f"{where}: {counts[split]} rows, {count} in {DATASET}"


def find_changed_lists(store: Store, description: Description) -> Iterator[str]:
    """One line for each metadata.jsonl, and for checks.jsonl, that is not the one written."""
    for split in description.counts:
        if hash_of(store, rows_of(store, split)) != description.metadata_sha256.get(split):
            where = store.where(rows_of(store, split))
            yield f"{where}: changed; its SHA-256 is not the one in {DATASET}"
    if description.checks_sha256 and hash_of(store, CHECKS) != description.checks_sha256:
        yield f"{store.where(CHECKS)}: changed; its SHA-256 is not the one in {DATASET}"


def _complaint(size: int | None, known: int | None) -> str | None:
    if size is None:
        return "no such file"
    if size == 0:
        return "empty"
    return f"{size} bytes; {known} were written" if size != (known or size) else None


def _files(store: Store, description: Description) -> Iterator[tuple[str, Files]]:
    """(split, files) of every pair, by checks.jsonl or, where it is not whole, by the rows."""
    if description.checks_sha256 and hash_of(store, CHECKS) == description.checks_sha256:
        for _, entry in whole_lines(store, CHECKS):
            if is_check(entry):
                yield entry["split"], entry["files"]
        return
    for split in description.counts:
        for _, row in whole_lines(store, rows_of(store, split)):
            if is_row(row):
                yield split, [(name, None) for name in file_names(row)]


def trusted_rows(store: Store, description: Description, split: str) -> Iterator[tuple[Row, Files]]:
    """The rows of a finished set that are as they were written, with the files of each.

    Where one was changed, only checks.jsonl tells which: without it, none is.
    """
    name = rows_of(store, split)
    same = hash_of(store, name) == description.metadata_sha256.get(split)
    known: dict[str, Files] = {}
    if description.checks_sha256 and hash_of(store, CHECKS) == description.checks_sha256:
        entries = (entry for _, entry in whole_lines(store, CHECKS) if is_check(entry))
        known = {e["row_sha256"]: e["files"] for e in entries if e["split"] == split}
    for line, row in whole_lines(store, name):
        files = known.get(sha256(line))
        if is_row(row) and (same or files):
            yield row, files or [(name, None) for name in file_names(row)]


def find_changed_rows(
    store: Store, description: Description, split: str, rows: Iterable[tuple[Row, bytes]]
) -> Iterator[Row]:
    """Those of a split's rows, sorted by id, whose lines are others in its metadata.jsonl.

    None where that is not as it was written.
    """
    name = rows_of(store, split)
    if hash_of(store, name) == description.metadata_sha256.get(split):
        lines = (line for line, _ in whole_lines(store, name))
        yield from (row for (row, new), old in zip(rows, lines, strict=True) if new != old)


def is_check(entry: Any) -> bool:
    """Whether this is a line of checks.jsonl."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("split"), str)
        and isinstance(entry.get("row_sha256"), str)
        and is_files(entry.get("files"))
    )


def is_files(value: Any) -> bool:
    """Whether these are names with their sizes, or with None."""
    return isinstance(value, list) and all(
        isinstance(each, list)
        and len(each) == 2
        and isinstance(each[0], str)
        and isinstance(each[1], int | None)
        for each in value
    )


def rows_of(store: Store, split: str) -> str:
    """The metadata.jsonl of a split, whose name comes from a file."""
    return f"{store.inside('', split)}/{METADATA}"


def hash_of(store: Store, name: str) -> str | None:
    """The SHA-256 of a file; None where there is none."""
    if not store.is_file(name):
        return None
    total = hashlib.sha256()
    with store.open(name) as file:
        while block := file.read(2**20):
            total.update(block)
    return total.hexdigest()


def whole_lines(store: Store, name: str) -> Iterator[tuple[bytes, Any]]:
    """(line, document) of a JSON-lines file, damaged lines left out; none of a missing file."""
    if not store.is_file(name):
        return
    with store.open(name) as file:
        yield from parsed(file)


def parsed(lines: Iterable[bytes]) -> Iterator[tuple[bytes, Any]]:
    """(line, document) of the lines that hold one."""
    for line in lines:
        try:
            document = load_json(line)
        except (ValueError, RecursionError):
            continue
        yield line, document
