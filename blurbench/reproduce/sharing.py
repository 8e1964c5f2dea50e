"""Jobs shared by several processes, or machines, through one folder: none is done twice."""

import json
import os
import platform
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypeVar

from typing_extensions import TypedDict

from blurbench.errors import UserError
from blurbench.files import write_json
from blurbench.locks import LOCK, try_lock
from blurbench.schemas import read_as

Job = TypeVar("Job")
FAILED = "failed.json"
POLL_S, TELL_S = 2.0, 60.0  # how often a job that another holds is asked for, and told of


class _Claim(TypedDict):
    machine: str
    process: int


class _Failure(TypedDict):
    why: str


class Sharing:
    """Claims on jobs, each a lock in a folder of its own that dies with its process.

    Machines share the work where they share `folder`; its file system must pass locks on, as NFS
    does from version 4.
    """

    def __init__(
        self, folder: Path, tell: Callable[[str], object] = print, poll: float = POLL_S
    ) -> None:
        """`folder` holds the claims and nothing else; `tell` hears what is waited for."""
        self.folder, self.tell, self.poll = folder, tell, poll
        self.failures: dict[str, str] = {}  # job -> why, of this process and of the others
        self.mine: set[str] = set()
        self.polls = 0  # since something was done here
        # A failure that was there before is of another attempt: that job is tried once more.
        there = (path for path in folder.glob(f"**/{FAILED}") if path.is_file())
        self.old = {path: path.read_bytes() for path in there}

    def each(
        self, jobs: Sequence[Job], name: Callable[[Job], str], done: Callable[[Job], bool]
    ) -> Generator[Job, None, None]:
        """Each job that is neither done nor failed, its claim held until the next is asked for.

        Those that others hold come last: they are waited for, and taken over where their process
        died. The caller says `fail` of a job that cannot be done; one that is not done when the
        next is asked for counts as failed, too.
        """
        left = list(jobs)
        while left:
            held = []
            for job in left:
                key = name(job)
                if done(job) or self.failed(key):
                    continue
                lock = self._claim(key)
                if lock is None:
                    held.append(job)
                    continue
                with self._holding(key, lock):
                    if done(job) or self.failed(key):  # while the lock was asked for
                        continue
                    yield job
                    if done(job):
                        (self.folder / key / FAILED).unlink(missing_ok=True)
                    elif not self.failed(key):
                        self.fail(key, "it ended and was not done")
            if len(held) == len(left):
                self._wait([name(job) for job in held])
            left = held

    def fail(self, key: str, why: str) -> None:
        """Note, for all processes, that a job cannot be done."""
        self.failures[key] = why
        stamp = f"{platform.node()} {os.getpid()} {time.time_ns()}"
        write_json(self.folder / key / FAILED, {"why": why, "by": stamp})

    def failed(self, key: str) -> str:
        """Why a job could not be done, here or in another process; empty for nothing known."""
        path = self.folder / key / FAILED
        if key not in self.failures and path.is_file():
            if path.read_bytes() == self.old.get(path):
                return ""
            self.failures[key] = read_as(_Failure, path, "delete it")["why"]
        return self.failures.get(key, "")

    @contextmanager
    def claimed(self, key: str) -> Iterator[None]:
        """Hold the claim of one job, waited for if need be; held already, it stays held."""
        if key in self.mine:
            yield
            return
        while (lock := self._claim(key)) is None:
            self._wait([key])
        with self._holding(key, lock):
            yield

    def _claim(self, key: str) -> TextIO | None:
        return try_lock(self.folder / key)

    @contextmanager
    def _holding(self, key: str, lock: TextIO) -> Iterator[None]:
        with lock:
            lock.truncate(0)
            lock.write(json.dumps({"machine": platform.node(), "process": os.getpid()}))
            lock.flush()
            self.mine.add(key)
            self.polls = 0
            try:
                yield
            finally:
                self.mine.discard(key)

    def _wait(self, keys: list[str]) -> None:
        # At the second poll, then once a minute: a claim is often gone within a second.
        if self.polls % max(2, round(TELL_S / self.poll)) == 1:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            self.tell(f"waiting for {keys[0]}{more}, with {holder(self.folder / keys[0])}")
        self.polls += 1
        time.sleep(self.poll)


def holder(folder: Path) -> str:
    """Who holds a claim, in words."""
    try:
        found = read_as(_Claim, folder / LOCK)
    except (OSError, UserError):
        return "another process"
    return f"process {found['process']} on {found['machine']}"
