"""Restored pictures that changed since they were scored."""

import re
import shutil

import numpy as np
import pytest

from blurbench.__main__ import run
from blurbench.errors import UserError
from blurbench.files import read_json, read_jsonl, write_bytes, write_json, write_jsonl
from blurbench.images import encode
from blurbench.runs.trained import Restored
from blurbench.schemas.seals import sealed
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import FolderRestorer, ModelRestorer

GREY = encode(np.full((20, 24, 3), 90, np.uint8))


@pytest.fixture
def restored(data_set, tmp_path):
    return shutil.copytree(data_set / "test" / "blur", tmp_path / "restored")


@pytest.fixture
def score(data_set, restored, tmp_path):
    return lambda out="out", **options: evaluate(
        open_data(data_set),
        tmp_path / out,
        **{"restore": FolderRestorer(restored), "name": "theirs"} | options,
    )


def rows(folder):
    return list(read_jsonl(folder / "results.jsonl"))


def test_changed_pictures_are_refused_by_name_and_scored_again_when_asked(
    score, restored, tmp_path
):
    score(save_restored=True)
    old = rows(tmp_path / "out")
    for name in ("crop-3", "crop-8"):
        write_bytes(restored / f"{name}.png", GREY)
    refused = r"2 restored pictures changed since, first that of crop-3; .* --overwrite"
    with pytest.raises(UserError, match=refused):
        score(save_restored=True)
    assert rows(tmp_path / "out") == old
    # What is as it was is not looked at again.
    marked = [row | {"groups": {"family": "as it was"}} for row in old]
    write_jsonl(tmp_path / "out" / "results.jsonl", (sealed(row) for row in marked))
    done = score(save_restored=True, overwrite=True)
    assert done.notes == ["scored again: 2 restored pictures changed since, first that of crop-3"]
    now, fresh = rows(tmp_path / "out"), score("fresh")
    assert done.means == fresh.means
    again = [row["id"] for row in now if row["groups"] != {"family": "as it was"}]
    assert again == ["crop-3", "crop-8"]
    kept = tmp_path / "out" / "restored" / "crop-3.png"
    assert kept.read_bytes() == GREY
    assert score(save_restored=True).notes == []


def test_a_picture_that_was_missing_is_no_change(score, restored):
    (restored / "crop-5.png").rename(restored.parent / "crop-5.png")
    assert score().failed == 1
    (restored.parent / "crop-5.png").rename(restored / "crop-5.png")
    done = score()
    assert (done.failed, done.images) == (0, 10)


def test_a_result_that_does_not_tell_its_pictures_is_scored_anew(score, restored, tmp_path):
    score()
    older = [
        {key: value for key, value in row.items() if key not in ("check", "restored_sha256")}
        for row in rows(tmp_path / "out")
    ]
    write_jsonl(tmp_path / "out" / "results.jsonl", older)
    assert score().failed == 0
    write_bytes(restored / "crop-3.png", GREY)
    with pytest.raises(UserError, match="does not tell which of its 10 restored pictures changed"):
        score()
    assert score(overwrite=True).means == score("fresh").means


def test_other_weights_are_scored_again_when_asked(score):
    def model(share):
        return ModelRestorer("m", lambda blur: Restored(blur // share), {"run_hash": str(share)})

    score(restore=model(1), name="m")
    with pytest.raises(UserError, match=r"10 pictures of other weights; .*--overwrite"):
        score(restore=model(2), name="m")
    with pytest.raises(UserError, match="another model") as told:
        score(restore=model(2), name="n", overwrite=True)
    assert not re.search("--overwrite", str(told.value))
    assert score(restore=model(2), name="m", overwrite=True).means == (
        score("fresh", restore=model(2), name="m").means
    )


def test_no_old_score_stands_under_a_new_summary(score, restored, tmp_path, monkeypatch):
    """A kill between the two writes, at the worst moment."""
    score()
    write_bytes(restored / "crop-3.png", GREY)
    summary = read_json(tmp_path / "out" / "summary.json")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("blurbench.scoring.evaluate.write_summary", killed)
    with pytest.raises(KeyboardInterrupt):
        score(overwrite=True)
    monkeypatch.undo()
    assert read_json(tmp_path / "out" / "summary.json") == summary
    write_json(tmp_path / "out" / "summary.json", summary)
    assert score().means == score("fresh").means


def test_the_options_of_the_command(data_set, restored, tmp_path, capsys):
    words = ["evaluate", "--data", str(data_set), "--restored", str(restored), "--out"]
    assert run([*words, str(tmp_path / "out"), "--save-restored"]) == 0
    write_bytes(restored / "crop-1.png", GREY)
    assert run([*words, str(tmp_path / "out"), "--save-restored"]) == 2
    assert "crop-1; score again with --overwrite" in capsys.readouterr().err
    assert run([*words, str(tmp_path / "out"), "--save-restored", "--overwrite"]) == 0
    assert "scored again: 1 restored picture changed since" in capsys.readouterr().out
