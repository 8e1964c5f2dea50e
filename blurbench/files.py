"""Writes that survive a crash, reads that cannot hang, and paths that cannot leave their folder."""

import codecs
import hashlib
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from blurbench.errors import UserError

PACKAGE = Path(__file__).resolve().parent
TEMPORARY = ".tmp-"  # begins the names of files that are being written
GO_ON = "mend that and run the same command again; what was finished is kept"
LARGEST = 2**32  # bytes of a file that is read whole: nine times the largest caption file of COCO
LONGEST = 2**26  # bytes of a line
ODD = ("\\u0000", "\\ud", "\\uD")  # begin what `load_json` looks at twice


class CannotWrite(OSError):
    """What kept a file from being written, such as a full disk, with the file's path."""


@contextmanager
def writing(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Whatever keeps `path` from being written is a CannotWrite that names it.

    temporary: what lies in its place for now. Errors that name other files are left as they are.
    """
    try:
        yield
    except CannotWrite:
        raise
    except OSError as error:
        # Of writing and syncing the system names no file.
        if error.filename not in {None, *map(str, (path, temporary, *path.parents))}:
            raise
        raise CannotWrite(error.errno, error.strerror or str(error), str(path)) from None


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Write a file whole or not at all: temporary file beside it, fsync (if durable), rename.

    CannotWrite where the disk does not let it.
    """
    # Beside the file: a rename is whole only within one file system. Not by mkstemp, whose files
    # nobody else may read: data sets are shared, as far as the umask lets them be.
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}{path.suffix}")
    with writing(path, temporary):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                if durable:
                    # Before the rename, which a crash may otherwise keep without the content.
                    os.fsync(file.fileno())
            temporary.replace(path)
        # Ctrl-C too leaves nothing behind; what a kill leaves begins with TEMPORARY.
        except BaseException:
            temporary.unlink(missing_ok=True)
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
    return write_lines(path, map(jsonl_line, rows))


def write_lines(path: Path, lines: Iterable[bytes]) -> str:
    """Lines with their ends, by way of `replacing`; gives the SHA-256 of the file."""
    total = hashlib.sha256()
    with replacing(path) as file:
        for line in lines:
            total.update(line)
            file.write(line)
    return total.hexdigest()


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """A file to read; UserError where it is a folder, a pipe or a device, which may never end.

    An OSError of opening or reading it names it.
    """
    try:
        with _opened(path) as file:
            yield file
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _opened(path: Path) -> BinaryIO:
    try:
        # Asked before too: opening some devices does something, such as rewinding a tape.
        _refuse_others(path, path.stat().st_mode)
        # Without waiting for a writer, should it have become a pipe by now.
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except ValueError as error:
        raise UserError(f"{str(path)!r:.200}: no such file ({error})") from None  # NUL in its name
    try:
        _refuse_others(path, os.fstat(file.fileno()).st_mode)
    except UserError:
        file.close()
        raise
    return file


def read_regular(path: Path, most: int = LARGEST) -> bytes:
    """All of a file, as `open_regular`; UserError where it has more than `most` bytes."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise UserError(
                f"{path}: {size / 1e6:,.0f} MB, more than the {most / 1e6:,.0f} it may have"
            )
        return file.read()


def _refuse_others(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = "folder" if stat.S_ISDIR(mode) else "pipe" if stat.S_ISFIFO(mode) else "device"
        raise UserError(f"{path}: is a {kind}; give a file")


def decode_text(data: bytes, name: str) -> str:
    """Text in UTF-8, or in UTF-16 where it says so first, as Windows and Excel save it.

    UserError where it is neither, or holds NUL.
    """
    wide = data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not text in UTF-8 ({error})") from None
    if "\0" in text:
        raise UserError(f"{name}: not text in UTF-8 (holds NUL)")
    return text


def read_json(path: Path) -> Any:
    """The JSON document in `path`; a missing or torn file is a UserError."""
    try:
        return parse_json(read_regular(path), str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None


def parse_json(data: bytes, name: str) -> Any:
    """The JSON document in `data`; a torn one, or one with NaN, is a UserError."""
    try:
        return load_json(data)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name}: not valid JSON ({error})") from None


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON-lines file; a line that is torn, or no object, is a UserError."""
    try:
        with open_regular(path) as file:
            yield from parse_jsonl(file, str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None


def parse_jsonl(lines: Iterable[bytes], name: str) -> Iterator[dict[str, Any]]:
    """The rows in `lines`; one that is torn, or no object, is a UserError that names it."""
    for number, line in enumerate(lines, start=1):
        try:
            row = load_json(line)
        except (ValueError, RecursionError):
            raise UserError(f"{name}: line {number} is not valid JSON") from None
        if not isinstance(row, dict):
            raise UserError(f"{name}: line {number} is no JSON object")
        yield row


def load_json(data: bytes) -> Any:
    """A JSON document; a ValueError or RecursionError where it is none.

    None either with what no other part of a program can hold: NaN, infinity, endless integers,
    half characters, NUL.
    """
    text = data.decode(json.detect_encoding(data))
    value = _DECODER.decode(text)
    if any(escape in text for escape in ODD):
        for each in _texts(value):
            # Half of a surrogate pair can be neither printed nor written; NUL ends a path.
            if re.search("[\ud800-\udfff\0]", each):
                raise ValueError("text with half a character, or NUL")
    return value


def _integer(digits: str) -> int:
    # A float holds 308 digits; the longest number of ours has 39.
    if len(digits) > 300:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)


def _decimal(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise ValueError(f"{digits:.20} is too large")
    return value


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


# Longer by a fifth than without its hooks, on a row of metadata.
_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_decimal, parse_constant=_constant)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)


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
        raise UserError(f"{where}: cannot write ({error.strerror}); {GO_ON}") from None


def sha256(data: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def inside(root: Path, name: str, *, links: bool = False) -> Path:
    """`root/name` for a name read from a file; a UserError where it would leave `root`.

    links: those below `root` may lead anywhere, for it is a folder of the user's own.
    """
    path = root / name
    try:
        leaves = Path(name).is_absolute() or (links and ".." in Path(name).parts)
        # Resolved with links too: NUL and rings of links are refused there.
        real = path.resolve()
        leaves = leaves or not (links or real.is_relative_to(root.resolve()))
    except (ValueError, OSError, RuntimeError):  # NUL in it, or links in a ring
        leaves = True
    if leaves:
        raise UserError(f"{root}: the path {name!r:.300} leads out of this folder")
    return path


def shipped(name: str) -> Path:
    """Folder `datasets_manifests` or `leaderboard/papers`, in the wheel or in a checkout."""
    # An editable install copies force-included files once and never again, so the checkout wins.
    checkout = PACKAGE.parent / name
    return checkout if checkout.is_dir() else PACKAGE / "_data" / name
