"""The log of a run that goes on: what was torn or damaged is left out, the rest stays."""

from pathlib import Path

import pytest

from blurbench.files import read_jsonl
from blurbench.training.log import RunLog

ROWS = b'{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.4}\n{"step": 3, "loss": 0.3}\n'


@pytest.mark.parametrize("torn", [b"", b'{"step": 3, "lo', b'{"step": 2}'])
def test_rows_after_the_step_are_written_again(tmp_path: Path, torn: bytes) -> None:
    (tmp_path / "log.jsonl").write_bytes(ROWS + torn)
    log = RunLog(tmp_path, 2, tensorboard=False)
    assert [row["step"] for row in read_jsonl(log.path)] == [1, 2]
    log.add({"step": 3, "loss": 0.1})
    assert [row["loss"] for row in read_jsonl(log.path)] == [0.5, 0.4, 0.1]


@pytest.mark.parametrize(
    "odd", [b"\xff\xfe\n", b"[]\n", b'{"step": "2"}\n', b"\n", b'{"loss": 1}\n']
)
def test_a_damaged_line_is_told_and_left_out(
    tmp_path: Path, odd: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.jsonl").write_bytes(odd + ROWS)
    log = RunLog(tmp_path, 3, tensorboard=False)
    assert [row["step"] for row in read_jsonl(log.path)] == [1, 2, 3]
    assert "log.jsonl: line 1 is damaged, and left out" in capsys.readouterr().err


def test_what_was_there_survives_a_disk_that_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log.jsonl").write_bytes(ROWS + b"torn")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"No space left.*log\.jsonl"):
        RunLog(tmp_path, 1, tensorboard=False)
    assert (tmp_path / "log.jsonl").read_bytes() == ROWS + b"torn"
