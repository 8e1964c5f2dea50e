"""The demo in miniature: every stage, then the same again from what is there."""

import csv
from pathlib import Path

import pytest

from blurbench.reproduce.demo import DemoRun, run_demo


@pytest.mark.slow
def test_the_demo_ends_with_both_boards_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = (DemoRun("unet", "photos", 1),)
    page = run_demo(tmp_path, runs, limit=6)
    assert page.is_file()
    with (page.parent / "leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    models = {(row["recipe"], row["model"]) for row in rows}
    assert models == {
        ("demo", "identity"),
        ("demo", "scene"),
        ("demo", "unet"),
        ("demo-faces", "identity"),
        ("demo-faces", "scene"),
        ("sev-blurdata", "identity"),
        ("sev-blurdata", "scene"),
    }
    before = (page.parent / "leaderboard.csv").read_bytes()
    printed = capsys.readouterr().out
    assert "SYNTHETIC" in printed
    assert "for a minute" in printed
    assert run_demo(tmp_path, runs, limit=6) == page
    assert (page.parent / "leaderboard.csv").read_bytes() == before
