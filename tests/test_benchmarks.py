"""The benchmarks run; what they measure is not tested."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu, models
from blurbench.errors import UserError
from blurbench.models import MODELS
from blurbench.models.parts.released import RELEASED
from blurbench.reproduce.suites import Training

ROOT = Path(__file__).parents[1]
SCRIPTS = [path for room in ("benchmarks", "docs") for path in sorted((ROOT / room).glob("*.py"))]


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


@pytest.mark.slow
def test_what_a_gpu_is_asked_runs_on_a_cpu_and_goes_on(monkeypatch, tmp_path, capsys):
    out = tmp_path / "gpu"
    monkeypatch.setattr(gpu, "STEPS", 1)
    always = ["gpu.py", "--quick", "--device", "cpu", "--out", str(out), "--minutes"]
    monkeypatch.setattr(sys, "argv", [*always, "0"])
    gpu.main()
    assert "2 rows not reached" in capsys.readouterr().out
    before = (out / "gpu.md").read_text()
    monkeypatch.setattr(sys, "argv", [*always, "5"])
    monkeypatch.setattr(gpu, "loader_row", gpu.arguments)  # measured: nobody calls it again
    gpu.main()
    rows = {row["name"]: row for row in json.loads((out / "gpu.json").read_text())["rows"]}
    assert not [row for row in rows.values() if "failed" in row]
    assert list(rows)[-2:] == ["unet_tiny fp32", "unet_tiny bf16"]
    assert rows["unet_tiny fp32"]["samples_per_s"] > 0
    assert before.splitlines()[2] in (out / "gpu.md").read_text()


def test_a_row_that_runs_out_of_memory_costs_the_others_nothing(tmp_path):
    def exhausted() -> dict:
        raise MemoryError

    report = gpu.Report(tmp_path, "cpu")
    report.add("large", exhausted)
    report.add("small", lambda: {"samples_per_s": 2.0})
    assert (
        "- large: failed out of memory\n- small: samples per s 2"
        in (tmp_path / "gpu.md").read_text()
    )
    with pytest.raises(UserError, match="measured on cpu; give another --out"):
        gpu.Report(tmp_path, "cuda")


def test_hours_are_those_of_all_stages():
    umsn = Training("umsn", "paper", "umsn-faces", steps=240_000)
    stages = {"sn-sharp": 60_000, "sn-blur": 30_000, "f-nets": 50_000, "network": 100_000}
    found = gpu.hours_of(umsn, lambda _training, stage: 3600 / 16 / stages[stage])
    assert found == pytest.approx(4)
    assert gpu.hours_of(umsn, lambda _training, _stage: None) is None
