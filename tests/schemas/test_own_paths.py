"""No published file says where the files of its author lie."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_results import write_data_set

from blurbench.errors import UserError
from blurbench.files import json_document, read_json, write_json
from blurbench.ranking.results import read_result
from blurbench.ranking.submissions.add import Behind, add
from blurbench.runs.folder import read_config
from blurbench.runs.trained import Restored
from blurbench.schemas.own_paths import told_to_others
from blurbench.schemas.seals import sealed
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import ModelRestorer, trained
from blurbench.training.train import train

TEACHER = "/home/somebody/weights/teacher.pth"


@pytest.mark.parametrize(
    "path", [TEACHER, r"C:\Users\somebody\teacher.pth", r"\\host\d\teacher.pth"]
)
def test_of_a_path_the_name_is_left_and_the_seal_is_of_what_is_left(path):
    document = {"config": {"teacher_weights": path, "files": [path, "a/b.pth"]}, "steps": 3}
    left = {"config": {"teacher_weights": "teacher.pth", "files": ["teacher.pth", "a/b.pth"]}}
    assert json.loads(told_to_others(json_document(document))) == {**left, "steps": 3}
    assert json.loads(told_to_others(json_document(sealed(document)))) == sealed(
        {**left, "steps": 3}
    )


leaves = (
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a", "a/b", "https://a/b"])
)
documents = st.dictionaries(st.text("ab"), st.recursive(leaves, st.lists, max_leaves=5))


@given(documents)
def test_what_has_no_path_stays_to_the_byte(document):
    data = json_document(sealed(document))
    assert told_to_others(data) == data


def test_rows_of_a_board_do_not_tell_where_their_author_has_files(tmp_path):
    data, run = write_data_set(tmp_path / "data"), tmp_path / "run"
    learnt = write_data_set(tmp_path / "learnt", split="train")
    small = {"teacher_weights": "random", "crop_size": 32, "crops": [], "batches": []}
    train("sp", learnt, run, preset="tiny", steps=1, device="cpu", overrides=small)
    config = read_json(run / "config.json")
    config["config"]["teacher_weights"] = TEACHER
    write_json(run / "config.json", sealed(config))
    evaluate(open_data(data), tmp_path / "r", restore=trained(run, "mine", "cpu"), name="mine")
    row = add(tmp_path / "r", tmp_path / "board", Behind(weights=run))
    assert read_config(row)["config"]["teacher_weights"] == "teacher.pth"
    read_result(row)
    assert not any(b"somebody" in file.read_bytes() for file in row.iterdir())


def scored(out, data, weights):
    told = {"config": {"teacher_weights": weights}}
    restore = ModelRestorer("net", Restored, told)
    return evaluate(open_data(data), out, restore=restore, name="net")


def test_results_that_told_of_more_than_names_are_gone_on_with(tmp_path):
    data = write_data_set(tmp_path / "data")
    scored(tmp_path / "r", data, TEACHER)
    scored(tmp_path / "r", data, "teacher.pth")
    with pytest.raises(UserError, match="another provenance"):
        scored(tmp_path / "r", data, "other.pth")
