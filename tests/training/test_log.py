"""The log of a run that goes on: what was torn or damaged is left out, the rest stays."""

from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from blurbench.files import read_jsonl
from blurbench.images import decode, encode
from blurbench.training.log import RunLog

ROWS = b'{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.4}\n{"step": 3, "loss": 0.3}\n'


@pytest.mark.parametrize("torn", [b"", b'{"step": 3, "lo', b'{"step": 2}'])
def test_rows_after_the_step_are_written_again(tmp_path: Path, torn: bytes) -> None:
    (tmp_path / "log.jsonl").write_bytes(ROWS + torn)
    log = RunLog(tmp_path, 2, tensorboard=False)
    assert [row["step"] for row in read_jsonl(log.path)] == [1, 2]
    log.add({"step": 3, "loss": 0.1})
    assert [row["loss"] for row in read_jsonl(log.path)] == [0.5, 0.4, 0.1]


def test_tensorboard_gets_scalars_by_place_and_the_samples(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 24, 3), np.uint8)
    (tmp_path / "samples.png").write_bytes(encode(picture))
    log = RunLog(tmp_path, 0, tensorboard=True)
    log.add({"step": 0, "stage": "identity", "psnr": 20.0})
    log.add({"step": 2, "stage": "unet", "loss": 0.5, "rate": 1e-3})
    log.add({"step": 2, "stage": "validation", "psnr": 21.0})
    log.show(2, tmp_path / "samples.png")
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {
        "val/blurred psnr",
        "train/loss",
        "train/rate",
        "val/psnr",
    }
    assert [(e.step, e.value) for e in events.Scalars("val/psnr")] == [(2, 21.0)]
    (shown,) = events.Images("val/blur, restored, sharp")
    assert (shown.step, shown.height, shown.width) == (2, 8, 24)
    assert (decode(shown.encoded_image_string, "shown") == picture).all()


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
