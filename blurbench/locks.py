"""One writer at a time in a folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from blurbench.errors import UserError
from blurbench.files import CannotWrite, open_regular

LOCK = ".lock"  # stays in a folder that was written to


def try_lock(folder: Path) -> TextIO | None:
    """The lock on `folder` (made if need be) until it is closed; None where another holds it.

    CannotWrite names the folder, or the visible one that a hidden one of ours lies in; UserError
    where the file system knows no locks.
    """
    named = folder.parent if folder.name.startswith(".") else folder
    # Not by the package filelock: where flock is missing it falls back to a file that a killed run
    # leaves behind, which would keep out the run that goes on.
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / LOCK
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: is no file, as a lock has to be; take it out")
        # Not emptied: it would lose its holder's name.
        lock = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise CannotWrite(error.errno, error.strerror, str(named)) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    except OSError as error:  # NFS and Lustre as some are mounted
        lock.close()
        without = f"this file system locks no files ({error.strerror})"
        mend = "give a folder on another disk, or mount it with locks (Lustre: -o flock)"
        raise UserError(f"{named}: {without}; {mend}") from None
    except BaseException:
        lock.close()
        raise
    return lock


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` (made if need be) for one writer; UserError where another process holds it.

    Its file .lock stays behind: a lock on a file that another process removes would guard nothing.
    """
    lock = try_lock(folder)
    if lock is None:
        raise UserError(f"{folder}: another process is writing here")
    with lock:
        yield


def is_locked(folder: Path) -> bool:
    """Whether a process holds `folder`; writes nothing there."""
    try:
        with open_regular(folder / LOCK) as lock:
            # A shared lock, which two that only ask may have at once.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, UserError):  # a pipe of a stranger's
        return False
    return False
