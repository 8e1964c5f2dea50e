"""One picture restored and scored: what its line says, and what becomes of one that fails."""

import re
import shutil
import time

import numpy as np
import pytest
import torch

from blurbench.errors import DEBUG, UserError
from blurbench.files import read_json, read_jsonl, write_jsonl
from blurbench.images import read_image
from blurbench.metrics import compute
from blurbench.models.parts.dropout import noise_number, with_dropout
from blurbench.runs.trained import Restored
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import Identity, ModelRestorer


def function(name, restore):
    """A model that is a function of (H, W, 3) uint8."""
    return ModelRestorer(name, lambda blur: Restored(restore(blur)))


def scores(out):
    return {row["id"]: row["metrics"] for row in read_jsonl(out / "results.jsonl")}


def noisy(blur):
    """(H, W, 3) uint8 with another grey level for each draw of noise."""
    dropout = torch.nn.Dropout(0.5).eval()
    pixels = torch.from_numpy(blur.transpose(2, 0, 1)[None] / 255)
    kept = with_dropout(dropout, lambda x: dropout(torch.ones_like(x)), pixels)
    return np.where(kept[0].numpy().transpose(1, 2, 0) > 0, blur, blur // 2)


def test_scores_of_a_model_that_draws_noise_are_means_over_its_draws(data_set, tmp_path):
    evaluate(open_data(data_set), tmp_path / "one", restore=function("n", noisy), name="n")
    three = evaluate(
        open_data(data_set), tmp_path / "three", restore=function("n", noisy), name="n", repeats=3
    )
    rows = list(read_jsonl(tmp_path / "three" / "results.jsonl"))
    summary = read_json(tmp_path / "three" / "summary.json")
    assert three.notes == []
    assert all(row["spread"]["psnr"] > 0 for row in rows)
    assert summary["spread"]["psnr"] == pytest.approx(np.mean([r["spread"]["psnr"] for r in rows]))
    blur = read_image(data_set / "test" / "blur" / "crop-0.png")
    sharp = read_image(data_set / "test" / "sharp" / "crop-0.png")
    drawn = []
    for number in range(3):
        with noise_number(number):
            drawn.append(compute("psnr", noisy(blur), sharp))
    assert rows[0]["metrics"]["psnr"] == pytest.approx(np.mean(drawn), abs=1e-9)
    assert rows[0]["spread"]["psnr"] == pytest.approx(np.std(drawn, ddof=1), abs=1e-9)
    assert scores(tmp_path / "one")["crop-0"]["psnr"] == pytest.approx(drawn[0], abs=1e-9)
    with pytest.raises(UserError, match="another repeats"):
        evaluate(open_data(data_set), tmp_path / "three", restore=function("n", noisy), name="n")


def test_a_model_that_draws_nothing_is_restored_once_and_says_so(data_set, tmp_path):
    calls = []
    restore = function("m", lambda blur: calls.append(0) or blur)
    summary = evaluate(open_data(data_set), tmp_path, restore=restore, name="m", repeats=5)
    assert len(calls) == 10 + 1  # the first is not timed
    assert summary.notes == ["m draws no noise: every picture was restored once"]


def test_what_a_model_counted_and_the_tiles_it_went_by_are_kept(data_set, tmp_path):
    counts = iter((-1, *range(10)))  # the first call is not timed, and not kept

    def restore(blur):
        number = next(counts)
        return Restored(blur, {"loops": float(number)}, tile=512 if number < 3 else None)

    summary = evaluate(open_data(data_set), tmp_path, restore=ModelRestorer("m", restore), name="m")
    rows = list(read_jsonl(tmp_path / "results.jsonl"))
    assert [row["figures"]["loops"] for row in rows] == list(range(10))
    assert [row["tile"] for row in rows] == [512] * 3 + [None] * 7
    whole = read_json(tmp_path / "summary.json")
    assert (whole["figures"], whole["tiles"]) == ({"loops": 4.5}, {"512": 3})
    assert summary.notes == ["3 pictures restored in tiles of 512 px: too large for the memory"]


def test_a_row_says_what_it_was_blurred_from(make_data_set, tmp_path):
    data = make_data_set(tmp_path / "set", count=2)
    evaluate(open_data(data), tmp_path / "before", restore=Identity(), name="i")
    path = data / "test" / "metadata.jsonl"
    write_jsonl(path, [{**row, "source_id": "one"} for row in read_jsonl(path)])
    evaluate(open_data(data), tmp_path / "after", restore=Identity(), name="i")
    said = [list(read_jsonl(tmp_path / n / "results.jsonl")) for n in ("before", "after")]
    assert [row.get("source") for rows in said for row in rows] == [None, None, "one", "one"]


def test_the_first_picture_is_not_timed_cold(make_data_set, tmp_path):
    data, slept = make_data_set(tmp_path / "set", count=1), []

    def slow_at_first(blur):
        time.sleep(0 if slept else 0.2)
        slept.append(0)
        return blur

    evaluate(
        open_data(data), tmp_path / "out", restore=function("slow", slow_at_first), name="slow"
    )
    assert read_json(tmp_path / "out" / "summary.json")["milliseconds_median"] < 100


def test_pictures_that_the_digest_does_not_stand_for_are_not_scored(make_data_set, tmp_path):
    data = make_data_set(tmp_path / "set", count=4)
    for role, other, index in (("sharp", "blur", 1), ("blur", "sharp", 2)):
        name = f"crop-{index}.png"
        shutil.copy(data / "test" / other / name, data / "test" / role / name)
    summary = evaluate(open_data(data), tmp_path / "out", restore=Identity(), name="identity")
    assert [each.id for each in summary.skipped] == ["crop-1", "crop-2"]
    assert scores(tmp_path / "out").keys() == {"crop-0", "crop-3"}
    for each, role in zip(summary.skipped, ("sharp", "blur"), strict=True):
        assert f"{role}/{each.id}.png: differs from the data set's metadata" in each.why


def test_a_model_that_fails_on_one_picture_loses_only_that(data_set, tmp_path):
    bad = [read_image(data_set / "test" / "blur" / f"crop-{index}.png") for index in (3, 5)]

    def flaky(blur):
        if np.array_equal(blur, bad[0]):
            raise RuntimeError("no memory\nfor this one")
        return blur[:-1] if np.array_equal(blur, bad[1]) else blur

    summary = evaluate(
        open_data(data_set), tmp_path, restore=function("flaky", flaky), name="flaky"
    )
    assert summary.images == 8
    [first, second] = read_jsonl(tmp_path / "failures.jsonl")
    told = r"RuntimeError: no memory for this one \(scoring/restorers\.py:\d+\)"
    assert first["id"] == "crop-3"
    assert re.fullmatch(told, first["why"])
    assert second == {"id": "crop-5", "why": "restored is 24x19, sharp is 24x20 px"}
    assert [each.written() for each in summary.skipped] == [first, second]
    assert "skipped crop-3: RuntimeError" in str(summary)


def test_a_fault_of_a_metric_is_told_with_its_place(make_data_set, tmp_path, monkeypatch):
    def broken(*_):
        raise ValueError("operands could not be broadcast")

    monkeypatch.setattr("blurbench.metrics.distortion.psnr", broken)
    data = open_data(make_data_set(tmp_path / "set", count=1))
    evaluate(data, tmp_path / "out", restore=Identity(), name="identity")
    [row] = read_jsonl(tmp_path / "out" / "failures.jsonl")
    told = r"ValueError: operands could not be broadcast \(metrics/__init__\.py:\d+\)"
    assert re.fullmatch(told, row["why"])


def test_whoever_asks_is_told_all_that_went_wrong(make_data_set, tmp_path, monkeypatch, capsys):
    def broken(_blur):
        raise RuntimeError("no memory")

    data = open_data(make_data_set(tmp_path / "set", count=1))
    for level, whole in (("0", False), ("1", True)):
        monkeypatch.setenv(DEBUG, level)
        evaluate(data, tmp_path / level, restore=function("m", broken), name="m")
        told = capsys.readouterr().err
        assert ("Traceback" in told and "in broken" in told) == whole
    [row] = read_jsonl(tmp_path / "1" / "failures.jsonl")
    assert re.fullmatch(r"RuntimeError: no memory \(scoring/restorers\.py:\d+\)", row["why"])
