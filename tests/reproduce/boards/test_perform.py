"""An open board of seconds: made, gone on with, ranked again to the byte."""

import json
from dataclasses import replace

import pytest

from blurbench.datasets.dataset import BlurDataset
from blurbench.errors import UserError
from blurbench.locks import locked
from blurbench.ranking.submissions.entry import read_checks, read_entry
from blurbench.ranking.submissions.verify import rank, verify
from blurbench.recipes.recipe import Images, Replicas
from blurbench.reproduce.boards.open_board import BoardData, BoardRow, OpenBoard
from blurbench.reproduce.boards.perform import Poster
from blurbench.reproduce.boards.suites import OPEN_BOARDS, find_board
from blurbench.schemas.csv_rows import csv_rows
from blurbench.weights.shipped import SHIPPED, shipped_path

TINY = {
    "batch_size": 2,
    "crop_size": 32,
    "precision": "fp32",
    "ema": None,
    "widths": (4, 8),
    "blocks": (1, 1),
}
SCORED = BoardData(
    "small",
    "demo",
    "photos",
    "builtin:photos",
    "A small board",
    {"images": Images(train=4, val=0, test=6), "replicas": Replicas(train=1, test=1)},
)
SHOWN = BoardData(
    "look",
    "demo",
    "",
    "builtin:photos",
    "Pictures to look at, not ranked",
    {"images": Images(train=0, val=0, test=7)},
)
SMALL = OpenBoard(
    "board-small",
    "Small",
    SCORED,
    (SCORED,),
    (SHOWN,),
    (
        BoardRow("identity", "the blurred pictures", 1),
        BoardRow("lacking", "what is not there", 1, weights="weights/lacking"),
        BoardRow("unet", "two steps", 1, "unet", settings=TINY, steps=2),
    ),
    ("psnr", "ssim"),
    leaders=1,
)


def files(out):
    kept = (path for path in out.rglob("*") if path.is_file() and "work" not in path.parts)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in kept}


@pytest.mark.slow
def test_a_board_is_made_row_by_row_and_gone_on_with(tmp_path):
    said = []
    first = Poster(replace(SMALL, rows=SMALL.rows[:1]), tmp_path, None, said.append)
    assert first.perform().missing == []
    before = files(tmp_path)
    done = Poster(SMALL, tmp_path, None, said.append).perform()
    assert done.failed == {
        "lacking": "weights/lacking: is not below --data-root; docs/open-boards.md tells what it is"
    }
    after = files(tmp_path)
    assert {name for name in before if before[name] != after[name]} <= {
        "leaderboard.csv",
        "leaderboard.html",
    }
    rows = [row for _, row in csv_rows(after["leaderboard.csv"], "board")[1]]
    assert [
        (row["model"], row["seeds"]) for row in rows if row["recipe"].startswith("board-small")
    ] == [("identity", ""), ("unet", "3")]
    assert {row["rank"] for row in rows if row["recipe"] == "board-look"} == {""}
    assert b"Pictures to look at, not ranked" in after["leaderboard.html"]
    assert b"not ranked</span>" in after["leaderboard.html"]
    assert not [name for name in after if name.endswith(".png") and name.startswith("results")]
    entry = next(name for name in after if name.endswith("unet/entry.json"))
    assert len(json.loads(after[entry])["weights"]["sha256"]) == 64
    pictures = [row for _, row in csv_rows(after["pictures.csv"], "pictures")[1]]
    assert len(pictures) == 6
    assert all(len(row["sharp_pixels"]) == 64 for row in pictures)
    for name in ("leaderboard.csv", "leaderboard.html"):
        (tmp_path / name).unlink()
    rank(tmp_path)
    assert files(tmp_path) == after


@pytest.mark.slow
def test_rows_of_weights_that_ship_name_their_file_and_are_run_again(tmp_path):
    row = BoardRow("scene", "the weights that ship", 1, shipped="scene")
    Poster(replace(SMALL, rows=(SMALL.rows[0], row)), tmp_path, None).perform()
    (entry,) = tmp_path.glob("results/*/scene")
    assert read_entry(entry).weights.sha256 == SHIPPED["scene"].sha256
    verify(tmp_path, [tmp_path / "work/data/small"], files=[shipped_path("scene")], device="cpu")
    assert {check.mark for check in read_checks(tmp_path).values()} == {"re-run"}


