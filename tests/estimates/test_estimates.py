"""Kernels of pairs in folders and data sets: the files, going on, and what is refused."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_data
from click.testing import CliRunner

from blurbench.cli import cli
from blurbench.datasets.dataset import BlurDataset
from blurbench.datasets.make import synthesize
from blurbench.engine import Workers
from blurbench.errors import UserError
from blurbench.estimates import patches, record, run
from blurbench.estimates.patches import Search
from blurbench.estimates.run import estimate_kernels
from blurbench.recipes.recipe import load_recipe
from blurbench.sources.open import open_source
from blurbench_kernels import bank, convolution, estimate

# No symmetry, and two of them: one a pair.
KERNELS = [bank.snap(np.array(taps, float)) for taps in ([[3, 0, 0], [1, 4, 4]], [[0, 2], [6, 1]])]
SEARCH = Search(9, 64)
FILES = ("kernels.npy", "kernels.csv", "recipe.toml", "sheet.png")


def write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1])


def write_pair(folder: Path, name: str, sharp: np.ndarray, kernel: np.ndarray) -> None:
    padded = np.pad(kernel, [(0, 1 - side % 2) for side in kernel.shape])
    blur = convolution.convolve(sharp.astype(float), padded)
    write(folder / "blur" / name, np.rint(blur).astype(np.uint8))
    write(folder / "sharp" / name, sharp)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for number, kernel in enumerate(KERNELS):
        write_pair(tmp_path / "pairs", f"{number}.png", tiny_data.picture(number), kernel)
    return tmp_path / "pairs"


def read_rows(out: Path) -> list[dict[str, str]]:
    with (out / "kernels.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in FILES}


def never(*_args):
    raise AssertionError("estimated again")


def test_bank_table_sheet_and_recipe(pairs, tmp_path, photos):
    out = tmp_path / "out"
    found = estimate_kernels(pairs, out, SEARCH)
    assert found.complete
    assert "2 kernels of 2 patches of 2 pairs" in str(found)
    rows = read_rows(out)
    assert [row["kernel"] for row in rows] == ["0", "1"]
    assert [row["pair"].split("/")[0] for row in rows] == ["test", "test"]
    written = np.load(out / "kernels.npy")
    for row, kernel, known in zip(rows, written, KERNELS, strict=True):
        side = len(kernel)
        places = [
            np.pad(known, ((y, side - known.shape[0] - y), (x, side - known.shape[1] - x)))
            for y in range(side - known.shape[0] + 1)
            for x in range(side - known.shape[1] + 1)
        ]
        assert min(np.abs(kernel - each).sum() for each in places) < 0.1
        assert float(row["length_px"]) == pytest.approx(bank.extent(known), abs=0.01)
        assert float(row["unexplained"]) < 0.01
        assert float(row["residual_levels"]) < 2
        assert [int(row[name]) for name in ("row", "column", "height", "width")] == [4, 4, 52, 64]
    assert cv2.imread(str(out / "sheet.png")).shape[1] > 600
    # The bank is a recipe's.
    recipe = load_recipe(out / "recipe.toml")
    made = synthesize(recipe, open_source(str(photos)), tmp_path / "made", limit=6)
    assert made.complete
    splits = [BlurDataset(tmp_path / "made", split) for split in made.counts]
    used = {json.loads(row["parameters"])["kernel"] for split in splits for row in split.rows}
    assert used <= {bank.digest(kernel) for kernel in written}


def test_a_second_call_goes_on_and_ends_with_the_same_bytes(pairs, tmp_path, monkeypatch):
    whole, out = tmp_path / "whole", tmp_path / "out"
    estimate_kernels(pairs, whole, SEARCH)
    asked = []

    def second_stops(search, pair):
        asked.append(pair.id)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return patches.estimate_pair(search, pair)

    monkeypatch.setattr(run, "estimate_pair", second_stops)
    with pytest.raises(KeyboardInterrupt):
        estimate_kernels(pairs, out, SEARCH)
    with (out / record.LINES).open("ab") as file:
        file.write(b'{"name": "test/torn')
    estimate_kernels(pairs, out, SEARCH)
    assert asked[1:] == asked[1:2] * 2  # the one that was stopped, and no other
    assert contents(out) == contents(whole)
    monkeypatch.setattr(run, "estimate_pair", never)
    estimate_kernels(pairs, out, SEARCH)
    assert contents(out) == contents(whole)


def test_a_line_that_was_damaged_costs_its_pair_anew(pairs, tmp_path):
    out = tmp_path / "out"
    estimate_kernels(pairs, out, SEARCH)
    before, lines = contents(out), out / record.LINES
    text = lines.read_text()
    lines.write_text(text.replace('"ridge": 0.', '"ridge": 7.', 1))
    estimate_kernels(pairs, out, SEARCH)
    assert contents(out) == before
    assert len(lines.read_text().splitlines()) == len(text.splitlines()) + 2


def test_a_pair_that_was_changed_is_estimated_again(pairs, tmp_path):
    out = tmp_path / "out"
    estimate_kernels(pairs, out, SEARCH)
    before = np.load(out / "kernels.npy")
    write_pair(pairs, "1.png", tiny_data.picture(1), np.eye(3) / 3)
    estimate_kernels(pairs, out, SEARCH)
    after = np.load(out / "kernels.npy")
    np.testing.assert_array_equal(after[0], before[0])
    assert np.abs(after[1] - np.eye(3) / 3).sum() < 0.1


@pytest.mark.slow
def test_the_same_bytes_by_two_workers(pairs, tmp_path):
    estimate_kernels(pairs, tmp_path / "one", SEARCH)
    estimate_kernels(pairs, tmp_path / "two", SEARCH, workers=Workers(2))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_what_nothing_can_be_told_of_is_left_out_and_counted(pairs, tmp_path):
    plain = np.full((60, 72, 3), 90, np.uint8)
    write_pair(pairs, "2.png", plain, KERNELS[0])
    write_pair(pairs, "3.png", tiny_data.picture(3), np.full((1, 11), 1 / 11))
    write_pair(pairs, "4.png", tiny_data.picture(4), KERNELS[0])
    halves = cv2.imread(str(pairs / "blur" / "4.png"))
    other = convolution.convolve(tiny_data.picture(4).astype(float), np.full((5, 1), 0.2))
    halves[:, 36:] = np.rint(other)[:, 36:, ::-1]
    cv2.imwrite(str(pairs / "blur" / "4.png"), halves)
    found = estimate_kernels(pairs, tmp_path / "out", SEARCH)
    told = str(found)
    assert "2 kernels of 5 patches of 5 pairs" in told
    for part in ("1 flat", "1 whose halves tell different kernels", "1 whose kernel is longer"):
        assert part in told
    rows = read_rows(tmp_path / "out")
    assert sorted(row["state"] for row in rows) == ["cut", "flat", "kept", "kept", "unsure"]
    assert all((row["kernel"] != "") == (row["state"] == "kept") for row in rows)
    assert [row["length_px"] for row in rows if row["state"] == "flat"] == [""]


def test_without_a_kernel_there_is_a_table_alone(tmp_path):
    write_pair(tmp_path / "pairs", "a.png", np.full((60, 72, 3), 90, np.uint8), KERNELS[0])
    found = estimate_kernels(tmp_path / "pairs", tmp_path / "out", SEARCH)
    assert not found.complete
    assert "blur pictures with them" not in str(found)
    assert {path.name for path in (tmp_path / "out").glob("[a-z]*")} == {
        "estimate.json",
        "kernels.csv",
    }


def test_pairs_of_a_data_set_and_of_its_index(whole, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "write_results", lambda *_: None)
    found = estimate_kernels(whole.out, tmp_path / "a", SEARCH)
    assert found.pairs == sum(whole.counts.values())
    assert estimate_kernels(whole.out, tmp_path / "b", SEARCH, limit=2).pairs == 2
    result = CliRunner().invoke(
        cli, ["synthesize", "pairs", "--source", str(pairs), "--out", str(tmp_path / "index")]
    )
    assert result.exit_code == 0
    assert estimate_kernels(tmp_path / "index", tmp_path / "c", SEARCH).pairs == 2


def test_what_cannot_be_used_is_named(pairs, tmp_path):
    write_pair(pairs, "small.png", tiny_data.picture(5, 36, 36), KERNELS[0])
    write_pair(pairs, "sizes.png", tiny_data.picture(6), KERNELS[0])
    write(pairs / "sharp" / "sizes.png", tiny_data.picture(6, 66, 66))
    write_pair(pairs, "torn.png", tiny_data.picture(7), KERNELS[0])
    whole = (pairs / "blur" / "torn.png").read_bytes()
    (pairs / "blur" / "torn.png").write_bytes(whole[: len(whole) // 2])
    write(pairs / "blur" / "alone.png", tiny_data.picture(8))
    words = ["kernels", "estimate", str(pairs), "--out", str(tmp_path / "out"), "--size", "9"]
    result = CliRunner().invoke(cli, words)
    assert "2 kernels of 2 patches of 2 pairs" in result.output
    for told in (
        "small.png: 36x36 px, a window of 9 needs at least 40 a side; give a smaller --size",
        "sizes.png: blurred and sharp picture are of 72x60 and 66x66 px",
        "torn.png: ",
        "alone.png: no sharp counterpart",
    ):
        assert told in result.output
    estimate_again = estimate_kernels(pairs, tmp_path / "out", Search(9, 128))
    assert len(estimate_again.failed) == 4  # tried again


def test_refusals(pairs, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with pytest.raises(UserError, match="--size 8: give an odd number, such as 9"):
        estimate_kernels(pairs, out, Search(8, 64))
    with pytest.raises(UserError, match="whose pairs are read"):
        estimate_kernels(pairs, pairs / "out", SEARCH)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no pair of pairs"):
        estimate_kernels(tmp_path / "empty", out, SEARCH)
    shutil.copytree(pairs, tmp_path / "other")
    with pytest.raises(UserError, match="not empty, and not estimated kernels"):
        estimate_kernels(pairs, tmp_path / "other", SEARCH)
    assert not out.exists()
    estimate_kernels(pairs, out, SEARCH)
    with pytest.raises(UserError, match=r"of another size \(9 there, 11 asked for\)"):
        estimate_kernels(pairs, out, Search(11, 64))
    monkeypatch.setattr(patches, "budget", lambda: 10**6)
    with pytest.raises(UserError, match=r"--size 21: needs 6\.2 MB of memory a process"):
        estimate_kernels(pairs, out, Search(21, 64))


def test_thresholds_are_those_of_the_kernels(pairs, tmp_path):
    """What is kept agrees; what is flat has no kernel."""
    estimate_kernels(pairs, tmp_path / "out", SEARCH)
    for row in read_rows(tmp_path / "out"):
        assert float(row["agreement"]) >= patches.AGREE
        assert float(row["ridge"]) in estimate.RIDGES
