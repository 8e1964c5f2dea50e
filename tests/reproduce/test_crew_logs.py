"""What the others of a crew say goes into files; a disk that takes none is told."""

import sys

import pytest

from blurbench.engine import Workers
from blurbench.files import CannotWrite
from blurbench.reproduce import crew as module
from blurbench.reproduce.crew import LOGS, crew

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_log_that_cannot_be_written_is_named_and_nobody_is_left_at_work(tmp_path, monkeypatch):
    (tmp_path / LOGS / "3.log").mkdir(parents=True)
    begun = []
    begin = module._begin

    def noted(*words):
        begun.append(begin(*words))
        return begun[-1]

    monkeypatch.setattr(module, "_begin", noted)
    with pytest.raises(CannotWrite) as error, crew(SLEEPS, Workers(3), tmp_path, print):
        pytest.fail("it began")
    assert error.value.filename == str(tmp_path / LOGS / "3.log")
    assert [child.returncode for child in begun] == [-15]
