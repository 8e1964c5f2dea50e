import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import tiny_data

from blurbench import drawing
from blurbench.blurs.kernel_files import digest, read_kernels, settle, write_kernels
from blurbench.datasets.pair import make_pair
from blurbench.errors import UserError
from blurbench.images import decode
from blurbench.preview import kernels, sheet
from blurbench.preview.kernels import draw_kernels, write_bank
from blurbench.recipes.recipe import Recipe, parse_recipe
from blurbench.sources.open import Sharp
from blurbench_kernels import bank, uniform

SHAKE = {"family": "trajectory", "sizes": [7, 9], "anxiety": [0.0, 0.1]}
LINE = {"family": "line", "length": [3.0, 9.0], "angle": [20.0, 40.0]}
FLOW = {"family": "motion_flow", "preset": "mild"}
SHOT = {"family": "shot", "type": "averaging", "size": 5}
ARROW = np.array([[1, 2, 3], [0, 4, 0], [0, 0, 6]]) / 16


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Little to draw, so that it is quick without a compiler too."""
    monkeypatch.setattr(sheet, "SAMPLE", 12)
    monkeypatch.setattr(sheet, "HEIGHT", 160)
    monkeypatch.setattr(sheet, "WIDTH", 160)


def recipe_of(blur: dict, folder: Path | None = None, **changes) -> Recipe:
    document = tiny_data.document(tiny_data.FLOW, changes)
    return parse_recipe({**document, "blur": blur}, "tiny.toml", folder)


def bank_recipe(folder: Path, **changes) -> Recipe:
    kernels = np.stack([ARROW, ARROW.T, settle("", np.eye(3))])
    write_kernels(folder / "k.npy", kernels)
    blur = {"family": "bank", "file": "k.npy", "apply": "convolution", "transpose": False}
    return recipe_of({**blur, **changes}, folder)


def row_of(recipe: Recipe, replica: int, split: str = "train") -> dict:
    sharp = Sharp(tiny_data.picture(0), None, "0" * 64)
    return make_pair(recipe, 3, kernels.ITEM, split, replica, sharp).row


@pytest.mark.parametrize(
    "blur",
    [
        SHAKE,
        LINE,
        {"family": "gaussian", "sigma": [1.0, 2.0]},
        {"family": "disk", "radius": [1.0, 4.0]},
        {**SHAKE, "sizes": [], "target": {"bins": [[5.0, 12.0]]}},
        {"family": "mixture", "parts": [SHAKE, LINE]},
    ],
)
def test_kernels_are_those_of_the_pairs(blur):
    recipe = recipe_of(blur)
    for replica, kernel in enumerate(draw_kernels(recipe, 3, seed=3)):
        row = row_of(recipe, replica)
        assert json.loads(row["parameters"])["kernel"] == bank.digest(kernel)
        assert row["severity_mean_px"] == pytest.approx(bank.extent(kernel), abs=1e-3)
        assert kernel.sum() == 1


def test_kernels_that_pairs_share_come_once_each():
    recipe = recipe_of({**SHAKE, "count": 6})
    kernels = {bank.digest(kernel) for kernel in draw_kernels(recipe, 6, 3, "test")}
    assert len(kernels) == 6
    for replica in range(4):
        assert json.loads(row_of(recipe, replica, "test")["parameters"])["kernel"] in kernels
    # Fewer are spread over all of them, so that each size has its share.
    some = list(draw_kernels(recipe, 2, 3, "test"))
    assert [len(kernel) for kernel in some] == [7, 9]
    with pytest.raises(UserError, match="count 7: recipe tiny has 6 kernels"):
        list(draw_kernels(recipe, 7))


def test_large_kernels_are_whole():
    recipe = recipe_of({"family": "line", "length": [150.0, 150.0]})
    (kernel,) = draw_kernels(recipe, 1)
    assert bank.extent(kernel) > 145
    (disk,) = draw_kernels(recipe_of({"family": "disk", "radius": [35.0, 35.0]}), 1)
    np.testing.assert_array_equal(disk, uniform.disk(35.0))


def test_lengths_relative_to_a_width_are_those_of_640_px():
    blur = {"family": "line", "target": {"bins": [[0.05, 0.05]], "unit": "width"}}
    for kernel in draw_kernels(recipe_of(blur), 3):
        assert bank.extent(kernel) == pytest.approx(32, abs=3)


def test_kernels_too_large_for_the_picture_are_refused():
    blur = {"family": "line", "target": {"bins": [[1.5, 1.5]], "unit": "width"}}
    with pytest.raises(UserError, match="tiny: its kernels are too large"):
        list(draw_kernels(recipe_of({**blur, "angle": [0.0, 0.0]}), 1))


def test_a_correlated_bank_is_written_as_convolution_applies_it(tmp_path):
    straight = list(draw_kernels(bank_recipe(tmp_path), 3))
    np.testing.assert_array_equal(straight[0], ARROW)
    turned = list(draw_kernels(bank_recipe(tmp_path, apply="correlation"), 3))
    np.testing.assert_array_equal(turned[0], ARROW[::-1, ::-1])


@pytest.mark.parametrize(("name", "format"), [("b.npy", None), ("b.npz", None), ("b.mat", "umsn")])
def test_a_bank_is_written_in_the_middle_of_zeros_and_read_again(tmp_path, name, format):
    recipe = recipe_of(SHAKE)
    said = write_bank(recipe, tmp_path / name, 5, 3, 11, format=format)
    read = read_kernels(tmp_path / name)
    assert [kernel.shape for kernel in read] == [(11, 11)] * 5
    assert said == f"{tmp_path / name}: 5 kernels of 11 x 11 px, sha256 {digest(read)}"
    for kernel, drawn in zip(read, draw_kernels(recipe, 5, 3), strict=True):
        margin = (11 - len(drawn)) // 2
        np.testing.assert_array_equal(kernel[margin : 11 - margin, margin : 11 - margin], drawn)
    with pytest.raises(UserError, match="size 5: must be odd and at least"):
        write_bank(recipe, tmp_path / name, 5, 3, 5)


def test_a_bank_has_all_that_pairs_share_by_default(tmp_path):
    assert ": 4 kernels of" in write_bank(recipe_of({**SHAKE, "count": 4}), tmp_path / "b.npy")


@pytest.mark.parametrize("blur", [FLOW, SHOT, {"family": "mixture", "parts": [LINE, FLOW]}])
def test_families_without_one_kernel_a_picture_make_no_bank(tmp_path, blur):
    with pytest.raises(UserError, match="has not one kernel a picture, as a bank needs") as error:
        write_bank(recipe_of(blur), tmp_path / "b.npy", 2)
    assert "trajectory, line, gaussian, disk, bank" in str(error.value)
    assert not (tmp_path / "b.npy").exists()


@pytest.mark.parametrize("degrees", range(0, 180, 15))
def test_the_angle_of_a_line_is_the_one_it_was_drawn_with(degrees):
    found = sheet.angle(uniform.line(21, math.radians(degrees)))
    assert abs((found - degrees + 90) % 180 - 90) < 0.5


def test_round_kernels_have_no_angle():
    assert sheet.angle(uniform.disk(5)) is None
    assert sheet.angle(uniform.gaussian(2)) is None
    assert sheet.angle(np.ones((1, 1))) is None


def panels(monkeypatch: pytest.MonkeyPatch, recipe: Recipe, **settings):
    """The sheet, and the arguments of its grid and its histograms."""
    seen: dict[str, list] = {"grid": [], "histogram": []}
    for name in seen:
        draw = getattr(drawing, name)

        def noting(*args, _name=name, _draw=draw, **named):
            seen[_name].append((*args, named))
            return _draw(*args, **named)

        monkeypatch.setattr(drawing, name, noting)
    drawn = sheet.preview(recipe, **settings)
    assert drawn.dtype == np.uint8
    assert drawn.ndim == 3
    return drawn, seen["grid"][0][0], seen["histogram"]


def test_a_sheet_of_kernels_shows_each_in_its_middle(monkeypatch):
    recipe = recipe_of({**LINE, "angle": [0.0, 0.0]})
    _, cells, (lengths, angles) = panels(monkeypatch, recipe, count=6)
    assert len(cells) == 6
    for cell, kernel in zip(cells, draw_kernels(recipe, 6), strict=True):
        height, width = cell.picture.shape
        assert cell.picture[height // 2, width // 2] > 200
        assert cell.picture.max() == 255
        assert (cell.picture.sum(axis=1) > 0).sum() < (cell.picture.sum(axis=0) > 0).sum()
        assert cell.caption.endswith(f"length {bank.extent(kernel):.1f}")
    assert len(lengths[0]) == len(angles[0]) == sheet.SAMPLE
    assert all(min(angle, 180 - angle) < 0.5 for angle in angles[0])
    assert all(2 <= length <= 11 for length in lengths[0])


def test_a_sheet_of_a_bank_shows_each_kernel_once(tmp_path, monkeypatch):
    _, cells, histograms = panels(monkeypatch, bank_recipe(tmp_path))
    assert len(cells) == len(histograms[0][0]) == 3


def test_more_kernels_than_there_are_cannot_be_shown(tmp_path):
    with pytest.raises(UserError, match="count 4: recipe tiny has 3 kernels"):
        sheet.preview(bank_recipe(tmp_path), count=4)


def test_sheets_are_written_as_png_only(tmp_path, monkeypatch):
    path = sheet.write_preview(recipe_of(LINE), tmp_path / "a.PNG", 2)
    expected = sheet.preview(recipe_of(LINE), 2)
    np.testing.assert_array_equal(decode(path.read_bytes(), ""), expected)
    monkeypatch.setattr(sheet, "preview", None)  # told before anything is drawn
    (tmp_path / "folder.png").mkdir()
    for name in ("folder.png", "a.jpgx", "a"):
        with pytest.raises(UserError, match=rf"/{name}: a sheet is written to a file that ends"):
            sheet.write_preview(recipe_of(LINE), tmp_path / name, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.PNG", "folder.png"]


def test_a_sheet_of_a_field_shows_a_blur_at_each_place(monkeypatch):
    page, cells, (lengths, angles) = panels(monkeypatch, recipe_of(FLOW), count=2)
    assert len(cells) == 2
    tile = sheet.TILE
    rows = columns = 160 // sheet.SPACING
    for cell in cells:
        assert cell.picture.shape == (rows * tile, columns * tile)
        for row, column in itertools.product(range(rows), range(columns)):
            inner = cell.picture[row * tile :, column * tile :][1:tile, 1:tile]
            assert inner.max() > 200
    assert len(lengths[0]) == 2 * rows * columns
    assert 0 < len(angles[0]) <= len(lengths[0])
    np.testing.assert_array_equal(sheet.preview(recipe_of(FLOW), count=2), page)


def test_blurs_longer_than_a_square_get_larger_squares(monkeypatch):
    blur = {**FLOW, "target": {"bins": [[85.0, 90.0]]}}
    _, cells, (lengths, _) = panels(monkeypatch, recipe_of(blur), count=1)
    assert len(lengths[0]) == 1
    assert max(lengths[0]) > 80
    assert cells[0].picture.max() == 255


def test_a_sheet_of_what_has_no_kernel_shows_photographs(monkeypatch):
    blur = {"family": "mixture", "order": "replica", "parts": [SHOT, {**SHOT, "type": "median"}]}
    _, cells, histograms = panels(monkeypatch, recipe_of(blur), count=4)
    assert [cell.caption.split(",")[0] for cell in cells] == ["averaging", "median"] * 2
    for cell in cells:
        sharp, blurred = np.split(cell.picture.astype(float), 2, axis=1)
        assert np.abs(np.diff(blurred, axis=0)).mean() < np.abs(np.diff(sharp, axis=0)).mean()
    assert len(histograms) == 1
    frames = recipe_of({"family": "frame_average", "frames": [7]})
    _, cells, histograms = panels(monkeypatch, frames, count=2)
    assert [cell.caption for cell in cells] == ["7 frames"] * 2
    assert not histograms


def test_what_a_kernel_refuses_is_told_in_one_line():
    blur = {"family": "camera", "anxiety": [0.0, 0.1], "tilt": 45.0, "focal": 0.05}
    with pytest.raises(UserError, match=r"passes behind a camera") as error:
        sheet.preview(recipe_of(blur), count=8)
    assert "\n" not in str(error.value)
