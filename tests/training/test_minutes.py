"""Minutes as a budget: measured before the first step, which leaves no trace."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from toy import Toy, make_runner, weights

from blurbench.datasets.make import synthesize
from blurbench.errors import UserError
from blurbench.models.base import Batch, Losses
from blurbench.recipes.recipe import load_recipe
from blurbench.sources.open import open_source
from blurbench.training import minutes
from blurbench.training.minutes import reckoned, steps_within
from blurbench.training.train import train

SMALL: dict[str, Any] = {"widths": (4, 8), "blocks": (1, 1), "batch_size": 2, "crop_size": 16}
OPTIONS: dict[str, Any] = {"preset": "tiny", "device": "cpu", "overrides": SMALL}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the fewest steps are timed."""
    monkeypatch.setattr(minutes, "SECONDS", 0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("minutes") / "data"
    synthesize(load_recipe("demo"), open_source("builtin:photos"), folder, limit=4)
    return folder


def test_measuring_changes_nothing_that_trains(tmp_path: Path) -> None:
    fields = {"ema": 0.9, "crops": (4, 8), "batches": (3, 2)}
    make_runner(tmp_path / "plain", 8, **fields).run()
    runner = make_runner(tmp_path / "measured", 8, **fields)
    before = {name: value.clone() for name, value in runner.model.state_dict().items()}
    states = [(p.requires_grad, p.grad) for p in runner.model.parameters()]
    random = torch.get_rng_state()
    reckoned(runner, 1.0)
    assert torch.equal(random, torch.get_rng_state())
    assert [(p.requires_grad, p.grad) for p in runner.model.parameters()] == states
    for name, value in runner.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    runner.run()
    for name in ("last.safetensors", "model.safetensors"):
        assert weights(tmp_path / "plain", name) == weights(tmp_path / "measured", name)


class Timed(Toy):
    """A step of its first stage takes 1 s by the clock of the test, of its second 3 s."""

    now = 0.0

    def reconstruction(self, batch: Batch) -> Losses:
        Timed.now += 1.0
        return super().reconstruction(batch)

    def criticism(self, batch: Batch) -> Losses:  # three times a step
        Timed.now += 1.0
        return super().criticism(batch)


def test_every_stage_weighs_by_its_share_of_the_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(minutes, "process_time", lambda: Timed.now)
    length = reckoned(make_runner(tmp_path, 8, Timed), 1.0)
    assert length.minutes is not None
    assert length.minutes["seconds_per_step"] == pytest.approx(2.0)  # half of the steps are of each
    assert length.steps == 30
    assert "1 minutes of CPU time, of all threads together: 30 steps" in capsys.readouterr().err


def test_few_steps_are_looked_at_less_often() -> None:
    assert steps_within(1000.0, step=1.0, looks=100.0) == 900
    assert steps_within(100.0, step=1.0, looks=100.0) == 71  # 3 of 10 looks, at 25, 50, 71
    assert steps_within(0.5, step=1.0, looks=100.0) == 0


def test_minutes_that_hold_no_step_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give more minutes"):
        reckoned(make_runner(tmp_path, 8), 1e-9)


def test_minutes_become_steps_once(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = train("unet", data, tmp_path / "run", **OPTIONS, minutes=0.02)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["steps"] == done.steps
    assert config["minutes"]["clock"] == "cpu"
    # Whatever a step takes now, and whatever is asked for now.
    again = train("unet", data, tmp_path / "run", **OPTIONS, minutes=5, resume=True)
    assert again.steps == done.steps
    assert f"has its {done.steps} steps; --minutes counts before" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == config


@pytest.mark.parametrize("more", [{"steps": 3}, {"processes": 2}])
def test_minutes_exclude_steps_and_several_processes(tmp_path: Path, more: dict[str, int]) -> None:
    with pytest.raises(UserError, match="excludes --steps"):
        train("unet", tmp_path, tmp_path / "run", minutes=1, **more, **OPTIONS)
