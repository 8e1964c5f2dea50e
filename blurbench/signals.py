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
    """Turn SIGINT or SIGTERM into a request; a SIGINT after it acts at once.

    A SIGINT that is ignored, as in the background of a script, stays so.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():  # which alone may listen
        yield request
        return

    def ask(number: int, _frame: FrameType | None) -> None:
        # A batch system sends SIGTERM to every process, and torchrun hands it on once more.
        if request.asked and number == signal.SIGINT:
            raise request.interruption()
        request.asked = request.asked or number

    heard = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        heard.append(signal.SIGINT)
    previous = {number: signal.signal(number, ask) for number in heard}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
