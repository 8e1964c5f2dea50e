import json
import shutil

import numpy as np
import pytest

from blurbench.__main__ import run
from blurbench.errors import UserError
from blurbench.files import read_json, read_jsonl, sha256, write_bytes, write_json
from blurbench.images import encode, read_image
from blurbench.metrics import compute
from blurbench.runs.trained import Restored
from blurbench.schemas.seals import sealed
from blurbench.scoring import evaluate as module
from blurbench.scoring.evaluate import evaluate, evaluate_runs
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import FolderRestorer, Identity, ModelRestorer
from blurbench.scoring.result_folder import sample_ids


def function(name, restore, provenance=None):
    """A model that is a function of (H, W, 3) uint8."""
    return ModelRestorer(name, lambda blur: Restored(restore(blur)), provenance)


def scores(out):
    return {row["id"]: row["metrics"] for row in read_jsonl(out / "results.jsonl")}


def test_identity_scores_what_is_on_disk(data_set, tmp_path):
    summary = evaluate(open_data(data_set), tmp_path / "out", restore=Identity(), name="identity")
    rows = list(read_jsonl(tmp_path / "out" / "results.jsonl"))
    assert [row["id"] for row in rows] == [f"crop-{index}" for index in range(10)]
    for row in rows:
        blur, sharp = (
            read_image(data_set / "test" / role / f"{row['id']}.png") for role in ("blur", "sharp")
        )
        expected = {metric: compute(metric, blur, sharp) for metric in ("psnr", "ssim")}
        assert row["metrics"] == pytest.approx(expected, abs=1e-12)
        assert (row["protocol"], row["split"], row["milliseconds"]) == ("wang-rgb", "test", None)
        assert row["severity"] == 3.0
        assert row["groups"] == {"family": "line"}
    assert summary.failed == 0
    assert summary.means["psnr"] == pytest.approx(np.mean([r["metrics"]["psnr"] for r in rows]))
    assert "identity: PSNR" in str(summary)


def test_the_summary_says_what_was_measured_with_what(data_set, tmp_path):
    restore = function("copy", lambda blur: blur.copy(), {"preset": "tiny"})
    evaluate(open_data(data_set), tmp_path, restore=restore, name="copy")
    summary = read_json(tmp_path / "summary.json")
    assert summary["complete"] is True
    assert summary["data"]["recipe"] == "crops"
    assert summary["data_folder"] == data_set.name
    assert summary["provenance"] == {"preset": "tiny"}
    recipe = sha256(b'{"name": "crops"}')
    assert summary["data"]["recipe_sha256"] == recipe
    assert summary["milliseconds_median"] > 0
    assert 20 < summary["peak_memory_mb"] < 2**20
    assert summary["gpu_peak_memory_mb"] is None
    assert {"blurbench", "python", "torch", "platform"} <= summary["environment"].keys()


