"""Trainings side by side: the table and the page of curves."""

import os
import re

import numpy as np
import pytest
from click.testing import CliRunner
from small_results import LOG, write_run

from blurbench.cli import cli
from blurbench.errors import UserError
from blurbench.files import write_bytes
from blurbench.images import encode
from blurbench.ranking.runs import list_runs, run_names


def test_a_line_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", LOG[1:3], model="igan")
    done = CliRunner().invoke(cli, ["runs", str(tmp_path)])
    assert done.exit_code == 0
    heading, first, second = done.stdout.splitlines()
    assert heading.split()[:4] == ["run", "model", "preset", "steps"]
    assert re.split(" {2,}", first) == [
        *("a", "unet", "tiny", "40 of 40", "25.50 dB at 20", "+1.50 dB", "4.0", "unfinished")
    ]
    assert re.split(" {2,}", second)[4:7] == ["–", "–", "2.0"]


def test_a_damaged_run_costs_the_others_nothing(tmp_path):
    write_run(tmp_path / "a")
    (write_run(tmp_path / "b") / "log.jsonl").write_text("{}\n")
    done = CliRunner().invoke(cli, ["runs", str(tmp_path)], standalone_mode=False)
    assert done.return_value == 1
    assert done.stdout.splitlines()[1].split()[0] == "a"
    told = f"failed: {tmp_path / 'b' / 'log.jsonl'}: a line is no row of a training's log"
    assert done.stderr.splitlines()[-1] == told
    with pytest.raises(UserError, match="a line is no row"):
        list_runs([tmp_path / "b"])


def test_a_run_that_was_looked_at_once_is_a_dot_and_the_rate_has_a_curve(tmp_path):
    rows = [{**row, "rate": 0.1} if row["stage"] == "unet" else row for row in LOG[:6]]
    write_run(tmp_path / "a", rows)
    list_runs([tmp_path], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    titles = re.findall("<figcaption>(.*?)</figcaption>", page)
    assert titles == ["PSNR of the validation split, dB", "unet: loss", "unet: rate"]
    first, *others = re.findall("<figure.*?</figure>", page, re.DOTALL)
    assert first.count("<circle") == 1
    assert [each.count("<circle") for each in others] == [4, 4]


def test_names_tell_runs_apart(tmp_path):
    assert run_names([tmp_path / "x/1", tmp_path / "x/2/a"]) == ["1", "2/a"]
    assert run_names([tmp_path / "x/1"]) == ["1"]
    assert run_names([tmp_path / "x", tmp_path / "x/2"]) == ["x", "2"]


def test_odd_numbers_and_files_cost_the_page_nothing(tmp_path):
    rows = [{"step": step, "stage": "unet", "loss": loss} for step, loss in ((1, 0.0), (2, 5e-324))]
    run = write_run(tmp_path / "a", [*rows, {"step": 2**53 - 1, "stage": "igan", "loss": 1e99}])
    write_bytes(run / "samples/²²²²²²²²².png", encode(np.zeros((8, 24, 3), np.uint8)))
    os.mkfifo(run / "samples/000000003.png")
    list_runs([tmp_path], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert re.findall("<figcaption>(.*?)</figcaption>", page) == ["unet: loss", "igan: loss"]
    assert "data:image" not in page


def test_the_page_has_every_curve_and_needs_no_network(tmp_path):
    run = write_run(tmp_path / "<b>a", model="<script>")
    write_run(tmp_path / "b", LOG[1:3])
    for step in range(10):
        write_bytes(run / f"samples/{step:09d}.png", encode(np.zeros((8, 24, 3), np.uint8)))
    (run / "samples/000000000.png").write_bytes(b"damaged")
    list_runs([tmp_path], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<script>" not in page.replace('<script>"use strict"', "")
    assert "&lt;b&gt;a" in page
    assert re.findall("<figcaption>(.*?)</figcaption>", page)[:2] == [
        "PSNR of the validation split, dB",
        "unet: loss",
    ]
    points = re.findall('<polyline points="(.*?)"', page)
    assert [len(each.split()) for each in points] == [2, 4, 2]
    # Two looks are half the axis apart in steps; the better one stands higher.
    (x1, y1), (x2, y2) = (map(float, each.split(",")) for each in points[0].split())
    assert (x1, x2) == (276, 500)
    assert y1 < y2
    assert page.count('<line class="blurred"') == 1
    # The first and the last of ten, and four between; the damaged one is left out.
    assert page.count("data:image/jpeg") == 5
    assert "step 9" in page
    assert "http://" not in page
    assert "https://" not in page
