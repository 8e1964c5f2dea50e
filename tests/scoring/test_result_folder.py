"""What a RESULT folder holds: written and read back, from 0.1.0 on, and whatever is wrong in it."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench.errors import UserError
from blurbench.files import read_json, read_jsonl
from blurbench.ranking.report import leaderboard
from blurbench.ranking.results import read_result
from blurbench.schemas.seals import sealed
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import Identity
from blurbench.scoring.result_folder import (
    FORMAT,
    PICTURES,
    ResultSummary,
    ScoredPicture,
    parse,
    read_pictures,
    read_summary,
    sample_file,
    write_pictures,
    write_summary,
)

OLD = Path(__file__).parents[1] / "golden" / "result-0.1.0"
RESULTS = [OLD / name for name in ("identity", "unet-seed0", "unet-seed1")]


@pytest.mark.parametrize("folder", RESULTS, ids=lambda folder: folder.name)
def test_a_result_of_0_1_0_reads_whole_and_is_written_back_the_same(folder, tmp_path):
    summary, pictures = read_summary(folder), [picture for _, picture in read_pictures(folder)]
    write_pictures(tmp_path, pictures)
    for old, new in zip(
        read_jsonl(folder / PICTURES), read_jsonl(tmp_path / PICTURES), strict=True
    ):
        assert list(new.items()) == list(sealed(old).items())
    write_summary(tmp_path, summary)
    old, new = (read_json(each / "summary.json") for each in (folder, tmp_path))
    assert new == sealed({"format": FORMAT, **old})


def test_results_of_0_1_0_make_the_leaderboard_that_0_1_0_made(tmp_path):
    made = leaderboard(RESULTS, tmp_path)
    lines = [
        list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        for path in (made.csv, OLD / "leaderboard.csv")
    ]
    assert lines[0] == lines[1]  # in another order of columns
    assert made.page.stat().st_size > 0


def test_a_result_of_0_1_0_goes_on_where_it_stopped(make_data_set, tmp_path):
    data = make_data_set(tmp_path / "crops", count=6)
    shutil.copytree(OLD / "identity", tmp_path / "out")
    path = tmp_path / "out" / "results.jsonl"
    whole = path.read_text()
    path.write_text("".join(whole.splitlines(keepends=True)[:2]))
    seen = []

    class Watched(Identity):
        def restore(self, blur, row):
            seen.append(row["id"])
            return super().restore(blur, row)

    evaluate(open_data(data), tmp_path / "out", restore=Watched(), name="identity")
    assert seen == ["crop-2", "crop-3", "crop-4", "crop-5"]
    old, new = (
        [json.loads(line) for line in text.splitlines()] for text in (whole, path.read_text())
    )
    for before, after in zip(old, new, strict=True):
        assert after["metrics"] == pytest.approx(before.pop("metrics"), abs=1e-9)
        assert {key: after[key] for key in before} == before
    assert read_json(tmp_path / "out" / "summary.json")["format"] == FORMAT
    with pytest.raises(UserError, match="another model"):
        evaluate(open_data(data), tmp_path / "out", restore=Identity(), name="other")


SUMMARY, PICTURE = (
    json.loads(text)
    for text in (
        (OLD / "unet-seed0" / "summary.json").read_text(),
        (OLD / "unet-seed0" / "results.jsonl").read_text().splitlines()[0],
    )
)
WRONG = [
    (ResultSummary, {"model": 7}, "model: should be a valid string"),
    (ResultSummary, {"data": []}, "data: should be an object"),
    (ResultSummary, {"data": {**SUMMARY["data"], "digest": None}}, "data.digest: should be a"),
    (ResultSummary, {"metrics": "psnr"}, "metrics: should be a valid array"),
    (ResultSummary, {"metrics": ["psnr", 1]}, "metrics.1: should be a valid string"),
    (ResultSummary, {"provenance": None}, "provenance: should be an object"),
    (ResultSummary, {"provenance": {"seed": "0"}}, "provenance.seed: should be a valid integer"),
    (ResultSummary, {"provenance": {"params": 10**30}}, "provenance.params: should be less"),
    (ResultSummary, {"means": {"psnr": float("nan")}}, "means.psnr: should be a finite number"),
    (ResultSummary, {"skipped": [{"id": "a"}]}, "lacks the field skipped.0.why"),
    (ResultSummary, {"environment": None}, "environment: should be an object"),
    (ResultSummary, {"format": "blurbench result 3"}, "format: is none that"),
    (ScoredPicture, {"metrics": {"psnr": "30"}}, "metrics.psnr: should be a valid number"),
    (ScoredPicture, {"metrics": {"psnr": float("inf")}}, "metrics.psnr: should be a finite number"),
    (ScoredPicture, {"metrics": {"psnr": 1e300}}, "metrics.psnr: should be less than 1"),
    (ScoredPicture, {"metrics": [30.0]}, "metrics: should be an object"),
    (ScoredPicture, {"severity": True}, "severity: should be a valid number"),
    (ScoredPicture, {"groups": {"family": 3}}, "groups.family: should be a valid string"),
    (ScoredPicture, {"id": None}, "id: should be a valid string"),
]


@pytest.mark.parametrize(("kind", "changes", "told"), WRONG)
def test_a_wrong_field_is_named_with_its_file_and_the_mend(kind, changes, told):
    whole = SUMMARY if kind is ResultSummary else PICTURE
    with pytest.raises(UserError) as error:
        parse(kind, json.dumps(whole | changes).encode(), "x.json")
    assert str(error.value).startswith(f"x.json: {told}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [b"", b"{", b'{"model": \xff}', b"[" * 9999, b"1" * 9999])
def test_what_is_no_json_is_told_in_one_line(text):
    with pytest.raises(UserError, match=r"^x\.json: not valid JSON \(.*; make it again with"):
        parse(ResultSummary, text, "x.json")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


def places(value, path=()):
    """Every place in a JSON document, as the keys that lead to it."""
    yield path
    inner = value.items() if isinstance(value, dict) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def changed(value, path, other):
    """`value` with another one at a place."""
    if not path:
        return other
    return {**value, path[0]: changed(value[path[0]], path[1:], other)}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scratch") / "result"
    shutil.copytree(OLD / "unet-seed0", folder)
    return folder


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_a_file_there_is_a_board_or_one_line(scratch, data):
    """Any value at any place of either file: never a traceback."""
    which = data.draw(st.sampled_from(["summary.json", "results.jsonl"]))
    document = SUMMARY if which == "summary.json" else PICTURE
    place = data.draw(st.sampled_from(list(places(document))))
    text = json.dumps(changed(document, place, data.draw(VALUES)))
    shutil.copy(OLD / "unet-seed0" / "summary.json", scratch)
    shutil.copy(OLD / "unet-seed0" / "results.jsonl", scratch)
    (scratch / which).write_text(text + "\n")
    try:
        leaderboard([scratch], scratch / "out")
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.fixture(scope="module")
def whole_result(data_set, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "identity"
    evaluate(open_data(data_set), out, restore=Identity(), name="identity")
    return out


@pytest.fixture
def copy(whole_result, tmp_path):
    return shutil.copytree(whole_result, tmp_path / "copy")


def edit(path, line, change):
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = change(lines[line])
    path.write_bytes(b"".join(lines))


EDITS = {
    "a digit": lambda line: re.sub(rb'("psnr": \d+\.\d)(\d)', lambda m: m[1] + flip(m[2]), line),
    "a name": lambda line: line.replace(b"crop-3", b"crop-7"),
    "a label": lambda line: line.replace(b'"line"', b'"disk"'),
    "a field gone": lambda line: re.sub(rb'"severity": [\d.]+, ', b"", line),
    "the seal": lambda line: line[:-4] + flip(line[-4:-3]) + line[-3:],
}


def flip(digit):
    return b"%d" % (int(digit, 16) ^ 1 if digit.isdigit() else 3)


@pytest.mark.parametrize("change", EDITS.values(), ids=EDITS)
def test_a_changed_line_is_refused_by_boards_and_scored_again(change, copy, data_set, capsys):
    path = copy / PICTURES
    before = path.read_bytes()
    edit(path, 3, change)
    assert path.read_bytes() != before
    told = f"{path}: line 4: was changed since it was written"
    with pytest.raises(UserError, match=rf"{re.escape(told)}; make it again with"):
        read_result(copy)
    evaluate(open_data(data_set), copy, restore=Identity(), name="identity")
    assert f"{told}; its picture is scored again" in capsys.readouterr().err
    assert scores(path.read_bytes()) == scores(before)
    read_result(copy)


def scores(data):
    return [(row["id"], row["metrics"]) for row in map(json.loads, data.splitlines())]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"complete": true', '"complete": true, "tiles": {}'),
        lambda text: text.replace('"images": 10', '"images": 9', 1),
        lambda text: text.replace('"processor": ', '"process": '),
        lambda text: text.replace(": [", ": [ ") + " ",
    ],
)
def test_a_changed_summary_is_refused(change, copy, data_set):
    path = copy / "summary.json"
    text = path.read_text()
    path.write_text(change(text))
    assert path.read_text() != text
    if json.loads(text) == json.loads(path.read_text()):
        read_result(copy)  # other blanks are no other result
        return
    told = "was changed since it was written; make it again in another folder, or give"
    for read in (
        lambda: read_result(copy),
        lambda: evaluate(open_data(data_set), copy, restore=Identity(), name="identity"),
    ):
        with pytest.raises(UserError, match=told):
            read()


def test_a_line_that_is_gone_or_there_twice_is_told(copy):
    path = copy / PICTURES
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(UserError, match=r"json has 10 pictures, results\.jsonl 9; make it"):
        read_result(copy)
    path.write_bytes(b"".join([*lines, lines[0]]))
    with pytest.raises(UserError, match="is there twice"):
        read_result(copy)


def test_what_has_no_seals_is_told_once_to_be_unchecked(tmp_path, capsys):
    old = shutil.copytree(OLD / "identity", tmp_path / "old")
    for _ in range(2):
        read_result(old)
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"{old / name}: written before there were checks: unchecked"
        for name in ("summary.json", PICTURES)
    ]


def test_a_sample_lies_inside_its_result(tmp_path):
    assert sample_file(tmp_path, "a", "blur") == tmp_path / "samples" / "a__blur.png"
    with pytest.raises(UserError, match="leads out of this folder"):
        sample_file(tmp_path, "../../a", "blur")


def test_an_unfinished_result_is_no_result(make_data_set, tmp_path):
    data = make_data_set(tmp_path / "crops", count=2)

    class Interrupted(Identity):
        def restore(self, blur, row):  # noqa: ARG002
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(open_data(data), tmp_path / "out", restore=Interrupted(), name="i")
    begun = read_json(tmp_path / "out" / "summary.json")
    assert (begun["format"], begun["complete"]) == (FORMAT, False)
    assert not {"images", "means", "repeats", "using"} & begun.keys()
    with pytest.raises(UserError, match="is not finished; run the same"):
        read_result(tmp_path / "out")
