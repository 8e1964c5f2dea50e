"""Whose folder it is: one refusal for data sets, exports, runs, results and reproductions."""

import pytest

from blurbench.errors import UserError
from blurbench.out_folder import Claim, changed, refuse_overwriting
from blurbench.stores.open import open_store

CLAIM = Claim("a run", (".work/plan.json", "run.json"), frozenset({"failures.jsonl"}))


@pytest.fixture(params=["folder", "file", "memory"])
def place(request, tmp_path):
    url = {"folder": "", "file": "file://", "memory": "memory://"}[request.param]
    return f"{url}{tmp_path}/out"


def test_a_folder_that_holds_nothing_yet_may_be_taken(place):
    store = open_store(place)
    assert CLAIM.find(store) is None
    # What a killed run leaves before it could say what it makes; and what is nobody's.
    for name in (".lock", ".tmp-x.json", ".work/.lock", "failures.jsonl", ".DS_Store"):
        store.write(name, b"")
    assert CLAIM.find(store) is None


def test_the_first_file_that_is_there_says_what_is_held(place):
    store = open_store(place)
    store.write_json("run.json", {})
    store.write("other.txt", b"")
    assert CLAIM.find(store) == "run.json"
    store.write_json(".work/plan.json", {})
    assert CLAIM.find(store) == ".work/plan.json"


def test_a_folder_of_something_else_is_refused(place):
    store = open_store(place)
    store.write("thesis.tex", b"")
    with pytest.raises(UserError, match=r"out: not empty, and not a run; give another --out"):
        CLAIM.find(store)
    if not place.startswith("file:"):  # there the driver has words of its own
        with pytest.raises(UserError, match=r"thesis.tex: is a file; give a folder as --out"):
            CLAIM.find(open_store(f"{place}/thesis.tex"))


def test_what_differs_is_named(place):
    there, wanted = {"seed": 1, "steps": 2, "old": 3}, {"seed": 1, "steps": 3, "rate": 1}
    told = ["steps (2 there, 3 asked for)", "rate (nothing there, 1 asked for)"]
    assert changed(there, wanted) == told
    assert changed([], wanted) == [
        "seed (nothing there, 1 asked for)",
        told[0].replace("2", "nothing"),
        told[1],
    ]
    nested = changed({"data": {"a": 1, "b": [1, 2]}}, {"data": {"a": 1, "b": [1, "x"]}})
    assert nested == ["data (b: 1 2 there, 1 x asked for)"]
    CLAIM.refuse_other(open_store(place), [])
    with pytest.raises(
        UserError, match=r"out: holds a run of another steps \(2 there, 3 asked for\), rate"
    ):
        CLAIM.refuse_other(open_store(place), changed(there, wanted))


def test_inputs_and_what_others_wrote_are_not_overwritten(tmp_path):
    mine, theirs, gone = (tmp_path / name for name in ("mine.csv", "theirs.csv", "gone.csv"))
    mine.write_text("ours")
    theirs.write_text("a thesis")

    def ours(path):
        return path.read_text() == "ours"

    refuse_overwriting([mine, gone], ours)
    with pytest.raises(UserError, match=r"theirs\.csv: is there, and not made by this; move it"):
        refuse_overwriting([mine, theirs], ours)
    (tmp_path / "link").symlink_to(mine)
    with pytest.raises(UserError, match=r"mine\.csv: would overwrite what is read"):
        refuse_overwriting([mine], ours, [tmp_path / "link"])
    gone.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"gone\.csv: is there"):
        refuse_overwriting([gone], ours)
