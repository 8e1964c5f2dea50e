"""What computes, and in which precision."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from blurbench.datasets.make import synthesize
from blurbench.models import build
from blurbench.models.base import ModelConfig
from blurbench.recipes.recipe import load_recipe
from blurbench.runs import devices
from blurbench.runs.devices import bf16_unit
from blurbench.sources.open import open_source
from blurbench.training.precision import processor, resolved
from blurbench.training.train import train

CPU = torch.device("cpu")
AUTO = ModelConfig(steps=1, batch_size=1, precision="auto")
SMALL: dict[str, Any] = {"widths": (4, 8), "blocks": (1, 1), "batch_size": 2, "crop_size": 16}
OPTIONS: dict[str, Any] = {"preset": "tiny", "device": "cpu", "overrides": SMALL, "steps": 2}


def of_processor(monkeypatch: pytest.MonkeyPatch, unit: str | None) -> None:
    """A processor that has only this unit for bfloat16."""
    for name, asked in devices.UNITS.items():
        monkeypatch.setattr(torch.cpu, asked, lambda has=name == unit: has, raising=False)


@pytest.mark.parametrize(("unit", "found"), [("avx512_bf16", "bf16"), (None, "fp32")])
def test_auto_is_bf16_where_the_processor_computes_it(
    monkeypatch: pytest.MonkeyPatch, unit: str | None, found: str
) -> None:
    of_processor(monkeypatch, unit)
    assert bf16_unit(CPU) == unit
    assert resolved(AUTO, CPU, None).precision == found
    assert processor(CPU).endswith("avx512_bf16") == (unit is not None)
    # A run keeps what it began in; a preset that names one is no question.
    for kept in ("bf16", "fp32"):
        assert resolved(AUTO, CPU, kept).precision == kept
    fp32 = AUTO.model_copy(update={"precision": "fp32"})
    assert resolved(fp32, CPU, "bf16").precision == "fp32"


def test_a_pytorch_that_cannot_tell_trains_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for asked in devices.UNITS.values():
        monkeypatch.delattr(torch.cpu, asked, raising=False)
    assert bf16_unit(CPU) is None


def test_a_run_goes_on_in_its_precision_and_names_another_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    synthesize(load_recipe("demo"), open_source("builtin:photos"), data, limit=4)
    of_processor(monkeypatch, "amx")
    train("unet", data, run, **OPTIONS)
    config = json.loads((run / "config.json").read_text())
    assert config["config"]["precision"] == "bf16"
    assert config["processor"].endswith("amx")
    train("unet", data, run, **OPTIONS, resume=True)
    assert "begun on" not in capsys.readouterr().err
    of_processor(monkeypatch, None)
    train("unet", data, run, **OPTIONS, resume=True)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "begun on" in line]
    assert "bytes may differ" in line
    assert json.loads((run / "config.json").read_text()) == config


def test_presets_for_a_cpu_leave_it_to_the_processor() -> None:
    slower = {"shen-face"}  # the number stands beside its preset
    for name in ("unet", "nafnet", "umsn", "sp", "brmr", "s3e", "nic", *slower):
        wanted = "fp32" if name in slower else "auto"
        assert build(name, preset="tiny").config.precision == wanted, name
        assert build(name).config.precision == "fp32", name
