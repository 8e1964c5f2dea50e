"""Real models, stopped and resumed: a GAN with a critic of several steps, and four stages."""

from pathlib import Path
from typing import Any

import pytest
import torch
from toy import SMALL, ToyPairs, make_runner, weights

from blurbench.models import build
from blurbench.runs.folder import BEST, LAST
from blurbench.training import runner as loop
from blurbench.training.batches import TrainingPairs
from blurbench.training.checkpoint import checkpoints
from blurbench.training.runner import Runner

UMSN = {"width": 8, "fnet_width": 3, "fnet_out": 1, "sn_width": 4, "cn_width": 1, "refine_width": 1}
CASES: dict[str, dict[str, Any]] = {
    "deblurgan": {**SMALL["deblurgan"], "dropout": 0.5},
    "igan": {**SMALL["igan"], "dropout": True},
    "umsn": {**UMSN, "shares": (1, 1, 1, 1), "ema": 0.9},
}
STEPS = 8  # two a stage for UMSN


class MaskedPairs(ToyPairs):
    """Noise pictures with masks."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        labels = (self.sharp[index, 0] * 4).long()
        mask = torch.nn.functional.one_hot(labels, 4).permute(2, 0, 1).float()
        return {**super().__getitem__(index), "mask": mask}


def make(folder: Path, name: str) -> Runner:
    torch.manual_seed(0)
    size = 32 if name != "deblurgan" else 24
    model = build(name, preset="tiny", batch_size=2, crop_size=size, **CASES[name])
    pairs: Any = MaskedPairs(count=4, size=size)
    folder.mkdir(exist_ok=True)
    training = TrainingPairs(pairs, model.config, seed=5)
    cpu = torch.device("cpu")
    return Runner(folder, model, training, None, pairs, STEPS, cpu, checkpoint_seconds=0.0)


def test_damaged_weights_of_an_ended_run_are_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("blurbench.training.runner.save_samples", lambda *_: None)
    make(tmp_path / "run", "umsn").run()
    files = [tmp_path / "run" / name for name in (BEST, LAST)]
    before = [path.read_bytes() for path in files]
    for path, data in zip(files, before, strict=True):
        path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    make(tmp_path / "run", "umsn").run()
    assert [path.read_bytes() for path in files] == before
    assert "written again from the last checkpoint" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_stopped_anywhere_it_ends_with_the_same_bits(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blurbench.training.runner.save_samples", lambda *_: None)
    make(tmp_path / "whole", name).run()
    for stop_at in (1, 4, 7, STEPS):  # 4 is the end of a stage
        broken = make(tmp_path / "broken", name)
        step = broken.step

        def step_then_stop(*given: Any, run: Runner = broken, step: Any = step) -> None:
            step(*given)
            run.stop.asked = run.at.step + 1 == stop_at  # noqa: B023

        broken.step = step_then_stop  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            broken.run()
        assert int(checkpoints(tmp_path / "broken")[-1].name) == stop_at
    make(tmp_path / "broken", name).run()
    for file in ("last.safetensors", "model.safetensors"):
        assert weights(tmp_path / "whole", file) == weights(tmp_path / "broken", file)


class GivenUp(Exception):
    """A process ends in the middle of a step."""


@pytest.mark.parametrize("step", [2, 6])  # of the first stage; between the updates of a GAN
def test_a_step_that_is_given_up_is_none(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a rescue keeps goes on to the bytes of a run that nobody disturbed."""
    make_runner(tmp_path / "whole", STEPS, ema=0.9).run()
    monkeypatch.setattr(loop, "LONG", -1.0)
    stopped = make_runner(tmp_path / "run", STEPS, ema=0.9)
    stopped.checkpoint_seconds = 1e9
    plain = stopped._update

    def update(each: Any, *given: Any) -> Any:
        found = plain(each, *given)
        if stopped.at.step == step:
            stopped.rescue.keep()
            raise GivenUp
        return found

    monkeypatch.setattr(stopped, "_update", update)
    with pytest.raises(GivenUp):
        stopped.run()
    assert checkpoints(tmp_path / "run")[-1].name == f"{step:09d}"
    make_runner(tmp_path / "run", STEPS, ema=0.9).run()
    for name in ("last.safetensors", "model.safetensors"):
        assert weights(tmp_path / "run", name) == weights(tmp_path / "whole", name)
