"""Metrics that are added to a finished result: the rows of one that had them from the start."""

import pickle
from functools import partial

import numpy as np
import pytest

from blurbench import engine
from blurbench.__main__ import run
from blurbench.engine import Done, Workers
from blurbench.errors import UserError
from blurbench.files import read_json, read_jsonl
from blurbench.images import encode, read_image
from blurbench.ranking.results import read_result
from blurbench.runs.trained import Restored
from blurbench.scoring import spread
from blurbench.scoring.add_metrics import ADDING, add_metrics
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import FolderRestorer, Identity, ModelRestorer

FIRST, NEW, ALL = ("psnr", "ssim"), ("blur-effect",), ("psnr", "ssim", "blur-effect")


def darker(share=2, seen=None):
    """A model that divides by `share`; counts in `seen`."""

    def restore(blur):
        if seen is not None:
            seen.append(blur)
        return Restored(blur // share)

    return ModelRestorer("dark", restore)


@pytest.fixture
def begin(data_set, tmp_path):
    """Evaluates into `out`: with FIRST unless other metrics are named."""

    def evaluated(out="out", **options):
        given = {"restore": darker(), "name": "dark", "metrics": FIRST} | options
        return evaluate(open_data(data_set), tmp_path / out, **given)

    return evaluated


@pytest.fixture
def add(data_set, tmp_path):
    return lambda out="out", **options: add_metrics(
        open_data(data_set), tmp_path / out, **{"metrics": NEW} | options
    )


def rows(folder):
    """The lines of a result, times aside."""
    return [
        row | {"milliseconds": None, "check": ""} for row in read_jsonl(folder / "results.jsonl")
    ]


def contents(folder):
    """Every file but locks."""
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_kept_pictures_give_the_rows_of_a_result_that_had_the_metric_from_the_start(
    begin, add, tmp_path
):
    begin(save_restored=True)
    assert len(list((tmp_path / "out" / "restored").iterdir())) == 10
    begin("whole", metrics=ALL)
    done = add()
    assert list(done.means) == list(ALL)
    assert rows(tmp_path / "out") == rows(tmp_path / "whole")
    out, whole = (read_json(tmp_path / name / "summary.json") for name in ("out", "whole"))
    assert (out["metrics"], out["means"]) == (whole["metrics"], whole["means"])
    assert (out["added"], out["provenance"]) == (list(NEW), whole["provenance"])
    assert out["milliseconds_median"] > 0
    assert not (tmp_path / "out" / ADDING).exists()
    assert read_result(tmp_path / "out").metrics == list(ALL)


def test_what_was_added_is_gone_on_with_by_the_first_command_and_by_the_second(
    begin, add, tmp_path
):
    begin(save_restored=True)
    add()
    before = contents(tmp_path / "out")
    assert add().notes == ["nothing to add: it has blur-effect already"]
    assert contents(tmp_path / "out") == before
    assert list(begin().means) == list(ALL)
    with pytest.raises(UserError, match="another metrics"):
        begin(metrics=("psnr",))


def test_without_kept_pictures_they_are_restored_again(begin, add, tmp_path):
    begin()
    begin("whole", metrics=ALL)
    with pytest.raises(UserError, match=r"keeps no restored pictures .* --checkpoint RUN"):
        add()
    add(restore=darker(), name="dark")
    assert rows(tmp_path / "out") == rows(tmp_path / "whole")


def test_the_blurred_pictures_need_no_naming(begin, add, tmp_path):
    begin(restore=Identity(), name="identity")
    add()
    assert read_result(tmp_path / "out").metrics == list(ALL)


def test_other_pictures_are_refused_at_the_first_and_nothing_changes(begin, add, tmp_path):
    begin()
    before, seen = contents(tmp_path / "out"), []
    with pytest.raises(UserError, match=r"crop-0 has psnr .*another restored picture .*weights"):
        add(restore=darker(3, seen), name="dark")
    assert len(seen) == 1
    assert contents(tmp_path / "out") == before


def test_a_kept_picture_that_changed_is_found_wherever_it_is(begin, add, tmp_path):
    begin(save_restored=True)
    kept = tmp_path / "out" / "restored"
    (kept / "crop-7.png").write_bytes((kept / "crop-6.png").read_bytes())
    before = (tmp_path / "out" / "results.jsonl").read_bytes()
    with pytest.raises(UserError, match=r"crop-7 has psnr .*nothing was added"):
        add()
    assert (tmp_path / "out" / "results.jsonl").read_bytes() == before
    assert read_result(tmp_path / "out").metrics == list(FIRST)
    # The mend that the refusal names.
    (kept / "crop-7.png").unlink()
    begin(save_restored=True)
    add()
    begin("whole", save_restored=True, metrics=ALL)
    assert rows(tmp_path / "out") == rows(tmp_path / "whole")


def test_files_that_changed_since_are_named_and_scored_again_before_metrics_are_added(
    begin, add, tmp_path
):
    begin("of-a-model", save_restored=True)
    files = tmp_path / "of-a-model" / "restored"

    def theirs():
        return {"restore": FolderRestorer(files), "name": "theirs"}

    begin(**theirs())
    image = read_image(files / "crop-7.png")
    image[:4, :4] = 255
    (files / "crop-7.png").write_bytes(encode(image))  # of the same size, and whole
    told = "1 restored picture changed since, first that of crop-7; score again with --overwrite"
    with pytest.raises(UserError, match=told):
        add(**theirs())
    assert read_result(tmp_path / "out").metrics == list(FIRST)
    begin(**theirs(), overwrite=True)
    add(**theirs())
    begin("whole", **theirs(), metrics=ALL)
    assert rows(tmp_path / "out") == rows(tmp_path / "whole")


def test_other_options_are_refused(begin, add, make_data_set, tmp_path):
    begin(save_restored=True)
    for options, told in (
        ({"protocol": "wang-y"}, "another protocol"),
        ({"name": "other"}, "another model"),
    ):
        with pytest.raises(UserError, match=told):
            add(**options)
    other = make_data_set(tmp_path / "other", count=3)
    with pytest.raises(UserError, match="another data"):
        add_metrics(open_data(other), tmp_path / "out", metrics=NEW)
    with pytest.raises(UserError, match="no such file"):
        add("nothing")


def test_what_kept_pictures_cannot_tell_is_refused(begin, add):
    begin(save_restored=True, protocol="mimo-float", metrics=("psnr",))
    with pytest.raises(UserError, match="scores more than the 8 bits that it kept"):
        add(metrics=("ssim",), protocol="mimo-float")


def test_an_interrupted_call_goes_on_where_it_was(begin, add, tmp_path):
    begin()
    begin("whole", metrics=ALL)
    before, seen = rows(tmp_path / "out"), []

    def interrupted(blur):
        if len(seen) == 6:
            raise KeyboardInterrupt
        return darker(2, seen).function(blur)

    with pytest.raises(KeyboardInterrupt):
        add(restore=ModelRestorer("dark", interrupted), name="dark")
    assert rows(tmp_path / "out") == before
    assert read_result(tmp_path / "out").metrics == list(FIRST)
    again = []
    add(restore=darker(2, again), name="dark")
    assert len(again) == 10 - 4 + 2  # 4 were done; a first look, and one that is not timed
    assert rows(tmp_path / "out") == rows(tmp_path / "whole")


def test_a_picture_that_cannot_be_scored_leaves_the_result_as_it_was(begin, add, tmp_path):
    begin(save_restored=True)
    (tmp_path / "out" / "restored" / "crop-4.png").unlink()
    done = add()
    assert (done.failed, done.skipped[0].id) == (1, "crop-4")
    assert "nothing was added: blur-effect needs all of the pictures" in str(done)
    assert read_result(tmp_path / "out").metrics == list(FIRST)


def in_turn(function, shards, _workers):
    """`run_shards` in this process, with what travels packed and unpacked."""
    for shard in shards:
        yield Done(shard, pickle.loads(pickle.dumps(partial(function, shard)))(), False)


def test_workers_add_and_keep_the_same(begin, add, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "run_shards", in_turn)
    monkeypatch.setattr(engine, "_held", {})
    monkeypatch.setattr(spread, "one_thread", lambda: None)
    for out, workers in (("here", Workers()), ("two", Workers(2))):
        begin(out, restore=Identity(), name="x", save_restored=True, workers=workers)
        kept = tmp_path / out / "restored"
        assert len(list(kept.iterdir())) == 10
        add(out, workers=workers)
    assert rows(tmp_path / "two") == rows(tmp_path / "here")
    assert contents(tmp_path / "two").keys() == {
        tmp_path / "two" / path.relative_to(tmp_path / "here")
        for path in contents(tmp_path / "here")
    }


def test_on_the_command_line(data_set, tmp_path, capsys, monkeypatch):
    def load(_run, name, _device):
        return ModelRestorer(name, lambda blur: Restored(blur // 2))

    monkeypatch.setattr("blurbench.scoring.evaluate.trained", load)
    words = ["evaluate", "--data", str(data_set), "--out", str(tmp_path / "out")]
    runs = ["--checkpoint", "one=a", "two=a"]
    assert run([*words, *runs, "--metrics", "psnr"]) == 0
    assert run([*words, *runs, "--add", "ssim"]) == 0
    for name in ("one", "two"):
        found = read_result(tmp_path / "out" / name)
        assert (found.model, found.metrics) == (name, ["psnr", "ssim"])
    assert run([*words, "--checkpoint", "a/b=a", "c"]) == 2
    assert "without '/'" in capsys.readouterr().err
    assert run([*words, "--add", "ssim", "--metrics", "psnr"]) == 2
    assert "--add takes the place of --metrics" in capsys.readouterr().err
    assert run([*words, "--add", "ssim", "--overwrite"]) == 2
    assert run(words) == 2


def test_kept_pictures_are_completed_for_a_result_that_had_none(begin, tmp_path):
    begin()
    before = rows(tmp_path / "out")
    begin(save_restored=True)
    assert rows(tmp_path / "out") == before
    assert len(list((tmp_path / "out" / "restored").iterdir())) == 10
    assert np.unique([row["metrics"]["psnr"] for row in before]).size > 1
