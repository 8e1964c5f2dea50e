"""The benchmarks run; what they measure is not tested."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import models
from blurbench.errors import UserError
from blurbench.models import MODELS
from blurbench.models.parts.released import RELEASED

ROOT = Path(__file__).parents[1]
SCRIPTS = [*sorted((ROOT / "benchmarks").glob("*.py")), ROOT / "docs" / "make_pictures.py"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_every_script_finds_what_it_imports(script):
    runpy.run_path(str(script), run_name="imported")


@pytest.fixture
def measured(monkeypatch, tmp_path, capsys):
    """Rows of the table of networks, for a command line."""

    def run(*arguments: str) -> list[dict]:
        out = tmp_path / "out.json"
        always = ["--size", "64", "--repeats", "1", "--json", str(out)]
        monkeypatch.setattr(sys, "argv", ["models.py", *arguments, *always])
        threads = torch.get_num_threads()
        models.main()
        torch.set_num_threads(threads)
        rows = json.loads(out.read_text())
        assert all(row["name"] in capsys.readouterr().out for row in rows[:1])
        return rows

    return run


@pytest.mark.slow
def test_networks_are_timed_both_ways(measured):
    rows = measured("mimo-unet:tiny", "pix2pix_D70")
    assert [(row["name"], row["what"]) for row in rows] == [
        (name, what)
        for name in ("mimo-unet:tiny", "pix2pix_D70")
        for what in ("forward", "forward + backward")
    ]
    assert all(row["ratio"] > 0 and row["peak_mib"] > 0 for row in rows)
    # The authors' times are of another size.
    assert all(row["quotient"] is None for row in rows)


def test_layout_precision_and_passes_are_chosen(measured):
    (row,) = measured("nafnet:tiny", "--layout", "contiguous", "--precision", "bf16", "--forward")
    assert row["what"] == "forward"


def test_what_the_memory_cannot_hold_is_timed_in_tiles(measured, monkeypatch):
    monkeypatch.setattr(models.TrainedModel, "sides", lambda *_: [32])
    (row,) = measured("mimo-unet:tiny", "--forward")
    assert row["what"] == "in tiles of 32"


def test_running_out_of_memory_leads_to_tiles(measured, monkeypatch):
    def exhausted(_self, blur):
        if blur.shape[-1] > 32:
            raise MemoryError
        return blur

    monkeypatch.setattr(models.TrainedModel, "sides", lambda *_: [64, 32])
    monkeypatch.setattr("blurbench.models.mimo_unet.MIMOUNet.restore", exhausted)
    (row,) = measured("mimo-unet:tiny")
    assert row["what"] == "in tiles of 32"


def test_all_names_of_the_table_exist():
    for name in models.AUTHORS:
        model, _, _ = name.partition(":")
        assert model in MODELS or name in RELEASED
    with pytest.raises(UserError):
        models.named_subject("no-such-model", 64)
