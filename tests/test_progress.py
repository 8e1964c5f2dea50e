"""Progress without a terminal: plain lines."""

import pytest

from blurbench import progress as module
from blurbench.progress import progress


def test_plain_lines_end_with_the_count(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("blur", 3) as advance:
        for _ in range(3):
            advance()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("blur: 3/3 in ")
    assert "\r" not in captured.err


def test_long_work_says_how_long_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINE_EVERY_S", 0.0)
    with progress("train", 4, start=1) as advance:
        advance(2, "loss 0.5")
        advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("train: 3/4, ")
    assert lines[0].endswith("s left loss 0.5")
    assert len(lines) == 2


def test_nothing_done_yet_promises_no_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINE_EVERY_S", 0.0)
    with progress("deblur", 1) as advance:
        advance(0, "tile 1 of 9")
    assert capsys.readouterr().err.splitlines()[0] == "deblur: 0/1 tile 1 of 9"
