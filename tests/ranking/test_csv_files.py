import csv

import numpy as np
import pytest

from blurbench.errors import UserError
from blurbench.ranking.boards import make_boards
from blurbench.ranking.csv_files import read_csv
from blurbench.ranking.report import leaderboard

NOISE = np.random.default_rng(0).normal(0, 1, 20)
DIGEST = "d" * 64
QUOTED = (
    "model,images,recipe,split,protocol,digest,psnr_mean,psnr_low,psnr_high\n"
    "{},{},r,test,wang-rgb,{},{},{},{}\n"
)


def psnr(mean, count=20):
    return {f"id{index:02}": float(mean + NOISE[index]) for index in range(count)}


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def rows_of(model, scores, **more):
    return [{"model": model, "id": name, "psnr": value, **more} for name, value in scores.items()]


@pytest.fixture
def blur(make_result, tmp_path):
    return make_result(tmp_path / "blur", "identity", psnr(20), restored_by="identity")


def by_model(board):
    return {(entry.result.model, entry.result.origin): entry for entry in board.entries}


def test_scores_by_picture_that_name_their_board_are_ranked(blur, tmp_path):
    more = {"digest": DIGEST[:8], "protocol": "wang-rgb"}
    rows = rows_of("theirs", psnr(23), **more) + rows_of("worse", psnr(10), **more)
    [board] = make_boards([blur, write_csv(tmp_path / "them.csv", rows)])
    entries = by_model(board)
    assert entries["theirs", "them.csv"].scores["psnr"].rank == 1
    assert entries["theirs", "them.csv"].scores["psnr"].gain.mean == pytest.approx(3)
    assert entries["worse", "them.csv"].scores["psnr"].rank == 3
    assert board.comparisons["psnr"].duels["theirs", "identity"].wins == 20


def test_scores_that_name_no_board_are_shown_without_a_rank(blur, tmp_path):
    path = write_csv(tmp_path / "them.csv", rows_of("theirs", psnr(23)))
    [board] = make_boards([path, blur])
    entry = by_model(board)["theirs", "them.csv"]
    assert entry.scores["psnr"].rank is None
    assert "not stated" in entry.result.unranked
    assert by_model(board)["identity", ""].scores["psnr"].rank == 1
    assert board.comparisons == {}


def test_an_empty_cell_is_a_metric_that_does_not_apply(make_result, tmp_path):
    columns = {"metrics": ["psnr", "psnr-hair"]}
    rows = {name: {"metrics": {"psnr": v, "psnr-hair": v}} for name, v in psnr(20).items()}
    ours = make_result(tmp_path / "ours", "ours", psnr(20), rows=rows, **columns)
    more = {"digest": DIGEST, "protocol": "wang-rgb"}
    theirs = rows_of("theirs", psnr(23), **more)
    for index, row in enumerate(theirs):
        row["psnr-hair"] = row["psnr"] if index else ""
        row["psnr-skin"] = ""
    [board] = make_boards([ours, write_csv(tmp_path / "them.csv", theirs)])
    assert board.metrics == ["psnr", "psnr-hair"]
    entry = by_model(board)["theirs", "them.csv"]
    assert entry.scores["psnr"].rank == 1
    assert len(entry.result.scores["psnr-hair"]) == 19
    assert entry.scores["psnr-hair"].rank is None  # others have it on more pictures


def test_another_protocol_or_other_pixels_are_refused(blur, tmp_path):
    for more in (
        {"digest": "e" * 64, "protocol": "wang-rgb"},
        {"digest": DIGEST, "protocol": "wang-y"},
        {"digest": DIGEST[:4], "protocol": "wang-rgb"},
        {"digest": DIGEST, "protocol": "wang-rgb", "split": "val"},
    ):
        path = write_csv(tmp_path / "them.csv", rows_of("theirs", psnr(23), **more))
        with pytest.raises(UserError, match=r"line 2: no RESULT here has its data \(digest"):
            make_boards([blur, path])


def test_a_csv_that_could_go_on_two_boards_is_refused(blur, make_result, tmp_path):
    data = {"recipe": "crops", "split": "val", "digest": DIGEST, "images": 20}
    other = make_result(tmp_path / "val", "a", psnr(20), data=data)
    path = write_csv(tmp_path / "them.csv", rows_of("theirs", psnr(23)))
    with pytest.raises(UserError, match="several boards have its data"):
        make_boards([blur, other, path])