@pytest.mark.slow
def test_what_a_board_lost_is_made_again_and_only_of_its_own_pictures(tmp_path):
    board = replace(SMALL, rows=SMALL.rows[:1], shown=())
    poster = Poster(board, tmp_path, None)
    assert poster.perform().missing == []
    (row,) = tmp_path.glob("results/*/identity")
    (row / "results.jsonl").unlink()  # as a kill while it was added leaves it
    picture = next((tmp_path / "work/data/small/test/blur").iterdir())
    before = picture.read_bytes()
    picture.unlink()
    assert len(Poster(board, tmp_path, None).missing()) == 1
    assert Poster(board, tmp_path, None).perform().missing == []
    assert picture.read_bytes() == before
    with locked(tmp_path / "work"), pytest.raises(UserError, match="another process is writing"):
        Poster(board, tmp_path, None).perform()
    table = tmp_path / "pictures.csv"
    table.write_text(
        table.read_text().replace(BlurDataset(picture.parents[2], "test").digest, "0" * 64)
    )
    with pytest.raises(UserError, match="a board of other pictures; give another --out"):
        Poster(board, tmp_path, None).perform()


@pytest.mark.slow
def test_no_row_is_begun_that_would_end_too_late(tmp_path):
    said = []
    done = Poster(SMALL, tmp_path, None, said.append).perform(minutes=0.5)
    assert len(done.missing) == 3
    assert "identity: not begun, it takes about 1 minutes" in said


def test_a_plan_writes_nothing(tmp_path):
    told = Poster(SMALL, tmp_path / "o", tmp_path).plan()
    assert "2 rows missing, about 2 minutes of one core, and 2 more seeds of the leading 1" in told
    assert not (tmp_path / "o").exists()


def test_a_plan_counts_no_row_that_lacks_a_file(tmp_path):
    (tmp_path / "there.pth").touch()
    files = {"there": {"teacher": "there.pth"}, "sp": {"teacher": "teacher.pth"}}
    more = [BoardRow(name, "", 1, "sp", files=each, steps=2) for name, each in files.items()]
    told = Poster(replace(SMALL, rows=(*SMALL.rows, *more)), tmp_path / "o", tmp_path).plan()
    assert "3 rows missing" in told
    lacking = [line for line in told.splitlines() if line.startswith("not counted")]
    why = f"is not below {tmp_path}; docs/open-boards.md tells what it is"
    assert lacking == [
        f"not counted: {name}: {file}: {why}"
        for name, file in (("lacking", "weights/lacking"), ("sp", "teacher.pth"))
    ]


def test_a_plan_names_the_seeds_that_rows_without_their_files_leave(tmp_path, monkeypatch):
    monkeypatch.setattr(Poster, "done", lambda _, row, seed: seed == 1 and row.name != "lacking")
    told = Poster(SMALL, tmp_path, tmp_path).plan()
    assert "2 rows missing, about 2 minutes of one core\n" in told
    assert "unet seed 2" in told
    assert "unet seed 3" in told
    monkeypatch.setattr(Poster, "done", lambda _, row, __: row.name != "lacking")
    assert Poster(SMALL, tmp_path, tmp_path).plan().startswith("board-small: 0 rows missing")


def test_a_plan_without_a_data_root_is_told_to_be_of_built_in_pictures(tmp_path):
    told = "without --data-root: these are the rows of the stand-in board of built-in pictures"
    assert told in Poster(SMALL, tmp_path, None).plan().splitlines()
    assert "stand-in" not in Poster(SMALL, tmp_path, tmp_path).plan()


@pytest.mark.parametrize("name", OPEN_BOARDS)
def test_every_row_can_be_built(name):
    from blurbench.models import model_class

    board = OPEN_BOARDS[name]
    names = [row.name for row in board.rows]
    assert len(set(names)) == len(names)
    for row in board.rows:
        if row.model:
            settings = {**row.settings, **row.files}
            kind = model_class(row.model)
            kind.Config(**{**kind.PRESETS[row.preset].model_dump(), **settings})
    for data in board.data:
        assert data.blurred_by(stand_in=False).name.startswith("board-")


def test_unknown_boards_are_told():
    with pytest.raises(UserError, match="did you mean board-faces"):
        find_board("board-face")
