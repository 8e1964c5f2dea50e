"""Processes of the chaos run: the command, a Dask cluster started by hand, their workers."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

BIN = Path(sys.executable).parent


def command(*words: str, env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A process of its own group, whose words go to a file."""
    with log.open("ab") as out:
        return subprocess.Popen(
            words, env={**os.environ, **env}, stdout=out, stderr=out, start_new_session=True
        )


def below(pid: int) -> list[int]:
    """All processes below another, its own children first."""
    found, todo = [], [pid]
    while todo:
        children = [child for at in todo for child in _children(at)]
        found += children
        todo = children
    return found


def _children(pid: int) -> list[int]:
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(n) for task in tasks for n in (task / "children").read_text().split()]
    except OSError:  # gone meanwhile
        return []


def workers_of(pid: int) -> list[int]:
    """The processes of Dask workers below another: spawned, or forked from what is there for it."""
    servers = [each for each in _children(pid) if b"forkserver" in _line(each)]
    forked = [child for each in servers for child in _children(each)]
    return forked + [each for each in below(pid) if b"spawn_main" in _line(each)]


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def hit(pid: int, number: signal.Signals) -> bool:
    """Send a signal; whether anybody was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


class Cluster:
    """A scheduler and nannies with a worker each, as a user starts them by hand."""

    def __init__(self, count: int, env: dict[str, str], log: Path) -> None:
        """Nothing is started yet."""
        self.count, self.env, self.log = count, env, log
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.nannies: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def heal(self) -> None:
        """Start whatever is not running; a new scheduler has another address."""
        if self.scheduler is None or self.scheduler.poll() is not None:
            self.end()
            self.address = f"tcp://127.0.0.1:{free_port()}"
            self.scheduler = self._dask("scheduler", "--port", self.address.rpartition(":")[2])
        self.nannies = [each for each in self.nannies if each.poll() is None]
        while len(self.nannies) < self.count:
            self.nannies.append(
                self._dask("worker", self.address, "--nthreads", "1", "--death-timeout", "60")
            )

    def _dask(self, *words: str) -> subprocess.Popen[bytes]:
        quiet = ("--no-dashboard",)
        return command(str(BIN / "dask"), *words, *quiet, env=self.env, log=self.log)

    def workers(self) -> list[int]:
        """The processes that do the work."""
        return [each for nanny in self.nannies for each in workers_of(nanny.pid)]

    def end(self) -> None:
        """Kill all of it."""
        for each in (*self.nannies, *filter(None, [self.scheduler])):
            end(each)
        self.nannies, self.scheduler = [], None


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all below it, and wait."""
    for each in (*reversed(below(process.pid)), process.pid):
        # Python's own tracker ends by itself, and first clears away what the others left.
        if b"resource_tracker" not in _line(each):
            hit(each, signal.SIGKILL)
    process.wait()


def until(seconds: float, pause: float = 0.1) -> Iterator[None]:
    """Turns of a loop, for so long."""
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        yield
        time.sleep(pause)
