"""Writes that survive a crash, and paths that cannot leave their folder."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from blurbench.errors import UserError

TEMPORARY = ".tmp-"  # begins the names of files that are being written


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Write a file whole or not at all: temporary file beside it, fsync (if durable), rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the file: a rename is whole only within one file system.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY, suffix=path.suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if durable:
                # Before the rename, which a crash may otherwise keep without the content.
                os.fsync(file.fileno())
        # mkstemp lets nobody else read what it makes, but data sets are shared.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    # Ctrl-C too leaves nothing behind; what a kill leaves begins with TEMPORARY.
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """The bytes of a file, by way of `replacing`."""
    with replacing(path, durable=durable) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """`write_bytes` for an indented JSON document; NaN and infinity are refused."""
    write_bytes(path, json_document(value))


def json_document(value: Any) -> bytes:
    """An indented JSON document; NaN and infinity are refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def jsonl_line(row: dict[str, Any]) -> bytes:
    """One line of a JSON-lines file; NaN and infinity are refused."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> str:
    """One JSON object a line, by way of `replacing`; gives the SHA-256 of the file.

    NaN and infinity are refused.
    """
    total = hashlib.sha256()
    with replacing(path) as file:
        for line in map(jsonl_line, rows):
            total.update(line)
            file.write(line)
    return total.hexdigest()


def read_json(path: Path) -> Any:
    """The JSON document in `path`; a missing or torn file is a UserError."""
    try:
        return parse_json(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None


def parse_json(data: bytes, name: str) -> Any:
    """The JSON document in `data`; a torn one is a UserError."""
    try:
        return json.loads(data)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{name}: not valid JSON ({error})") from None


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON-lines file; a torn line is a UserError that names it."""
    try:
        with path.open("rb") as file:
            yield from parse_jsonl(file, str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None


def parse_jsonl(lines: Iterable[bytes], name: str) -> Iterator[dict[str, Any]]:
    """The rows in `lines`; a torn line is a UserError that names it."""
    for number, line in enumerate(lines, start=1):
        try:
            yield json.loads(line)
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
            raise UserError(f"{name}: line {number} is not valid JSON") from None


def sync(path: Path) -> None:
    """Make a file that was written, or the renames inside a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def tell_unwritable(where: str) -> Iterator[None]:
    """Tell what keeps `where` from being written, such as a full disk, in a line with the mend."""
    try:
        yield
    except OSError as error:
        mend = "mend that and run the same command again; what was finished is kept"
        raise UserError(f"{where}: cannot write ({error.strerror}); {mend}") from None


def sha256(data: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def inside(root: Path, name: str) -> Path:
    """`root/name` for a name read from a file; a UserError where it would leave `root`."""
    path = root / name
    if Path(name).is_absolute() or not path.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{root}: the path {name!r} leads out of this folder")
    return path
