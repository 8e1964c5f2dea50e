"""What a training costs is told before its first step, and measuring it leaves no trace."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from small_results import write_data_set
from toy import make_runner, weights

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.training import cost
from blurbench.training.cost import Cost, OnePicture, PartOfCost, cost_of
from blurbench.training.schedule import Stretch
from blurbench.training.train import train

SMALL: dict[str, Any] = {"widths": (4, 8), "blocks": (1, 1), "batch_size": 4, "crop_size": 128}
GB = 10**9


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cost") / "data"
    write_data_set(folder, 6, "train")
    return folder


def test_measuring_changes_nothing_that_trains(tmp_path: Path) -> None:
    fields = {"ema": 0.9, "crops": (4, 8), "batches": (3, 2)}
    make_runner(tmp_path / "plain", 8, **fields).run()
    runner = make_runner(tmp_path / "measured", 8, **fields)
    before = {name: value.clone() for name, value in runner.model.state_dict().items()}
    states = [(p.requires_grad, p.grad) for p in runner.model.parameters()]
    random = torch.get_rng_state()
    found = cost_of(runner, 1)
    assert torch.equal(random, torch.get_rng_state())
    assert [(p.requires_grad, p.grad) for p in runner.model.parameters()] == states
    for name, value in runner.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert [part.stretch.crop for part in found.parts] == [4, 8, 4, 8]  # of both stages
    runner.run()
    for name in ("last.safetensors", "model.safetensors"):
        assert weights(tmp_path / "plain", name) == weights(tmp_path / "measured", name)


def test_memory_is_that_of_one_picture_and_of_adam(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, 8)
    found = cost_of(runner, 1)
    warm = found.parts[0]
    assert warm.fixed == 12 * sum(
        p.numel() for p in runner.model.stages()[0].updates[0].modules[0].parameters()
    )
    # 8 x 8 px: 4 channels after each of three layers, 3 after the last, the error and its gradient.
    assert 15 < warm.picture.bytes / (4 * 64) < 50
    three = warm.fixed + cost.CODE + 3 * cost.SLACK * warm.picture.bytes
    assert found.needed(warm) == int(three)


def priced(free: int, *, batch: int = 64, accumulate: int = 1) -> Cost:
    """2 GB a picture, 1 GB for the weights."""
    part = PartOfCost(Stretch(0, 100, batch, 256), OnePicture(2 * GB, 1.0), GB, 64.0)
    return Cost(10**6, (part,), 1, accumulate, free, on_cpu=True)


@pytest.mark.parametrize(
    ("free", "told"),
    [
        (20 * GB, "--preset tiny, or --set accumulate=10"),  # 7 pictures, 2.4 GB each with slack
        (2 * GB, "--preset tiny, or --set accumulate=64 --set crop_size=144"),
        (GB // 10, "give --preset tiny"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(free: int, told: str) -> None:
    model = build("unet", "tiny", **SMALL)
    with pytest.raises(UserError, match=r"154\.7 GB of memory, and .* are free; give ") as caught:
        priced(free).refuse_over("unet", "paper", model)
    assert str(caught.value).endswith(told), str(caught.value)


def test_the_mends_would_fit() -> None:
    refused = priced(20 * GB)
    assert refused.needed(refused.largest) > 20 * GB
    assert refused.needed(refused.largest, 10) <= 20 * GB < refused.needed(refused.largest, 9)
    mended = priced(20 * GB, accumulate=10)
    mended.refuse_over("unet", "tiny", build("unet", "tiny", **SMALL))


def test_the_line_says_how_long_and_what_is_faster() -> None:
    model, found = build("unet", "tiny", **SMALL), priced(200 * GB)
    line = found.told("unet", "paper", model, 10_000)
    assert "1,000,000 parameters; a step of 64 crops of 256 px takes 154.7 GB of memory" in line
    assert "10,000 steps of 64 s take 7.4 days without a GPU" in line
    assert line.endswith("--preset tiny or small")
    left = found.told("unet", "paper", model, 10_000, done=9_000)
    assert "; 1,000 steps that are left of 10,000, of 64 s take 18 hours" in left
    assert "--preset" not in found.told("unet", "tiny", model, 10_000)
    assert "--preset" not in found.told("unet", "paper", model, 100)
    assert "; 1 step of 64 s takes " in found.told("unet", "paper", model, 1)


def test_plan_writes_nothing(data: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"preset": "tiny", "device": "cpu", "overrides": SMALL, "steps": 2}
    told = train("unet", data, tmp_path / "run", **options, plan=True)
    assert "a step of 4 crops of 128 px takes" in str(told)
    assert not (tmp_path / "run").exists()
    done = train("unet", data, tmp_path / "run", **options)
    assert done.steps == 2
    again = train("unet", data, tmp_path / "run", **options, resume=True, plan=True)
    assert str(again).endswith("has no steps left")


def test_plan_says_where_nothing_is_measured(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")  # as torchrun starts it
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    options: dict[str, Any] = {"preset": "tiny", "device": "cpu", "overrides": SMALL, "steps": 2}
    told = train("unet", data, tmp_path / "run", **options, plan=True)
    assert str(told).endswith("of several processes: not measured")


def test_a_refused_run_is_not_begun(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "free_on", lambda _device: 90 * 10**6)
    with pytest.raises(UserError, match=r"90\.0 MB are free; give --set accumulate=2"):
        train("unet", data, tmp_path / "run", preset="tiny", device="cpu", overrides=SMALL)
    assert not (tmp_path / "run").exists()


def test_one_picture_that_does_not_fit_ends_in_one_line(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "free_on", lambda _device: 10**6)
    with pytest.raises(UserError, match="more memory than there is"):
        train("unet", data, tmp_path / "run", preset="tiny", device="cpu", overrides=SMALL)


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "codes"), [("ulimit -v 6000000; ", {2}), ("", {0, 2})])
def test_the_default_preset_says_what_it_takes_and_is_refused_where_that_is_too_much(
    data: Path, tmp_path: Path, limit: str, codes: set[int]
) -> None:
    """It began NAFNet's 64 crops of 256 px, and was killed by the kernel at 20 GB."""
    command = [sys.executable, "-m", "blurbench", "train", "--model", "nafnet", "--data", str(data)]
    command += ["--out", str(tmp_path / "run"), "--plan"]
    done = subprocess.run(
        ["bash", "-c", f"{limit}exec {' '.join(command)}"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    last = (done.stdout + done.stderr).splitlines()[-1]
    assert done.returncode in codes, done.stderr
    assert "a step of 64 crops of 256 px takes" in (done.stdout + done.stderr)
    if done.returncode == 2:
        assert "give --preset tiny, or --set accumulate=" in last
    assert not (tmp_path / "run").exists()
