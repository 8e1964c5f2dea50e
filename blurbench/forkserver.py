"""The process that workers of this machine are forked from, when its imports are done."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker

from blurbench.signals import STOPS

# A worker has one core; libraries read these as they are imported. PyTorch's threads would not
# outlive a fork, either.
ONE_CORE = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


def begin(*modules: str) -> None:
    """Start it, unless it runs; it imports these and what all workers need, and we go on.

    Of an evaluation's 8 s before the first picture, workers that imported for themselves, after
    this process had, took 4; on two cores one of these did it while the other had nothing to do.
    """
    quiet_tracker()
    forkserver.set_forkserver_preload(["distributed.worker", "blurbench.engine", *modules])
    # Ctrl-C and a batch system's SIGTERM go to all processes of a group. They are the parent's to
    # handle: workers inherit that both wait, before their first import could be interrupted.
    resource_tracker.ensure_running()  # to start it would let them through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        with _environment(ONE_CORE):
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def passed_on() -> dict[str, str]:
    """The environment as it is now, for workers: they have the one that there was at `begin`."""
    return {name: value for name, value in os.environ.items() if name not in ONE_CORE}


def quiet_tracker() -> None:
    """Keep Python's tracker of semaphores, which outlives a kill, from telling what it removes."""
    quiet = "ignore:resource_tracker"
    told = os.environ.get("PYTHONWARNINGS", quiet)
    os.environ["PYTHONWARNINGS"] = told if quiet in told else f"{told},{quiet}"


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
