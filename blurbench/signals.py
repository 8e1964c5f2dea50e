"""Ctrl-C and SIGTERM, which a batch system sends before it takes its machine back."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM: it goes the way of Ctrl-C, through all that keeps what is finished."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raise Terminated at the first SIGTERM; the second acts at once, as if nobody listened."""
    if threading.current_thread() is not threading.main_thread():  # which alone may listen
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


class StopRequest:
    """Whether Ctrl-C or SIGTERM asked for a stop, and which."""

    asked: int = 0

    def interruption(self) -> KeyboardInterrupt:
        """To be raised where it stops."""
        return Terminated() if self.asked == signal.SIGTERM else KeyboardInterrupt()


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request; the second acts at once."""
    request = StopRequest()

    def ask(number: int, _frame: FrameType | None) -> None:
        if request.asked:
            raise request.interruption()
        request.asked = number

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
