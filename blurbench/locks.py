"""One writer at a time in a folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blurbench.errors import UserError

LOCK = ".lock"  # stays in a folder that was written to


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` (made if need be) for one writer; UserError where another process holds it.

    Its file .lock stays behind: a lock on a file that another process removes would guard nothing.
    """
    # Not by the package filelock: where flock is missing it falls back to a file that a killed run
    # leaves behind, which would keep out the run that goes on.
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder}: another process is writing here") from None
        yield
