"""The log of a run that goes on: what was torn or damaged is left out, the rest stays."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from blurbench.errors import UserError
from blurbench.files import read_jsonl, write_json
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


def test_a_tracker_gets_the_same_by_its_own_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stand-in: wandb 0.31 and trackio 0.43 were seen to take the same, offline.
    told: list[Any] = []

    def init(**given: Any) -> SimpleNamespace:
        told.append(given)
        return SimpleNamespace(log=lambda values, step: told.append((step, values)))

    package = SimpleNamespace(init=init, Image=lambda path: Path(path).name)
    monkeypatch.setitem(sys.modules, "wandb", package)
    write_json(tmp_path / "config.json", {"model": "unet"})
    log = RunLog(tmp_path, 0, tensorboard=False, tracker="wandb")
    log.add({"step": 2, "stage": "unet", "loss": 0.5})
    log.add({"step": 2, "stage": "validation", "psnr": 21.0})
    log.show(2, tmp_path / "000000002.png")
    begun, *rest = told
    assert begun["name"] == tmp_path.name
    assert begun["config"] == {"model": "unet"}
    assert rest == [
        (2, {"train/loss": 0.5}),
        (2, {"val/psnr": 21.0}),
        (2, {"val/blur, restored, sharp": "000000002.png"}),
    ]
    # What goes on is the same run there.
    RunLog(tmp_path, 2, tensorboard=False, tracker="wandb")
    assert told[-1]["id"] == begun["id"]
    assert told[-1]["resume"] == "allow"


def test_a_tracker_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(UserError, match=r"tracker=trackio: .*pip install trackio, then --resume$"):
        RunLog(tmp_path, 0, tensorboard=False, tracker="trackio")


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