def test_a_leaderboard_is_quoted_on_its_board_and_never_ranked(blur, make_result, tmp_path):
    theirs = make_result(tmp_path / "theirs", "=theirs()", psnr(24))
    twin = make_result(tmp_path / "twin", "identity", psnr(20), restored_by="identity")
    other = {"recipe": "other", "split": "test", "digest": "f" * 64, "images": 20}
    elsewhere = make_result(tmp_path / "elsewhere", "x", psnr(2), data=other)
    made = leaderboard([theirs, twin, elsewhere], tmp_path / "made")
    boards = make_boards([blur, made.csv])
    assert [(board.recipe, len(board.entries)) for board in boards] == [("crops", 3), ("other", 1)]
    entries = by_model(boards[0])
    assert boards[0].entries[0].result.origin == ""
    quoted = entries["=theirs()", "leaderboard.csv"]
    assert quoted.scores["psnr"].estimate.mean == pytest.approx(24 + NOISE.mean(), abs=1e-3)
    assert quoted.scores["psnr"].estimate.low < quoted.scores["psnr"].estimate.mean
    assert (quoted.scores["psnr"].rank, quoted.missing) == (None, 0)
    assert not entries["identity", "leaderboard.csv"].result.is_baseline
    assert boards[1].entries[0].scores["psnr"].rank is None


def test_a_board_of_quoted_lines_alone_makes_a_page(make_result, tmp_path):
    first = leaderboard([make_result(tmp_path / "a", "a", psnr(20))], tmp_path / "first")
    again = leaderboard([first.csv], tmp_path / "again")
    [row] = csv.DictReader(again.csv.open())
    assert (row["model"], row["rank"], row["taken_from"]) == ("a", "", "leaderboard.csv")
    assert "from leaderboard.csv" in again.page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no rows"),
        ("a,b\n1,2\n", "needs the columns model and id"),
        ("model,id\na,id00\n", "has no column of a metric"),
        ("model,id,speed\na,id00,3\n", "a column is no metric: unknown metric 'speed'"),
        ("model,id,psnr\na,id00,nan\n", "line 2: psnr: 'nan' is not a finite number"),
        ("model,id,psnr\na,id00,1e308\n", "line 2: psnr: '1e308' is not a finite number"),
        ("model,id,psnr\na,id00,\n", "holds no score of 'a'"),
        ("model,id,psnr\n ,id00,1\n", "line 2: names no model"),
        ("model,id,psnr,psnr\na,id00,1,2\n", "has two columns called 'psnr'"),
        (QUOTED.format("a", 8, "d", 31, 32, 33), "line 2: psnr_mean lies outside of its interval"),
        (QUOTED.format("a", -3, "d", 31, 30, 33), "line 2: needs a digest, and a number of images"),
        (QUOTED.format("a", 8, "", 31, 30, 33), "line 2: needs a digest, and a number of images"),
        ("model,id,psnr\na,id00\n", "line 2 does not fit the header"),
        ("model,id,psnr\na,id00,1,2\n", "line 2 does not fit the header"),
        ("model,id,psnr\na,id00,1\na,id00,1\n", "line 3: 'id00' of 'a' is there twice"),
        ("model,id,psnr\na,nowhere,1\n", "no RESULT here has a picture called 'nowhere'"),
        ("model,id,psnr\nidentity,id00,1\n", "both called 'identity'"),
        (b"model,id,psnr\n\xff,id00,1\n", "not text in UTF-8"),
    ],
)
def test_what_is_wrong_with_a_csv_is_told_in_one_line(blur, tmp_path, text, message):
    path = tmp_path / "them.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message) as error:
        make_boards([blur, path])
    assert "\n" not in str(error.value)
    assert "them.csv" in str(error.value)


def test_a_name_that_looks_like_a_formula_comes_back_as_it_was(make_result, tmp_path):
    made = leaderboard([make_result(tmp_path / "a", "=a", {"x": 1.0})], tmp_path / "out")
    assert "'=a" in made.csv.read_text()
    assert {one.model for one in read_csv(made.csv, [])} == {"=a"}
