"""Trainings side by side: the table and the page of curves."""

import re

import numpy as np
from click.testing import CliRunner
from run_folders import LOG, write_run

from blurbench.cli import cli
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


def test_names_tell_runs_apart(tmp_path):
    assert run_names([tmp_path / "x/1", tmp_path / "x/2/a"]) == ["1", "2/a"]
    assert run_names([tmp_path / "x/1"]) == ["1"]


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
