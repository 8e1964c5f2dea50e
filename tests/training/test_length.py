"""More steps for a run than it had."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy import Toy, make_runner, weights

from blurbench.datasets.make import synthesize
from blurbench.errors import UserError
from blurbench.models.base import Stage
from blurbench.models.parts.schedules import constant as unchanged
from blurbench.models.parts.schedules import cosine, falling, stepped
from blurbench.recipes.recipe import load_recipe
from blurbench.runs.folder import LAST
from blurbench.sources.open import open_source
from blurbench.training import length
from blurbench.training.length import Length, constant, extend
from blurbench.training.train import train

SMALL: dict[str, Any] = {"widths": (4, 8), "blocks": (1, 1), "batch_size": 2, "crop_size": 16}
OPTIONS: dict[str, Any] = {"preset": "tiny", "device": "cpu", "overrides": SMALL}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("length") / "data"
    synthesize(load_recipe("demo"), open_source("builtin:photos"), folder, limit=3)
    return folder


def read(run: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((run / "config.json").read_text())
    return config


class Single(Toy):
    """One stage of a constant rate."""

    def stages(self) -> tuple[Stage, ...]:
        return super().stages()[:1]


def test_a_finished_run_goes_on_like_one_that_was_longer(tmp_path: Path) -> None:
    make_runner(tmp_path / "long", 12, Single, ema=0.9).run()
    for steps, extended in ((5, ()), (8, (5,)), (12, (5, 8))):
        runner = make_runner(tmp_path / "short", steps, Single, ema=0.9)
        replace(runner, extended=extended).run()
    assert weights(tmp_path / "long") == weights(tmp_path / "short")


def test_a_longer_run_is_on_record(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(length, "constant", lambda _: True)
    out = tmp_path / "run"
    for steps in (2, 3, 4):
        assert train("unet", data, out, **OPTIONS, steps=steps, resume=True).steps == steps
    assert read(out)["extended"] == [2, 3]
    # As it stands, with its steps or without; but never with fewer.
    train("unet", data, out, **OPTIONS, resume=True)
    with pytest.raises(UserError, match=r"a run of 4 steps; go on with --steps 4, or"):
        train("unet", data, out, **OPTIONS, steps=3, resume=True)
    assert read(out)["steps"] == 4
    assert read(out)["extended"] == [2, 3]


def test_a_run_with_more_to_do_is_not_finished(finished: Path) -> None:
    extend(finished, Length(4, (2,)))
    assert not (finished / LAST).exists()
    assert read(finished)["steps"] == 4


def test_a_falling_rate_is_not_extended(data: Path, tmp_path: Path) -> None:
    train("unet", data, tmp_path / "run", **OPTIONS, steps=2)
    before = (tmp_path / "run" / LAST).read_bytes()
    with pytest.raises(UserError, match=r"--steps 4: .*until step 2.*--init .*/run"):
        train("unet", data, tmp_path / "run", **OPTIONS, steps=4, resume=True)
    assert (tmp_path / "run" / LAST).read_bytes() == before
    assert "extended" not in read(tmp_path / "run")


def test_only_a_constant_schedule_is_constant() -> None:
    assert constant([unchanged, lambda _: 0.5])
    for changing in (cosine(0.01), falling(0.9), stepped(0.5, 3), cosine(1.0, warm_up=0.02)):
        assert not constant([unchanged, changing])
