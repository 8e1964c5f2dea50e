"""Tables made again in miniature, one of each paper; and what they say when something is wrong."""

import csv
import json
import re
import shutil
from functools import partial
from pathlib import Path

import pytest
import tiny_data
from click.testing import CliRunner

from blurbench.cli import cli
from blurbench.errors import UserError
from blurbench.ranking.printed import Printed, PrintedTable, tables
from blurbench.recipes.recipe import Recognition
from blurbench.reproduce import build, reproduce, side_by_side
from blurbench.reproduce.boards.suites import OPEN_BOARDS
from blurbench.reproduce.build import Builder
from blurbench.reproduce.outcomes import Outcome
from blurbench.reproduce.reproduce import missing
from blurbench.reproduce.scales import DEMO_SAMPLES, Scale
from blurbench.reproduce.side_by_side import render_csv, render_page
from blurbench.reproduce.stand_ins import STAND_INS, StandIn
from blurbench.reproduce.studies.registry import STUDIES
from blurbench.reproduce.suites import Cell, Scoring, Training, cells
from blurbench.scoring import captions as captioning

Row = dict[str, str]
SHORT = Scale(share=16 / DEMO_SAMPLES)


def quietly(_line: str) -> None:
    pass


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pictures to learn from and two to test, or two people."""
    for name, made in STAND_INS.items():
        images = tuple(min(2, count) for count in made.images)
        changes = {"recognition": Recognition(probes=2, gallery=2)} if made.changes else {}
        fields = {**made.__dict__, "images": images, "replicas": (1, 1), "changes": changes}
        monkeypatch.setitem(STAND_INS, name, StandIn(**fields))


def run(
    table: str, out: Path, methods: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> list[Row]:
    """Some methods of a table, with sixteen samples each."""
    chosen = [cell for cell in cells(table) if cell.printed.method in methods]
    monkeypatch.setattr(reproduce, "cells", lambda _: chosen)
    whole = PrintedTable(**{**tables()[table].__dict__, "cells": tuple(c.printed for c in chosen)})
    monkeypatch.setattr(side_by_side, "table", lambda _: whole)
    done = reproduce.reproduce(table, out, scale=SHORT, tell=quietly)
    assert done.failed == []
    assert done.page.read_text().startswith("<!DOCTYPE html>")
    return read(done.csv)


def read(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_s3e_restores_and_resumes(tmp_path, monkeypatch):
    methods = ("U-Deconv", "S3E-Deblur (ImD) w/o coTrain")
    rows = run("s3e-2", tmp_path, methods, monkeypatch)
    assert [row["status"] for row in rows] == ["measured"] * 4
    for row in rows:
        assert float(row["difference"]) == pytest.approx(
            float(row["measured"]) - float(row["printed"]), abs=1e-4
        )
        assert (row["scale"], row["preset"], row["samples"]) == ("demo", "tiny", "16")
        assert row["seeds"] == "1"
        assert row["device"].startswith("cpu ")  # and what it multiplies with
        assert float(row["training_seconds"]) > 0
        assert "built-in photographs" in row["stand_in"]
        assert (row["trained_on"], row["recipe"]) == ("sev-blurdata", "sev-gopro")
        summary = json.loads((tmp_path / row["made_from"] / "summary.json").read_text())
        assert summary["data"]["digest"] == row["digest"]
    assert [row["samples_beside"] for row in rows] == ["", "tree 8"] * 2
    weights = sorted(tmp_path.glob("runs/*/*/model.safetensors"))
    before = [(path, path.stat().st_mtime_ns) for path in weights]
    table = (tmp_path / "s3e-2.csv").read_bytes()
    assert len(weights) == 2
    # What was lost is made again, and nothing else.
    shutil.rmtree(tmp_path / rows[0]["made_from"])
    run("s3e-2", tmp_path, methods, monkeypatch)
    assert [(path, path.stat().st_mtime_ns) for path in weights] == before
    assert (tmp_path / "s3e-2.csv").read_bytes() == table
    page = (tmp_path / "s3e-2.html").read_text()
    assert "Demo scale" in page
    assert "leaderboards/s3e-2/leaderboard.html" in page
    assert (tmp_path / "leaderboards/s3e-2/leaderboard.html").is_file()
    with pytest.raises(UserError, match="a reproduction of another seeds"):
        reproduce.reproduce("s3e-2", tmp_path, scale=Scale(seeds=2), tell=quietly)


@pytest.mark.slow
def test_s3e_captions(tmp_path, monkeypatch):
    # METEOR and SPICE start Java, if there is any.
    quick = partial(captioning.score, metrics=("bleu", "rouge", "cider"), tokenizer="python")
    monkeypatch.setattr(captioning, "score", quick)
    rows = run("s3e-3", tmp_path, ("NIC",), monkeypatch)
    assert {row["metric"] for row in rows} == {cell.metric for cell in tables()["s3e-3"].cells}
    for row in rows:
        java = row["metric"] in ("meteor", "spice")
        assert row["status"] == ("not available" if java else "measured"), row
    sharp = next(row for row in rows if row["data"] == "MSCOCO, sharp")
    assert sharp["made_from"].endswith("nic_input-sharp")
    written = json.loads((tmp_path / sharp["made_from"] / "captions.json").read_text())
    assert len(written["captions"]) == 2


@pytest.mark.slow
def test_sp_gains(tmp_path, monkeypatch):
    rows = run("sp-3", tmp_path, ("MIMO-UNet", "Ours-UNet", "Ours-UNet+SP"), monkeypatch)
    others, unet, sp, gain = rows
    assert others["status"] == "printed only"
    assert float(gain["measured"]) == pytest.approx(
        float(sp["measured"]) - float(unet["measured"]), abs=1e-3
    )
    assert gain["printed"] == "0.77"
    assert {row["protocol"] for row in (unet, sp, gain)} == {"gopro-matlab"}


@pytest.mark.slow
def test_umsn_recognition(tmp_path, monkeypatch):
    rows = run(
        "umsn-5", tmp_path, ("Clear images", "Blurred images", "Xu et al.", "UMSN"), monkeypatch
    )
    assert [row["status"] for row in rows] == ["measured"] * 6 + ["printed only"] * 3 + [
        "measured"
    ] * 3
    values = [float(row["measured"]) for row in rows if row["measured"]]
    assert all(0 <= value <= 100 for value in values)  # per cent, as printed
    summary = json.loads((tmp_path / rows[0]["made_from"] / "summary.json").read_text())
    assert summary["using"] == {"embedding": "pixels"}


@pytest.mark.slow
def test_umsn_masks_and_confidences(tmp_path, monkeypatch):
    masks = run("umsn-2", tmp_path, ("SN fine-tuned on blurred images",), monkeypatch)
    assert [row["status"] for row in masks] == ["measured"] * 4
    assert not (tmp_path / "leaderboards").exists()  # tools of their own: nothing to rank
    rows = run("umsn-7", tmp_path, ("UMSN",), monkeypatch)
    assert [row["status"] for row in rows] == ["measured"] * 24
    values = [float(row["measured"]) for row in rows]
    assert all(0 < value < 1 for value in values)
    assert values[:12] != values[12:]  # two pictures
    assert values[:4] != values[4:8]  # at two steps


@pytest.mark.slow
def test_brmr_squares_and_iterations(tmp_path, monkeypatch):
    methods = ("iGAN discriminator", "adversarial BRMR")
    squares, iterations = run("brmr-text", tmp_path, methods, monkeypatch)
    assert 0 <= float(squares["measured"]) <= 1
    assert float(iterations["measured"]) >= 0
    rows = run("brmr-3", tmp_path, ("adversarial BRMR",), monkeypatch)
    assert [row["metric"] for row in rows] == ["psnr", "seconds"]
    assert 0 < float(rows[1]["measured"]) < 10


def test_what_fails_costs_the_others_nothing(tmp_path, monkeypatch):
    def fails(name, *arguments, **options):
        if name == "udeconv":
            raise RuntimeError("out of memory\nand more")
        return train(name, *arguments, **options)

    train = build.train
    monkeypatch.setattr(build, "train", fails)
    chosen = [c for c in cells("s3e-2") if c.printed.method in ("U-Deconv", "DeblurGAN")]
    monkeypatch.setattr(reproduce, "cells", lambda _: chosen)
    monkeypatch.setattr(side_by_side, "sections", lambda *_: [])
    done = reproduce.reproduce("s3e-2", tmp_path, scale=SHORT, tell=quietly)
    [failed] = done.failed
    why = failed.removeprefix("runs/sev-blurdata/udeconv: ")
    told = r"RuntimeError: out of memory and more \(reproduce/build\.py:\d+\)"
    assert re.fullmatch(told, why)
    assert [outcome.reason for outcome in done.outcomes if outcome.measured is None] == [
        f"not available: {why}"
    ] * 2
    assert len([outcome for outcome in done.outcomes if outcome.measured is not None]) == 2


def test_what_is_missing_is_listed_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no-weights"))
    (tmp_path / "root" / "umsn-faces").mkdir(parents=True)
    out = tmp_path / "out"
    arguments = ["reproduce", "umsn-4", "--scale", "paper", "--out", str(out)]
    done = CliRunner().invoke(cli, [*arguments, "--data-root", str(tmp_path / "root")])
    assert isinstance(done.exception, UserError)  # exit code 2
    assert "5 missing, as listed; nothing was started" in str(done.exception)
    lines = [line.removeprefix("missing: ") for line in done.output.splitlines()]
    assert [line.split(":")[0] for line in lines] == [
        str(tmp_path / "root/umsn-faces-test/CelebA"),
        str(tmp_path / "root/umsn-faces-test/Helen"),
        "shen-face_adversarial_weight-0",
        "umsn",
        "vgg-face",
    ]
    assert "vgg16-397923af.pth" in lines[3]
    assert "--set" not in done.output
    assert not out.exists()


def test_nothing_is_missing_at_demo_scale(tmp_path):
    assert all(missing(name, Builder(tmp_path)) == [] for name in tables())


def test_the_users_data_are_read_where_they_lie(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where nothing was fetched
    root, made = tmp_path / "root", tmp_path / "made"
    for role in ("blur", "sharp"):
        tiny_data.write_photos(root / "pubfig" / role, 2)
    builder = Builder(tmp_path / "out", root, Scale("paper"), tell=quietly)
    assert builder.data("pubfig") == tmp_path / "out" / "data" / "pubfig"
    assert json.loads((builder.data("pubfig") / "dataset.json").read_text())["counts"] == {
        "test": 2
    }
    made = root / "umsn-faces-test" / "Helen"
    made.mkdir(parents=True)
    (made / "dataset.json").write_text("{}")
    assert builder.data("umsn-faces-test", "Helen") == made
    with pytest.raises(UserError, match=r"put a \.pt2 or VGG16's there"):
        builder.tools(["top-1"])
    (root / "weights").mkdir()
    (root / "weights" / "embedding.pt2").touch()
    assert builder.tools(["top-1"]) == {"embedding": str(root / "weights" / "embedding.pt2")}


def test_names_are_harmless_in_both_files(tmp_path):
    bad = "<script>alert(1)</script>"
    cell = {**tables()["brmr-2"].cells[0].__dict__, "method": "=cmd()", "note": bad}
    printed = Printed(**{**cell, "data": bad})
    scoring = Scoring("concert", bad, Training("deepdeblur", "paper", "concert"))
    builder = Builder(tmp_path)
    outcomes = [Outcome(Cell(printed, scoring), None, f"not available: {bad}")]
    assert ",'=cmd()," in render_csv("brmr-2", builder, outcomes)
    whole = PrintedTable(**{**tables()["brmr-2"].__dict__, "cells": (printed,)})
    page = render_page(whole, builder, outcomes, None)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_command_lists_all_tables_studies_and_boards():
    suites, studies, boards = CliRunner().invoke(cli, ["reproduce"]).output.split("\n\n")
    names = [line.split()[0] for line in suites.splitlines()[1:] if line[:1] != " "]
    assert names == list(tables())
    names = [line.split()[0] for line in studies.splitlines()[1:] if line[:1] != " "]
    assert names == list(STUDIES)
    names = [line.split()[0] for line in boards.splitlines()[1:] if line[:1] != " "]
    assert names == list(OPEN_BOARDS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["brmr-2", "--minutes", "nan"], "no number of minutes"),
        (["brmr-2", "--minutes", "inf"], "not in the range"),
        (["brmr-2", "--minutes", "-1"], "not in the range"),
        (["brmr-2", "--seeds", "0"], "not in the range"),
        (["brmr-2", "--scale", "paper"], "--scale paper needs --data-root"),
        (["brmr-2", "--data-root", "."], "goes with --scale small or paper"),
        (["brmr-2", "--device", "banana"], "no such device"),
        (["brmr-2", "--device", "cuda:99", "--plan"], "CUDA devices here"),
        (["study-sp", "--scale", "paper"], "a study has one of its own"),
        (["brmr-9"], "no table 'brmr-9'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(tmp_path, arguments, told):
    out = tmp_path / "out"
    done = CliRunner().invoke(cli, ["reproduce", *arguments, "--out", str(out)])
    assert done.exit_code == 2 or isinstance(done.exception, UserError)  # which is 2, too
    lines = [*done.output.splitlines(), str(done.exception)]
    assert sum(told in line for line in lines) == 1
    assert not out.exists()


def test_a_mean_of_fewer_seeds_than_asked_for_says_so(tmp_path):
    cell = cells("brmr-2")[0]
    whole = PrintedTable(**{**tables()["brmr-2"].__dict__, "cells": (cell.printed,)})
    builder = Builder(tmp_path, scale=Scale("small", seeds=3))
    for seeds, shown in (({1: 20.0, 3: 21.0}, True), ({1: 20.0, 2: 20.0, 3: 21.0}, False)):
        page = render_page(whole, builder, [Outcome(cell, 20.5, "", seeds=seeds)], None)
        assert ("2 of 3 seeds" in page) == shown


def test_a_device_is_that_of_the_machine_that_trained(tmp_path):
    config = {"model": "unet", "preset": "tiny", "config": {}, "steps": 1, "seed": 0}
    config |= {"init": None, "data": {"digest": "0", "recipe": "a"}}
    config |= {"processor": "Some GPU", "blurbench": "0.1.0"}
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    assert side_by_side.trained_on([tmp_path / name for name in "abc"]) == "Some GPU"
