"""What a result says of pictures whose sources the training saw, and what boards make of it."""

import csv
import shutil

import pytest
import tiny_data

from blurbench.__main__ import run as blurbench
from blurbench.datasets.index import index
from blurbench.datasets.make import synthesize
from blurbench.files import read_json, read_jsonl, sha256, write_json
from blurbench.ranking.report import leaderboard
from blurbench.recipes.recipe import load_any_recipe
from blurbench.runs.seen import Seen, write_seen
from blurbench.runs.trained import Restored
from blurbench.schemas.seals import sealed
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import Identity, ModelRestorer
from blurbench.sources.open import open_source


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Data sets of one folder and of its copy under other names, so that it is split otherwise."""
    root = tmp_path_factory.mktemp("copies")
    tiny_data.write_photos(root / "one", 24)
    (root / "other").mkdir()
    for file in (root / "one").iterdir():
        shutil.copy(file, root / "other" / f"copied-{file.name}")
    splits = {"train": 0.4, "val": 0.2, "test": 0.4}
    recipe = tiny_data.flow_recipe(splits=splits, replicas={})
    for name in ("one", "other"):
        synthesize(recipe, open_source(str(root / name)), root / f"{name}-set")
    return root / "one-set", root / "other-set"


def rows(data, split):
    return list(read_jsonl(data / split / "metadata.jsonl"))


def record(run, ways, *, init_unknown=False):
    """Let a finished run have seen these sources."""
    config = read_json(run / "config.json")
    config["data"]["sources"] = write_seen(run, Seen(ways, init_unknown))
    write_json(run / "config.json", config)


def learnt_from(run, data):
    """Let a finished run have learnt from a data set; gives the sources by their ways."""
    ways = {row["source_sha256"]: split for split in ("val", "train") for row in rows(data, split)}
    record(run, ways)
    return ways


def score(data, run, out, name="unet"):
    """As `trained` restores, without the time of a network."""
    restore = ModelRestorer(name, Restored, {"device": "cpu"})
    restore.checkpoint = run
    return evaluate(open_data(data), out, restore=restore, name=name)


def test_copies_of_one_folder_that_are_split_otherwise_leak(copies, finished, tmp_path):
    ways = learnt_from(finished, copies[0])
    tested = {row["id"]: ways.get(row["source_sha256"]) for row in rows(copies[1], "test")}
    found = list(tested.values())
    assert {"train", "val", None} <= set(found)  # or there would be nothing to tell apart

    told = str(score(copies[1], finished, tmp_path / "unet")).splitlines()
    leaks = read_json(tmp_path / "unet" / "summary.json")["leaks"]
    first = next(id for id, way in tested.items() if way)
    assert leaks == {
        "train": found.count("train"),
        "init": 0,
        "val": found.count("val"),
        "first": first,
        "unchecked": "",
    }
    (line,) = (line for line in told if "warning" in line)
    assert f"unet trained on the sources of {found.count('train')} picture" in line
    assert f"chose its weights by the sources of {found.count('val')} picture" in line
    assert f"(first {first})" in line

    score(copies[0], finished, tmp_path / "own")
    own = read_json(tmp_path / "own" / "summary.json")["leaks"]
    assert (own["train"], own["val"], own["first"]) == (0, 0, "")


@pytest.fixture
def results(copies, finished, tmp_path):
    """Of identity, of a run that saw what it is tested on, and of one that tells nothing."""
    identity = tmp_path / "identity"
    evaluate(open_data(copies[1]), identity, restore=Identity(), name="identity")
    score(copies[1], finished, tmp_path / "older", name="older")
    learnt_from(finished, copies[0])
    score(copies[1], finished, tmp_path / "leaky", name="leaky")
    return [identity, tmp_path / "older", tmp_path / "leaky"]


def test_boards_show_it_and_do_not_rank_it(results, tmp_path):
    made = leaderboard(results, tmp_path / "board", compare=("older", "leaky"))
    (board,) = made.boards
    assert [entry.result.model for entry in board.entries] == ["identity", "older", "leaky"]
    lines = list(csv.DictReader(made.csv.read_text().splitlines()))
    assert [bool(line["rank"]) for line in lines] == [True, True, False]
    assert [line["psnr_mean"] != "" for line in lines] == [True] * 3
    pictures = read_json(results[2] / "summary.json")["leaks"]
    seen = str(pictures["train"] + pictures["val"])
    # Nothing is known of the older one, and a baseline learns nothing.
    assert [line["seen_in_training"] for line in lines] == ["", "", seen]
    assert "not ranked: leaky (trained on the sources of " in str(made)
    page = made.page.read_text()
    assert f"unranked: training saw {seen} of {board.images}" in page
    assert "leaky is not ranked: trained on" in page
    assert "leaky" not in {model for one in board.comparisons.values() for model in one.models}

    # Taken into another board, the line keeps what is known of it.
    quoted = tmp_path / "theirs.csv"
    quoted.write_bytes(made.csv.read_bytes())
    (again,) = leaderboard([quoted], tmp_path / "again").boards
    saw = [f"saw the sources of {seen} picture" in one.result.unranked for one in again.entries]
    assert sorted(saw) == [False, False, True]


def test_what_cannot_be_checked_is_told_once(copies, finished, tmp_path):
    told = str(score(copies[0], finished, tmp_path / "unet"))
    assert told.count("unchecked") == 1
    assert "begun before runs recorded their sources" in told
    leaks = read_json(tmp_path / "unet" / "summary.json")["leaks"]
    assert list(leaks) == ["unchecked"]
    assert str(finished.parent) not in leaks["unchecked"]  # no path of this machine
    done = leaderboard([tmp_path / "unet"], tmp_path / "board")
    assert not done.boards[0].entries[0].result.unranked

    record(finished, {}, init_unknown=True)
    told = str(score(copies[0], finished, tmp_path / "begun-elsewhere"))
    assert "unchecked for sources that it has seen: what its first weights" in told


def test_a_result_that_was_made_before_is_told_when_it_is_made_again(copies, finished, tmp_path):
    score(copies[1], finished, tmp_path / "out")
    summary = read_json(tmp_path / "out" / "summary.json")
    pictures = (tmp_path / "out" / "results.jsonl").read_bytes()
    del summary["leaks"]
    write_json(tmp_path / "out" / "summary.json", sealed(summary))
    # Its run tells nothing either; so nothing that makes the result what it is has changed.
    score(copies[1], finished, tmp_path / "out")
    assert read_json(tmp_path / "out" / "summary.json")["leaks"].keys() == {"unchecked"}
    assert (tmp_path / "out" / "results.jsonl").read_bytes() == pictures


def test_sets_of_pairs_are_known_by_their_sharp_files(finished, tmp_path):
    theirs = tmp_path / "theirs" / "test"
    tiny_data.write_photos(theirs / "sharp", 3)
    tiny_data.write_photos(theirs / "blur", 3, first=50)
    for number in range(3):
        (theirs / "blur" / f"05{number}.png").rename(theirs / "blur" / f"00{number}.png")
    index(load_any_recipe("pairs"), str(tmp_path / "theirs"), tmp_path / "index")
    sharp = theirs / "sharp" / "001.png"
    record(finished, {sha256(sharp.read_bytes()): "init"})
    told = str(score(tmp_path / "index", finished, tmp_path / "unet"))
    assert "began with weights trained on the sources of 1 picture (first " in told


def test_what_was_not_trained_says_nothing(data_set, tmp_path):
    done = evaluate(open_data(data_set), tmp_path / "i", restore=Identity(), name="identity")
    assert "leaks" not in read_json(tmp_path / "i" / "summary.json")
    assert done.notes == []


def test_a_command_warns_and_goes_on(data_set, finished, tmp_path, capsys):
    record(finished, {rows(data_set, "test")[3]["sharp_sha256"]: "val"})
    words = ["evaluate", "--data", str(data_set), "--checkpoint", str(finished)]
    words += ["--metrics", "psnr", "--device", "cpu", "--out"]
    assert blurbench([*words, str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "warning: unet chose its weights by the sources of 1 picture (first crop-3); " in told
