import os
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from blurbench.errors import UserError
from blurbench.files import read_jsonl, write_bytes
from blurbench.images import encode, read_image
from blurbench.metrics import compute
from blurbench.ranking.report import leaderboard
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import Photographs, open_data
from blurbench.scoring.restorers import FolderRestorer, Identity

SHARED = os.environ.get("BLURBENCH_SHARED")
METRICS = ("blur-effect",)


def blurred(image, length):
    return np.stack([np.roll(image, i, axis=1) for i in range(length)]).mean(0).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    for index in range(7):
        image = data.astronaut()[40 * index : 40 * index + 48, 200:264]
        for name, length in (("blurry", 9), ("restored", 3)):
            path = tmp_path / name / ("night" if index % 2 else "day") / f"p{index}.png"
            write_bytes(path, encode(blurred(image, length)))
    return tmp_path / "blurry"


def test_the_blur_effect_tells_more_blur_and_needs_no_sharp_picture():
    image = data.astronaut()[:128, 150:300]
    values = [compute("blur-effect", blurred(image, length), None) for length in (1, 3, 9, 21)]
    assert values == sorted(values)
    assert 0 < values[0] < values[-1] < 1
    assert compute("blur-effect", np.full((32, 32, 3), 9, np.uint8), None) == 1


def test_a_folder_of_photographs_makes_a_board_with_pictures_and_no_sharp_ones(folder, tmp_path):
    results = [tmp_path / "results" / name for name in "ab"]
    theirs = FolderRestorer(folder.parent / "restored", "theirs")
    evaluate(open_data(folder), results[0], restore=Identity(), name="identity", metrics=METRICS)
    evaluate(open_data(folder), results[1], restore=theirs, name="theirs", metrics=METRICS)
    summary = leaderboard(results, tmp_path / "out", compare=("theirs", "identity"))
    [board] = summary.boards
    assert (board.recipe, board.images, board.metrics) == ("blurry", 7, ["blur-effect"])
    assert [entry.result.model for entry in board.entries] == ["identity", "theirs"]
    assert board.entries[1].scores["blur-effect"].gain.high < 0
    page = summary.page.read_text(encoding="utf-8")
    assert '"labels": ["blurred", "theirs"]' in page
    assert "Where theirs wins most" in page
    samples = list((tmp_path / "out" / "leaderboard_files").iterdir())
    assert len(samples) == 7 * 2  # so small that a close-up is all of it


def test_pictures_are_known_by_their_pixels(folder):
    first = Photographs(folder)
    assert len({row["id"] for row in first.rows}) == 7
    assert first.digest == Photographs(folder).digest
    path = next(folder.rglob("*.png"))
    write_bytes(path, encode(read_image(path) // 2))
    assert Photographs(folder).digest != first.digest


def test_a_picture_that_cannot_be_read_is_skipped(folder, tmp_path):
    (folder / "broken.png").write_bytes(b"no picture")
    summary = evaluate(
        open_data(folder), tmp_path / "r", restore=Identity(), name="i", metrics=METRICS
    )
    assert (summary.images, summary.failed) == (7, 1)
    assert "broken.png" in summary.skipped[0].why


def test_a_metric_that_does_not_apply_to_a_picture_leaves_it_out_of_the_mean(
    folder, tmp_path, monkeypatch
):
    found = iter([0.5, float("nan"), *[0.75] * 5])
    monkeypatch.setattr("blurbench.scoring.score.compute", lambda *_: next(found))
    summary = evaluate(
        open_data(folder), tmp_path / "r", restore=Identity(), name="i", metrics=METRICS
    )
    values = [row["metrics"]["blur-effect"] for row in read_jsonl(tmp_path / "r" / "results.jsonl")]
    assert values.count(None) == 1
    assert summary.means["blur-effect"] == pytest.approx((0.5 + 5 * 0.75) / 6)


def test_metrics_that_compare_need_a_data_set(folder, tmp_path):
    with pytest.raises(UserError, match="psnr needs sharp ones; index pairs"):
        evaluate(open_data(folder), tmp_path / "r", restore=Identity(), name="i")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: no data set .*no pictures either"):
        open_data(tmp_path / "empty", "test")
    (folder / ".blurbench").mkdir()  # a data set in the making
    with pytest.raises(UserError, match=r"dataset\.json"):
        open_data(folder, "test")


@pytest.mark.skipif(not SHARED, reason="BLURBENCH_SHARED is not set: no real photographs")
def test_real_blurry_photographs(tmp_path):
    place = Path(SHARED) / "data" / "real_blurry" / "kohler"
    summary = evaluate(
        open_data(place), tmp_path / "r", restore=Identity(), name="identity", metrics=METRICS
    )
    assert (summary.images, summary.failed) == (3, 0)
    assert 0.2 < summary.means["blur-effect"] < 0.9
    assert leaderboard([tmp_path / "r"], tmp_path / "out").boards[0].images == 3
