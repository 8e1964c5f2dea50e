"""Tiny runs on small sets: each result is an evaluation, and what was killed goes on."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_data
import torch
from small_results import write_data_set

from blurbench.__main__ import run as command
from blurbench.datasets.make import synthesize
from blurbench.files import read_json, read_jsonl, write_json
from blurbench.models import build
from blurbench.models.parts.weights import save_tensors
from blurbench.runs.seen import Seen, write_seen
from blurbench.sources.open import open_source

# The eleventh picture that is scored kills its process: in the middle of the first set's first run.
KILLED = """
import os, signal, sys
from blurbench.__main__ import run
from blurbench.scoring.score import Scorer
score, done = Scorer.score, []
def killing(self, row):
    done.append(row)
    if len(done) == 11:
        os.kill(os.getpid(), signal.SIGKILL)
    return score(self, row)
Scorer.score = killing
run(sys.argv[1:])
"""


def write_run(folder: Path, seed: int) -> Path:
    """A finished run of an untrained network."""
    torch.manual_seed(seed)
    model = build("unet", preset="tiny", widths=(4, 8), blocks=(1, 1))
    for each in model.parameters():  # else it gives the picture back
        torch.nn.init.normal_(each, std=0.05)
    config = model.config.model_dump(mode="json")
    data = {"digest": str(seed) * 64, "recipe": f"kind-{seed}"}
    told = {"model": "unet", "preset": "tiny", "config": config, "steps": 1, "seed": 0}
    write_json(folder / "config.json", {**told, "data": data})
    (folder / "log.jsonl").write_text("")
    for name in ("model", "last"):
        save_tensors(folder / f"{name}.safetensors", model.state_dict())
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs in one folder, two sets."""
    root = tmp_path_factory.mktemp("matrix")
    for seed, name in enumerate(("one", "two")):
        write_run(root / "runs" / name, seed)
        write_data_set(root / f"set-{name}", 7 + seed)
    return root


def words(world: Path, out: Path, *more: str) -> list[str]:
    sets = [word for name in ("one", "two") for word in ("--data", str(world / f"set-{name}"))]
    given = ["matrix", str(world / "runs"), *sets, "--out", str(out), "--device", "cpu"]
    return [*given, "--metrics", "psnr", *more]


def table(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "matrix.csv").open(newline="")))


