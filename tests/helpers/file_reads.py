"""Which files a command opens to read, and how often, whatever it opens them with."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# An audit hook stays for as long as the process: one for all, idle while nobody asks.
_asking: list[tuple[Path, Counter[str]]] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _asking or not isinstance(arguments[0], str | os.PathLike):
        return
    path, mode, flags = Path(arguments[0]), *arguments[1:]
    # Without a mode, and without waiting: as `files.read_regular` opens; `files.sync` waits.
    reading = mode.startswith("r") if isinstance(mode, str) else bool(flags & os.O_NONBLOCK)
    for folder, reads in _asking:
        if reading and path.is_relative_to(folder):
            reads[path.relative_to(folder).as_posix()] += 1


sys.addaudithook(_hear)


@contextmanager
def reads_in(folder: Path) -> Iterator[Counter[str]]:
    """Gives a count by the names of files in `folder`, which grows while the block runs."""
    asked = folder, Counter[str]()
    _asking.append(asked)
    try:
        yield asked[1]
    finally:
        _asking.remove(asked)
