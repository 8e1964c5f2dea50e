"""Pairs of layers, from the picture to the board: each layer scored, and boards by what moved."""

import cv2
import numpy as np
import pytest
import reader_examples as examples
import tiny_data

from blurbench.__main__ import run as command
from blurbench.datasets.make import synthesize
from blurbench.files import read_jsonl
from blurbench.ranking.boards import make_boards
from blurbench.recipes.recipe import PROSE, load_recipe
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import Identity
from blurbench.sources.open import open_for

FLOW = {"family": "motion_flow", "preset": "mild", "target": {"bins": [[3.0, 5.0]]}}
BLUR = {
    "family": "layers",
    "background": FLOW,
    "objects": FLOW,
    "moves": ["objects", "background"],
}
OBJECT = np.zeros((64, 70), np.uint8)
OBJECT[20:44, 20:50] = 1


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def written_mix(root, blur, **head):
    """A recipe of two, of layers and of whole pictures; and photographs with an object each."""
    for n in range(6):
        write(root / "in" / "images" / f"{n}.jpg", tiny_data.picture(n, 96, 110))
        write(root / "in" / "instances" / f"{n}.png", cv2.resize(OBJECT, (110, 96)))
    told = dict.fromkeys(PROSE[:5], "t") | {"labels": ["mask"]}
    for name, family in (("cut", blur), ("flow", FLOW)):
        (root / f"{name}.toml").write_bytes(examples.toml({"name": name, **told, "blur": family}))
    parts = b"".join(b'[[mix]]\nrecipe = "%b.toml"\n' % name for name in (b"cut", b"flow"))
    (root / "both.toml").write_bytes(examples.toml({"name": "both", **told, **head}) + parts)
    return root / "both.toml"


def test_a_board_breaks_down_by_the_recipe_that_was_drawn(tmp_path):
    splits = {"train": 0.0, "val": 0.0, "test": 1.0}
    both = load_recipe(written_mix(tmp_path, BLUR, splits=splits, replicas={"test": 2}))
    synthesize(both, open_for(both, str(tmp_path / "in")), tmp_path / "data")
    evaluate(open_data(tmp_path / "data"), tmp_path / "out", restore=Identity(), name="i")
    [board] = make_boards([tmp_path / "out"])
    found = {one.title: [group.label for group in one.groups] for one in board.breakdowns}
    assert found["recipe"] == ["cut", "flow"]
    assert found["what moved"][-1] == "picture"


@pytest.mark.slow
def test_from_photographs_to_a_board_by_what_moved_with_a_trained_model(tmp_path, capsys):
    moves = {**BLUR, "moves": ["objects", "background", "both"]}
    splits = {"train": 0.34, "val": 0.0, "test": 0.66, "by": "count"}
    recipe = written_mix(tmp_path, moves, splits=splits, replicas={"test": 6})
    data, run, out = (str(tmp_path / name) for name in ("data", "run", "board"))
    small = ["train", "--model", "unet", "--preset", "tiny"]
    small += ["--set", "widths=[4,8]", "--set", "blocks=[1,1]", "--set", "crop_size=32"]
    on = ["evaluate", "--data", data, "--device", "cpu", "--metrics", "psnr,psnr-behind"]
    for words in (
        ["synthesize", str(recipe), "--source", str(tmp_path / "in"), "--out", data],
        [*small, "--steps", "4", "--data", data, "--device", "cpu", "--out", run],
        [*on, "--checkpoint", run, "--name", "tiny", "--out", str(tmp_path / "tiny")],
        [*on, "--identity", "--out", str(tmp_path / "blurred")],
        ["leaderboard", str(tmp_path / "tiny"), str(tmp_path / "blurred"), "--out", out],
    ):
        assert command(words) == 0, capsys.readouterr()
    page = (tmp_path / "board" / "leaderboard.html").read_text(encoding="utf-8")
    assert "PSNR by what moved" in page
    assert "PSNR by recipe" in page
    [board] = make_boards([tmp_path / "tiny", tmp_path / "blurred"])
    [by_moved] = [one for one in board.breakdowns if one.title == "what moved"]
    groups = [group.label for group in by_moved.groups]
    assert groups == ["background", "both", "objects", "picture"]
    psnr = {
        row["id"]: (row["groups"]["moved"], row["metrics"]["psnr"])
        for row in read_jsonl(tmp_path / "tiny" / "results.jsonl")
    }
    for group, cell in zip(by_moved.groups, by_moved.cells["psnr"]["tiny"], strict=True):
        scores = [score for moved, score in psnr.values() if moved == group.label]
        assert len(scores) == len(group.ids)
        assert cell.mean == pytest.approx(np.mean(scores))


def test_what_rests_is_scored_as_sharp_and_boards_say_what_moved(tmp_path):
    for n in range(4):
        write(tmp_path / "in" / "images" / f"{n}.jpg", tiny_data.picture(n, 64, 70))
        write(tmp_path / "in" / "instances" / f"{n}.png", OBJECT)
    recipe = tiny_data.flow_recipe(
        blur=BLUR,
        labels=["mask"],
        splits={"train": 0.0, "val": 0.0, "test": 1.0},
        replicas={"test": 2},
        crop__borders=False,
    )
    synthesize(recipe, open_for(recipe, str(tmp_path / "in")), tmp_path / "data")
    metrics = ("psnr", "ssim", "psnr-objects", "psnr-behind")
    data = open_data(tmp_path / "data")
    evaluate(data, tmp_path / "out", restore=Identity(), name="i", metrics=metrics)
    rows = list(read_jsonl(tmp_path / "out" / "results.jsonl"))
    assert {row["groups"]["moved"] for row in rows} == {"objects", "background"}
    for row in rows:
        order = ["psnr-objects", "psnr-behind"]
        blurred, rests = order if row["groups"]["moved"] == "objects" else order[::-1]
        assert row["metrics"][blurred] < row["metrics"]["psnr"] < row["metrics"][rests]
    [board] = make_boards([tmp_path / "out"])
    [by_moved] = [one for one in board.breakdowns if one.title == "what moved"]
    assert [group.label for group in by_moved.groups] == ["background", "objects"]
    assert "i" in by_moved.cells["psnr-objects"]
