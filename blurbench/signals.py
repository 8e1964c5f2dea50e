"""Ctrl-C and SIGTERM, which a batch system sends before it takes its machine back."""

import atexit
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

PATIENCE = 1.0  # s that a stop may take before the process is ended
# What keeps the work of a process that is ended while it computes.
RESCUES: list[Callable[[], None]] = []
STOPS = (signal.SIGINT, signal.SIGTERM)
STOPPED = tuple(128 + number for number in STOPS)  # exit codes
KEPT = "what was finished is kept"
# Set while a stop waits for processes of ours, each of which ends in time and keeps its work.
WAITS = threading.Event()


def end(code: int) -> NoReturn:
    """End this process now, whose work is done: threads and modules are not taken apart.

    Of PyTorch's that takes a second, and was seen to take 14 beside 14 other busy processes.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Terminated(KeyboardInterrupt):
    """SIGTERM: it goes the way of Ctrl-C, through all that keeps what is finished."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raise Terminated at the first SIGTERM; the second acts at once, as if nobody listened.

    SIGINT is KeyboardInterrupt, whatever it was: a script has what it starts in its background
    ignore it, so that neither Ctrl-C nor `kill -INT` would end what can keep all that is finished.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone may listen
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    previous = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, end),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class StopRequest:
    """Whether Ctrl-C or SIGTERM asked for a stop, and which."""

    asked: int = 0

    def interruption(self) -> KeyboardInterrupt:
        """To be raised where it stops."""
        return Terminated() if self.asked == signal.SIGTERM else KeyboardInterrupt()


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Turn SIGINT or SIGTERM into a request; a SIGINT after it acts at once.

    Outside of `terminable`, a SIGINT that is ignored stays so.
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


@contextmanager
def prompt(hand_over: Callable[[str], bool]) -> Iterator[None]:
    """End the process, with exit code 130 or 143, where a stop is not there within PATIENCE.

    The last line is printed, unless `hand_over` takes it: another process then says it for all.

    Python hears a signal between two operations of its own, and one of PyTorch's may take minutes.
    For the command line: to whoever else called us, the process belongs.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone hears signals
        yield
        return
    heard, wake = os.pipe()
    os.set_blocking(wake, False)
    done = threading.Event()
    before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    watch = threading.Thread(target=_watch, args=(heard, done, hand_over), daemon=True)
    watch.start()
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(before)
        os.write(wake, b"\0")  # no signal: the thread looks up, and ends
        watch.join()
        os.close(heard)
        os.close(wake)


@contextmanager
def unhurried() -> Iterator[None]:
    """Inside, `prompt` lets a stop take as long as the processes do that it waits for."""
    WAITS.set()
    try:
        yield
    finally:
        WAITS.clear()


@contextmanager
def rescued(keep: Callable[[], None]) -> Iterator[None]:
    """Inside, `keep` is called, from another thread, before `prompt` ends the process."""
    RESCUES.append(keep)
    try:
        yield
    finally:
        RESCUES.remove(keep)


def _watch(heard: int, done: threading.Event, hand_over: Callable[[str], bool]) -> None:
    while not done.is_set():
        select.select([heard], [], [])
        number = next((n for n in os.read(heard, 64) if n in STOPS), None)
        if number is None or signal.getsignal(number) is signal.SIG_IGN or WAITS.is_set():
            continue
        if done.wait(PATIENCE):
            continue
        # However a rescue fails, the process ends.
        for keep in RESCUES:
            with suppress(Exception):
                keep()
        told = f"{'terminated' if number == signal.SIGTERM else 'interrupted'}; {KEPT}"
        shown = "\x1b[?25h\n" if sys.stderr.isatty() else ""  # the cursor, which a bar hides
        if not hand_over(told):
            print(f"{shown}blurbench: {told}", file=sys.stderr, flush=True)
        os._exit(128 + number)