def test_every_model_keeps_the_same_few_samples(data_set, tmp_path):
    evaluate(open_data(data_set), tmp_path / "a", restore=Identity(), name="a")
    dark = function("b", lambda blur: blur // 2)
    evaluate(open_data(data_set), tmp_path / "b", restore=dark, name="b")
    kept = [sorted(p.name for p in (tmp_path / name / "samples").iterdir()) for name in "ab"]
    assert kept[0] == kept[1]
    assert len(kept[0]) == 8 * 3
    name = min(sample_ids([f"crop-{index}" for index in range(10)]))
    blur = read_image(data_set / "test" / "blur" / f"{name}.png")
    restored = read_image(tmp_path / "b" / "samples" / f"{name}__restored.png")
    assert np.array_equal(restored, blur // 2)


def test_an_interrupted_evaluation_goes_on_where_it_was(data_set, tmp_path):
    seen = []

    def interrupted(blur):
        if len(seen) == 4:
            raise KeyboardInterrupt
        seen.append(blur)
        return blur // 2

    def evaluate_with(restore, out):
        evaluate(open_data(data_set), out, restore=function("half", restore), name="half")

    with pytest.raises(KeyboardInterrupt):
        evaluate_with(interrupted, tmp_path / "out")
    with (tmp_path / "out" / "results.jsonl").open("a") as file:
        file.write('{"model": "half", "da')  # as a crash leaves it

    def counted(blur):
        seen.append(blur)
        return blur // 2

    evaluate_with(counted, tmp_path / "out")
    assert len(seen) == 10 + 2  # each call begins with one that is not timed
    evaluate_with(counted, tmp_path / "out")
    assert len(seen) == 10 + 2
    evaluate_with(counted, tmp_path / "whole")
    assert scores(tmp_path / "out") == scores(tmp_path / "whole")
    assert len(list((tmp_path / "out" / "samples").iterdir())) == 24


def test_a_result_of_something_else_is_not_touched(data_set, make_data_set, tmp_path):
    out = tmp_path / "out"
    evaluate(open_data(data_set), out, restore=Identity(), name="first")
    before = (out / "summary.json").read_bytes()
    other = make_data_set(tmp_path / "other", count=3)
    for data, name, more in [
        (data_set, "second", {}),
        (other, "first", {}),
        (data_set, "first", {"metrics": ("psnr",)}),
    ]:
        with pytest.raises(UserError, match="holds a result of another"):
            evaluate(open_data(data), out, restore=Identity(), name=name, **more)
    assert (out / "summary.json").read_bytes() == before
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="not empty, and not a result"):
        evaluate(open_data(data_set), tmp_path / "papers", restore=Identity(), name="first")


def test_unknown_names_are_refused_before_anything_is_written(data_set, tmp_path):
    for more, message in [
        ({"metrics": ("psnr", "nope")}, "unknown metric 'nope'"),
        ({"protocol": "nope"}, "unknown protocol 'nope'"),
    ]:
        with pytest.raises(UserError, match=message):
            evaluate(open_data(data_set), tmp_path / "out", restore=Identity(), name="x", **more)
    assert not (tmp_path / "out").exists()


def test_names_are_checked_before_the_pictures_are_read(tmp_path, capsys):
    command = ["evaluate", "--data", str(tmp_path / "nowhere"), "--identity", "--out", "x"]
    for words in (["--protocol", "nope"], ["--metrics", "psnr,nope"], ["--using", "nope"]):
        assert run([*command, *words]) == 2
        assert "nope" in capsys.readouterr().err
    assert run(command) == 2
    assert "no such folder" in capsys.readouterr().err


def test_a_run_that_cannot_be_loaded_costs_the_others_nothing(data_set, tmp_path, monkeypatch):
    def load(run, name, _device):
        if run.name == "torn":
            raise UserError(f"{run}: this training is not finished")
        return function(name, lambda blur: blur // 2)

    monkeypatch.setattr(module, "trained", load)
    runs = [tmp_path / name for name in ("a", "torn", "b")]
    done = list(
        evaluate_runs(open_data(data_set), tmp_path / "out", runs, "cpu", metrics=("psnr",))
    )
    assert [one.failed for one in done] == [0, 1, 0]
    assert str(done[1]) == f"not evaluated: {runs[1]}: this training is not finished"
    assert scores(tmp_path / "out" / "a") == scores(tmp_path / "out" / "b") != {}
    with pytest.raises(UserError, match="none of the runs"):
        list(evaluate_runs(open_data(data_set), tmp_path / "out", runs[1:2], "cpu"))
    with pytest.raises(UserError, match="same name; give them as NAME=RUN"):
        list(evaluate_runs(open_data(data_set), tmp_path, [runs[0], tmp_path / "c" / "a"], "cpu"))


def test_rows_are_plain_json(data_set, tmp_path):
    evaluate(open_data(data_set), tmp_path, restore=Identity(), name="ünïcode, spaces")
    for line in (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines():
        assert json.loads(line)["model"] == "ünïcode, spaces"


def test_a_folder_of_restored_pictures_is_an_evaluation_like_any(data_set, tmp_path):
    summary = evaluate(
        open_data(data_set),
        tmp_path / "out",
        restore=FolderRestorer(data_set / "test" / "blur"),
        name="theirs",
    )
    evaluate(open_data(data_set), tmp_path / "identity", restore=Identity(), name="identity")
    assert scores(tmp_path / "out") == scores(tmp_path / "identity")
    assert summary.notes == []


def test_restored_pictures_that_changed_are_another_result(data_set, tmp_path):
    folder = tmp_path / "restored"
    shutil.copytree(data_set / "test" / "blur", folder)

    def again():
        return evaluate(
            open_data(data_set), tmp_path / "out", restore=FolderRestorer(folder), name="theirs"
        )

    first = again()
    assert again().means == first.means
    write_bytes(folder / "crop-0.png", encode(np.zeros((20, 24, 3), np.uint8)))
    with pytest.raises(UserError, match=r"another provenance .* 1 restored picture changed since"):
        again()


def test_rows_that_lack_something_are_scored_again(data_set, tmp_path):
    evaluate(open_data(data_set), tmp_path, restore=Identity(), name="identity")
    before = (tmp_path / "results.jsonl").read_text()
    _, second, *others = before.splitlines()
    torn = json.dumps({**json.loads(second), "metrics": {"psnr": 1.0}})
    (tmp_path / "results.jsonl").write_text("\n".join(['{"a": 1}', "7", torn, *others, ""]))
    evaluate(open_data(data_set), tmp_path, restore=Identity(), name="identity")
    assert (tmp_path / "results.jsonl").read_text() == before


def test_two_evaluations_never_write_one_result_at_once(data_set, tmp_path):
    def meddle(blur):
        with pytest.raises(UserError, match="another process is writing here"):
            evaluate(open_data(data_set), tmp_path, restore=function("m", np.copy), name="m")
        return blur

    summary = evaluate(open_data(data_set), tmp_path, restore=function("m", meddle), name="m")
    assert summary.skipped == []


def test_neither_peak_memory_nor_the_wording_of_the_recipe_makes_another_result(data_set, tmp_path):
    evaluate(open_data(data_set), tmp_path, restore=Identity(), name="identity")
    older = read_json(tmp_path / "summary.json")
    del older["peak_memory_mb"], older["data"]["recipe_sha256"]
    write_json(tmp_path / "summary.json", sealed(older))
    evaluate(open_data(data_set), tmp_path, restore=Identity(), name="identity")
    assert read_json(tmp_path / "summary.json").keys() > older.keys()


def test_what_is_printed_counts_pictures_even_where_there_are_none(make_data_set, tmp_path):
    def broken(_blur):
        raise RuntimeError("no memory")

    data = make_data_set(tmp_path / "set", count=1)
    none = evaluate(open_data(data), tmp_path / "m2", restore=function("m2", broken), name="m2")
    assert str(none).startswith(f"m2: no picture could be scored ({tmp_path / 'm2'})\n")
    one = evaluate(open_data(data), tmp_path / "one", restore=Identity(), name="one")
    assert " over 1 picture (" in str(one)
