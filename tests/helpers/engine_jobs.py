"""What the workers of tests/test_engine.py run; workers import it by name."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from blurbench.engine import sharers, worker_number
from blurbench.errors import UserError, debugging


def square(number: int) -> int:
    return number * number


def doze(number: int) -> int:
    time.sleep(0.05)
    return number


def die_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return square(number)


def die_once(job: tuple[str, int]) -> int:
    """Kill the first worker that takes number 3; the folder remembers it."""
    folder, number = job
    mark = Path(folder) / "died"
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return square(number)


def fail(number: int) -> int:
    raise UserError(f"number {number} is bad")


def surroundings(_: int) -> tuple[Any, str | None, bool, int, int | None, int]:
    threads = os.environ.get("NUMBA_NUM_THREADS")
    process = (signal.getsignal(signal.SIGINT), threads, debugging(), os.getpid())
    return *process, worker_number(), sharers()


def crash(*_: object) -> None:
    """As a codec does on a damaged file."""
    os.abort()