def test_each_run_is_evaluated_on_each_set(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert command(words(world, out)) == 0
    told = capsys.readouterr().out
    assert "what each run adds to it" in told
    assert told.endswith(f"{out / 'matrix.csv'}\n{out / 'matrix.html'}\n")
    found = {(row["run"], row["tested_on"]): row for row in table(out)}
    sets, runs = ("set-one", "set-two"), ("identity", "one", "two")
    assert list(found) == [(run, name) for run in runs for name in sets]
    for (run, name), row in found.items():
        folder = out / "results" / name / run
        scores = [each["metrics"]["psnr"] for each in read_jsonl(folder / "results.jsonl")]
        assert float(row["mean"]) == pytest.approx(sum(scores) / len(scores), rel=1e-5)
        assert int(row["images"]) == len(scores) == 7 + sets.index(name)
    assert [found[run, "set-one"]["trained_on"] for run in runs] == ["nothing", "kind-0", "kind-1"]
    # The same again scores nothing, and gives the same table.
    before = (out / "matrix.csv").read_bytes()
    assert command(words(world, out)) == 0
    assert (out / "matrix.csv").read_bytes() == before


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_to_the_same_table(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = [sys.executable, "-c", KILLED, *words(world, out)]
    done = subprocess.run(program, capture_output=True, check=False, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL, done.stderr
    begun = out / "results" / "set-one" / "one" / "results.jsonl"
    kept = begun.read_bytes()
    assert kept.count(b"\n") == 3
    assert not (out / "matrix.csv").exists()
    assert command(words(world, out)) == 0
    assert begun.read_bytes().startswith(kept)
    assert command(words(world, tmp_path / "whole")) == 0
    assert (out / "matrix.csv").read_bytes() == (tmp_path / "whole" / "matrix.csv").read_bytes()


@pytest.mark.slow
def test_workers_change_no_number(world: Path, tmp_path: Path) -> None:
    given = ["matrix", str(world / "runs" / "one"), "--data", str(world / "set-one")]
    given += ["--device", "cpu", "--metrics", "psnr", "--out"]
    assert command([*given, str(tmp_path / "alone")]) == 0
    assert command([*given, str(tmp_path / "two"), "--workers", "2"]) == 0
    alone, two = (table(tmp_path / name) for name in ("alone", "two"))
    for here, there in zip(alone, two, strict=True):
        assert here["run"] == there["run"]
        # A process of several threads adds in another order.
        assert float(here["mean"]) == pytest.approx(float(there["mean"]), rel=1e-4)


def test_a_run_that_saw_the_pictures_is_shown_without_a_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tiny_data.write_photos(tmp_path / "photos" / "test", 8)
    synthesize(tiny_data.flow_recipe(), open_source(str(photos.parent)), tmp_path / "set")
    run = write_run(tmp_path / "run", 3)
    rows = read_jsonl(tmp_path / "set" / "test" / "metadata.jsonl")
    sources = sorted({row["source_sha256"] for row in rows})
    config = read_json(run / "config.json")
    config["data"]["sources"] = write_seen(run, Seen({sources[0]: "train"}))
    write_json(run / "config.json", config)
    out = ["--out", str(tmp_path / "out"), "--device", "cpu", "--metrics", "psnr"]
    assert command(["matrix", str(run), "--data", str(tmp_path / "set"), *out]) == 0
    told = capsys.readouterr().out
    assert "warning: run trained on the sources of 1 picture" in told
    assert "seen" in told.split("what each run adds")[1]
    row = table(tmp_path / "out")[1]
    assert (row["rank"], row["not_compared"]) == ("", "trained on the sources of 1 picture")
    page = (tmp_path / "out" / "matrix.html").read_text()
    assert "training saw 1 of 8" in page


def test_a_run_that_cannot_be_loaded_costs_the_others_nothing(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = write_run(tmp_path / "broken", 0)
    (broken / "last.safetensors").unlink()
    given = ["matrix", str(world / "runs" / "one"), str(broken)]
    given += ["--data", str(world / "set-one"), "--metrics", "psnr", "--device", "cpu"]
    assert command([*given, "--out", str(tmp_path / "out")]) == 1
    assert "not evaluated" in capsys.readouterr().out
    assert {row["run"] for row in table(tmp_path / "out")} == {"identity", "one"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--data", "{world}/set-one"], "set-one: is given twice"),
        (["--data", "set-two={world}/set-one"], "set-one: is called set-two like"),
        (["{world}/runs/one"], "one: is given twice"),
        (["--data", "a/b={world}/set-one"], "without '/'"),
        (["--data", "{world}/nowhere"], "no such folder"),
        (["--metrics", "psnrr"], "psnr"),
        (["--split", "val"], "no split 'val'"),
        (["identity={world}/runs/one"], "give NAME=RUN"),
        (["{world}/set-one/test/blur"], "holds no run"),
        (["{world}/nothing"], "nothing: no such run or file of weights"),
        (["scen"], "did you mean scene?"),
        (["it={world}/nothing"], "nothing: no such run or file of weights"),
    ],
)
def test_what_cannot_be_is_one_line(
    world: Path, tmp_path: Path, change: list[str], told: str, capsys: Any
) -> None:
    more = [each.format(world=world) for each in change]
    assert command(words(world, tmp_path / "out", *more)) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_table_of_somebody_else_is_not_overwritten(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "matrix.csv").write_text("mine,too\n")
    assert command(words(world, tmp_path)) == 2
    assert "matrix.csv: is there, and not made by this" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
