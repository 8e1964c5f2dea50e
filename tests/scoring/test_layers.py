"""Pairs of layers, from the picture to the board: each layer scored, and boards by what moved."""

import cv2
import numpy as np
import reader_examples as examples
import tiny_data

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


def test_a_board_breaks_down_by_the_recipe_that_was_drawn(tmp_path):
    for n in range(6):
        write(tmp_path / "in" / "images" / f"{n}.jpg", tiny_data.picture(n, 96, 110))
        write(tmp_path / "in" / "instances" / f"{n}.png", cv2.resize(OBJECT, (110, 96)))
    head = "".join(f'{key} = "t"\n' for key in PROSE if key not in ("differs", "layout"))
    for name, blur in (("cut", BLUR), ("flow", FLOW)):
        recipe = {"name": name, "labels": ["mask"], "blur": blur}
        tables = examples.toml(dict.fromkeys(PROSE[:5], "t") | recipe)
        (tmp_path / f"{name}.toml").write_bytes(tables)
    mix = 'labels = ["mask"]\n[splits]\ntrain = 0.0\nval = 0.0\ntest = 1.0\n[replicas]\ntest = 2\n'
    parts = "".join(f'[[mix]]\nrecipe = "{name}.toml"\n' for name in ("cut", "flow"))
    (tmp_path / "both.toml").write_text(f'name = "both"\n{head}{mix}{parts}')
    both = load_recipe(tmp_path / "both.toml")
    synthesize(both, open_for(both, str(tmp_path / "in")), tmp_path / "data")
    evaluate(open_data(tmp_path / "data"), tmp_path / "out", restore=Identity(), name="i")
    [board] = make_boards([tmp_path / "out"])
    found = {one.title: [group.label for group in one.groups] for one in board.breakdowns}
    assert found["recipe"] == ["cut", "flow"]
    assert found["what moved"][-1] == "picture"


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
