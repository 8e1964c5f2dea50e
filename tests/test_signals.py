"""Ctrl-C and SIGTERM, as an exception or as a request."""

import os
import signal
import threading

import pytest

from blurbench.signals import Terminated, stop_signals, terminable


@pytest.fixture(autouse=True)
def _as_it_was():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # Whatever this process inherited: in the background of a script SIGINT is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_sigterm_goes_the_way_of_ctrl_c_and_a_second_one_is_not_caught():
    before = signal.getsignal(signal.SIGTERM)
    after = []

    def work():
        try:
            send(signal.SIGTERM)
        finally:
            after.append(signal.getsignal(signal.SIGTERM))

    with pytest.raises(Terminated), terminable():
        work()
    assert after == [signal.SIG_DFL]
    assert issubclass(Terminated, KeyboardInterrupt)
    assert signal.getsignal(signal.SIGTERM) == before


def test_threads_leave_signals_alone():
    done = []

    def inside():
        with terminable():
            done.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=inside)
    before = signal.getsignal(signal.SIGTERM)
    thread.start()
    thread.join()
    assert done == [before]


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_a_request_waits_and_a_ctrl_c_after_it_does_not(number, kind):
    with terminable(), stop_signals() as stop:
        assert not stop.asked
        send(number)
        assert stop.asked
        assert type(stop.interruption()) is kind
        send(signal.SIGTERM)  # it comes to every process, from several sides
        with pytest.raises(kind):
            send(signal.SIGINT)


def test_a_sigint_that_is_ignored_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stop_signals() as stop:
        send(signal.SIGINT)
        assert not stop.asked
        send(signal.SIGTERM)
        assert stop.asked


def test_a_command_hears_a_sigint_that_it_was_started_to_ignore():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with pytest.raises(KeyboardInterrupt), terminable():
        send(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    with terminable(), stop_signals() as stop:
        send(signal.SIGINT)
        assert stop.asked == signal.SIGINT
