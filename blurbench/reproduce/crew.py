"""The same command several times, here or on a cluster: each makes what no other makes."""

import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from blurbench.engine import Workers, run_shards
from blurbench.errors import UserError
from blurbench.files import writing
from blurbench.locks import is_locked, locked
from blurbench.runs.devices import one_thread

LEADER, LOGS = ".claims/leader", ".claims/logs"  # in the folder that all work in
POLL_S = 5.0  # how often those on a cluster look whether their leader is still there
WELL = (0, 1)  # exit codes of a command that came to its end


@contextmanager
def crew(
    command: Sequence[str], workers: Workers, out: Path, tell: Callable[[str], object]
) -> Iterator[None]:
    """Have `command` run beside what is done inside, so that as many as `workers` are at it.

    On a cluster it has ended when the inside begins, which finds what it made. What leaves the
    inside ends it as SIGTERM does, which saves trainings. UserError where all on a cluster died.
    """
    if workers.apart:
        one_thread()  # as the others
    if workers.scheduler:
        _on_cluster(command, workers, out, tell)
        yield
        return
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for n in range(2, workers.count + 1):
            children[f"{n}"] = _begin(command, out, f"{n}")
        yield
        for name, child in children.items():
            # What it left is made by this one, which waits for all that is claimed.
            if (code := child.wait()) not in WELL:
                told = f"number {name}: ended with exit code {code}"
                tell(f"{told}; {out / LOGS / name}.log says why")
    finally:
        for child in children.values():
            child.terminate()  # does nothing to one that has ended
        for child in children.values():
            child.wait()


def _on_cluster(
    command: Sequence[str], workers: Workers, out: Path, tell: Callable[[str], object]
) -> None:
    """Run the command on so many workers of a cluster, until each has ended."""
    out = out.absolute()
    tell(f"{workers.count} at work by {workers.scheduler}; what they say is in {out / LOGS}")
    codes: dict[str, int] = {}
    with locked(out / LEADER):
        for done in run_shards(partial(help_out, command, out), range(workers.count), workers):
            where, code = done.result or (f"number {done.shard}", -9)
            tell(f"{where}: ended with exit code {code}")
            codes[where] = code
    if not any(code in WELL for code in codes.values()):
        raise UserError(f"{out / LOGS}: no worker came to its end; the same command goes on")


def help_out(command: Sequence[str], out: Path, _number: int) -> tuple[str, int]:
    """In a worker of a cluster: run the command; gives the machine and process, and the exit code.

    A process of its own: training handles signals, and starts loaders, which a worker may not.
    """
    child = _begin(command, out, f"{platform.node()}-{os.getpid()}")
    told = f"process {child.pid} on {platform.node()}"
    # Free only once whoever asked for this has ended.
    while is_locked(out / LEADER):
        with suppress(subprocess.TimeoutExpired):
            return told, child.wait(POLL_S)
    child.terminate()
    return told, child.wait()


def _begin(command: Sequence[str], out: Path, name: str) -> subprocess.Popen[bytes]:
    """Start the command; what it says goes into a file."""
    log = out / LOGS / f"{name}.log"
    with writing(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        said = log.open("ab")
    with said:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            # One thread in everything it loads; and a Ctrl-C reaches it as our SIGTERM alone.
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
