"""The process that workers of this machine are forked from, when its imports are done."""

import atexit
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver, resource_tracker

from blurbench.signals import STOPS

# A worker has one core; libraries read these as they are imported. PyTorch's threads would not
# outlive a fork, either.
ONE_CORE = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


@dataclass
class _Ours:
    """The one that we started last, alive or not; Python has one at most."""

    pid: int | None = None
    users: int = 0


_ours = _Ours()


def begin(*modules: str) -> None:
    """Start it, unless it runs; it imports these and what all workers need, and we go on.

    Of an evaluation's 8 s before the first picture, workers that imported for themselves, after
    this process had, took 4; on two cores one of these did it while the other had nothing to do.
    """
    quiet_tracker()
    if _pid() not in (None, _ours.pid):  # the caller's own, which stays as it is
        return
    known = [name for name in modules if name != "__main__"]  # may do anything, as ask for GPUs
    forkserver.set_forkserver_preload(["distributed.worker", "blurbench.engine", *known])
    before = block_stops()
    try:
        with _environment({**ONE_CORE, **_imports()}), suppress(OSError):  # then see `method`
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    _ours.pid = _pid()
    _end_with_us()


def method() -> str:
    """How Python is to start workers: "spawn" where `begin` could start nothing to fork them from.

    Its socket lies in TMPDIR, whose name may be too long (108 bytes), or which may allow none.
    """
    return "forkserver" if _ours.pid and _pid() == _ours.pid else "spawn"


@contextmanager
def used() -> Iterator[None]:
    """Inside, it is needed; with the last that needs it, it ends.

    What the caller forks by multiprocessing must not come from ours, where stops wait: a Pool could
    not be ended by SIGTERM, and waits for ever.
    """
    _ours.users += 1
    try:
        yield
    finally:
        _ours.users -= 1
        if not _ours.users:
            _end()


def block_stops() -> set[signal.Signals]:
    """Have stops wait in this thread, and in processes that it starts; gives what did before.

    Ctrl-C and a batch system's SIGTERM go to all processes of a group. They are the parent's to
    handle: workers inherit that both wait, before their first import could be interrupted.
    """
    resource_tracker.ensure_running()  # to start it would let them through again
    return {signal.Signals(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)}


def passed_on() -> dict[str, str]:
    """The environment as it is now, for workers: they have the one that there was at `begin`."""
    ours = dict.fromkeys(_imports(), "")  # which is none
    now = {**ours, **os.environ}
    return {name: value for name, value in now.items() if name not in ONE_CORE}


def quiet_tracker() -> None:
    """Keep Python's tracker of semaphores, which outlives a kill, from telling what it removes."""
    quiet = "ignore:resource_tracker"
    told = os.environ.get("PYTHONWARNINGS", quiet)
    os.environ["PYTHONWARNINGS"] = told if quiet in told else f"{told},{quiet}"


def _imports() -> dict[str, str]:
    """Have it import from where we do: else a `random.py` of the working folder comes first."""
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _pid() -> int | None:
    """Which process it is; Python has no public name for that."""
    return getattr(getattr(forkserver, "_forkserver", None), "_forkserver_pid", None)


@cache
def _end_with_us() -> None:
    """It hears of our end when it has imported all: for seconds it would keep our output open."""
    atexit.register(_end)


def _end() -> None:
    if _ours.pid and (pid := _pid()):  # another than it was, if it was killed and started again
        _ours.pid = pid
        with suppress(OSError):  # it is gone
            os.kill(pid, signal.SIGKILL)
            # Python asks whether it lives before it starts another; that is to say no at once.
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        forkserver.set_forkserver_preload(["__main__"])  # Python's own


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Inside, these are set."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
