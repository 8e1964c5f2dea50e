"""How often files below a folder are opened for reading."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_watched: list[tuple[str, Counter[str]]] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _watched:
        return
    path, _mode, flags = arguments
    if isinstance(path, bytes | str) and not (isinstance(flags, int) and flags & os.O_ACCMODE):
        for root, count in _watched:
            name = os.path.relpath(os.fsdecode(path), root)
            if not name.startswith(".."):
                count[name] += 1


sys.addaudithook(_note)  # Python tells it of every file that is opened, however that is done


@contextmanager
def opened(root: Path) -> Iterator[Counter[str]]:
    """Counts, by name below `root`, what is opened for reading until the block ends."""
    count: Counter[str] = Counter()
    _watched.append((os.fspath(root), count))
    try:
        yield count
    finally:
        _watched.pop()
