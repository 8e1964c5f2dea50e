"""What a reader is, and where it finds its bytes."""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Reader(NamedTuple):
    """One way into the house."""

    name: str
    read: Callable[[bytes], object]
    examples: Callable[[], list[bytes]]  # valid files


@cache
def scratch() -> Path:
    """A folder of this process alone."""
    folder = Path(tempfile.mkdtemp(prefix="readers-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def written(name: str, data: bytes) -> Path:
    """A file of these bytes."""
    path = scratch() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@cache
def _laid_out(name: str, files: Callable[[], dict[str, bytes]]) -> Path:
    for path, data in files().items():
        written(f"{name}/{path}", data)
    return scratch() / name


def folder(name: str, files: Callable[[], dict[str, bytes]], file: str, data: bytes) -> Path:
    """A folder of these files, one of them of other bytes."""
    root = _laid_out(f"{name}-{file.replace('/', '-')}", files)
    (root / file).write_bytes(data)
    return root


def of_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A reader of a path."""
    return lambda data: read(written(name, data))


def of(files: Callable[[], dict[str, bytes]], name: str) -> Callable[[], list[bytes]]:
    """One file of a folder."""
    return lambda: [files()[name]]
