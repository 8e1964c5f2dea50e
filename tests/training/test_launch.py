"""Several processes that end before they are done: what is told, and what is tried again."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from blurbench.errors import TOLD, FaultElsewhere, UserError, hand_over
from blurbench.signals import Terminated, terminable
from blurbench.training.agent import together
from blurbench.training.launch import failure, run_all

# Notes that it runs, then fails as a command of ours does, or waits to be stopped.
FAILS = """
import os, sys
from pathlib import Path
from blurbench.__main__ import explain
from blurbench.errors import UserError
Path(sys.argv[1], f"began-{os.getpid()}").touch()
sys.exit(explain(UserError("data/a.png: damaged"), []))
"""
WAITS = """
import os, sys, time
from pathlib import Path
from blurbench.__main__ import explain
from blurbench.signals import Terminated, terminable
try:
    with terminable():
        Path(sys.argv[1], f"began-{os.getpid()}").touch()
        time.sleep(60)
except Terminated as error:
    sys.exit(explain(error, []))
"""


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def program(folder: Path, text: str) -> list[str]:
    (folder / "program.py").write_text(text)
    return [str(folder / "program.py"), str(folder)]


@pytest.mark.slow
def test_what_no_try_can_mend_is_tried_once_and_told_once(tmp_path, capfd):
    with pytest.raises(UserError) as told:
        run_all(2, tmp_path, program(tmp_path, FAILS))
    assert str(told.value) == "data/a.png: damaged"
    assert 1 <= len(list(tmp_path.glob("began-*"))) <= 2  # the second may be ended before it begins
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_ctrl_c_stops_all_without_a_word_of_theirs(tmp_path, capfd):
    def stop() -> None:
        deadline = time.monotonic() + 100
        while len(list(tmp_path.glob("began-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    words = program(tmp_path, WAITS)
    threading.Thread(target=stop).start()
    with pytest.raises(KeyboardInterrupt), terminable():
        run_all(2, tmp_path, words)
    assert len(list(tmp_path.glob("began-*"))) == 2
    assert capfd.readouterr().err == ""


def test_the_first_to_fail_is_the_one_that_is_heard(tmp_path, monkeypatch):
    assert not hand_over("nobody listens")
    monkeypatch.setenv(TOLD, str(tmp_path / "said"))
    assert hand_over("a.png: damaged")
    assert hand_over("another process is gone")
    assert (tmp_path / "said").read_text() == "a.png: damaged"
    monkeypatch.setenv(TOLD, str(tmp_path / "none/said"))
    assert not hand_over("nowhere to write")


@pytest.mark.parametrize(
    ("codes", "why"),
    [
        ([2, 75], 2),  # one has a fault, which the other misses
        ([2, -15], 2),  # torchrun ends the other
        ([2, 143, -9], 2),
        ([70, 75], 70),
        ([-9, 75], 75),  # killed
        ([-9, 143], 75),
        ([143, 143], 143),  # SIGTERM to one, and all stop
    ],
)
def test_why_all_ended_is_the_fault_of_one(codes, why):
    assert together(codes) == why
    assert together(codes[::-1]) == why


def test_the_exit_code_says_what_is_raised(tmp_path):
    assert type(failure(tmp_path, 143, "terminated")) is Terminated
    assert type(failure(tmp_path, 130, "interrupted")) is KeyboardInterrupt
    fault = failure(tmp_path, 70, "a fault of blurbench")
    assert isinstance(fault, FaultElsewhere)
    assert (str(fault), fault.code) == ("a fault of blurbench", 70)
    assert str(tmp_path) in str(failure(tmp_path, 1, ""))
