"""The figure of one picture: whose crops stand where, and that it says how it came about."""

from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from blurbench.cli import cli
from blurbench.errors import UserError
from blurbench.files import write_bytes
from blurbench.images import encode
from blurbench.ranking.boards import make_boards
from blurbench.ranking.figure import draw_figure, parse_box

SHADES = {"identity": 60, "one": 120, "two $x^2$": 200}  # of the restored pictures


def psnr(mean):
    return {f"id{index}": mean + 0.1 * index for index in range(8)}


@pytest.fixture
def boards(make_result, tmp_path):
    folders = []
    for place, (model, shade) in enumerate(SHADES.items()):
        folder = make_result(
            tmp_path / f"r{place}",
            model,
            psnr(20 + place),
            restored_by="model" if place else "identity",
            samples=["id1"],
            provenance={"seed": 7},
        )
        for role, level in (("blur", 60), ("sharp", 250), ("restored", shade)):
            image = np.full((40, 60, 3), level, np.uint8)
            image[:10] = 0  # outside of the box
            write_bytes(folder / f"samples/id1__{role}.png", encode(image))
        folders.append(folder)
    return make_boards(folders)


def shades(path):
    """The levels that fill the row of panels, from left to right."""
    grey = np.asarray(Image.open(path).convert("L"))
    steady = [int(a) for a, b in pairwise(grey[len(grey) // 2]) if a == b]
    return [level for at, level in enumerate(steady) if at == 0 or steady[at - 1] != level]


def test_the_panels_are_the_crops_in_order(boards, tmp_path):
    pdf, png = draw_figure(boards, "id1", tmp_path, box=(10, 12, 20, 20))
    # The whole picture with its box (of another colour), then the crops, white between them.
    found = [level for level in shades(png) if level != 255]
    assert found[-4:] == [60, 200, 120, 250]  # the better model first, as on the board
    assert pdf.read_bytes().startswith(b"%PDF")
    only = draw_figure(boards, "id1", tmp_path, models=["one"])[1]
    assert [level for level in shades(only) if level != 255] == [60, 120, 250]


def test_a_figure_says_how_it_came_about(boards, tmp_path):
    pdf, png = draw_figure(boards, "id1", tmp_path, box=(10, 12, 20, 20))
    told = Image.open(png).info
    assert told["Author"] == "two $x^2$ (seed 7); one (seed 7)"
    assert told["Subject"].endswith("protocol wang-rgb, box 10,12,20,20")
    assert "d" * 64 in told["Subject"]
    before = pdf.read_bytes(), png.read_bytes()
    draw_figure(boards, "id1", tmp_path, box=(10, 12, 20, 20))
    assert (pdf.read_bytes(), png.read_bytes()) == before
    assert b"CreationDate" not in before[0]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"id": "id9"}, "--figure id9: no result kept pictures of it; there are those of id1"),
        ({"models": ["three"]}, "--models three: has no picture of id1; there are two"),
        ({"box": (50, 0, 20, 20)}, "reaches out of id1, which has 60x40 px"),
    ],
)
def test_what_cannot_be_drawn_is_told(boards, tmp_path, asked, why):
    with pytest.raises(UserError) as refused:
        draw_figure(boards, asked.pop("id", "id1"), tmp_path, **asked)
    assert why in str(refused.value)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,0", "-1,2,3,4", "a,b,c,d", "1,2,3,4,5"])
def test_a_box_is_four_numbers(text):
    with pytest.raises(UserError, match="give x,y,width,height"):
        parse_box(text)
    assert parse_box("1, 2,3,4") == (1, 2, 3, 4)


def test_the_command_draws_it(boards, tmp_path):
    results = [str(entry.result.folder) for entry in boards[0].entries]
    words = ["leaderboard", *results, "--out", str(tmp_path / "out"), "--figure", "id1"]
    done = CliRunner().invoke(cli, [*words, "--box", "10,12,20,20", "--models", "one"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out/figure-id1.pdf").is_file()
    assert done.output.splitlines()[-1].endswith("figure-id1.png")
