"""The table of runs and sets: what is compared, what it was trained on, the mean over sets."""

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_results import write_result

from blurbench.ranking.matrix import Matrix, mean_of_sets, read_matrix
from blurbench.ranking.matrix_report import matrix_csv, matrix_text
from blurbench.ranking.page.matrix import heat_map, shade
from blurbench.ranking.statistics import Estimate, by_source, estimate

SETS = ("shake", "objects")
GAINS = {"on-shake": (2.0, -1.0), "on-both": (1.5, 1.0)}
DIGESTS = dict(zip(SETS, ("a" * 64, "b" * 64), strict=True))
COUNT = 8


def result(out: Path, column: str, run: str, gain: float, **changes: Any) -> Path:
    spread = np.linspace(-0.1, 0.1, COUNT)
    scores = {f"p{n}": 20.0 + n + gain + float(spread[n] * (gain != 0)) for n in range(COUNT)}
    data = {"recipe": column, "split": "test", "digest": DIGESTS[column], "images": COUNT}
    rows = {id: {"source": f"{column} {id}"} for id in scores}
    folder = out / column / run
    write_result(folder, run, scores, rows=rows, data=data, **changes)
    return folder


def sets_of(run: str) -> dict[str, Any]:
    if run == "on-shake":
        return {"digest": DIGESTS["shake"], "recipe": "any"}
    sets = [
        {"digest": DIGESTS["shake"], "recipe": "any", "share": 0.75, "pairs": 3},
        {"digest": "c" * 64, "recipe": "elsewhere", "share": 0.25, "pairs": 3},
    ]
    return {"digest": "sets:d", "recipe": "both", "sets": sets}


def made(out: Path, **changes: Any) -> Matrix:
    done = []
    for place, column in enumerate(SETS):
        done.append(result(out, column, "identity", 0.0, restored_by="identity"))
        for run, gains in GAINS.items():
            provenance = {"data": sets_of(run), "seed": 0}
            told = {"provenance": provenance, **changes.get(f"{run} {column}", {})}
            done.append(result(out, column, run, gains[place], **told))
    return read_matrix(done, SETS, list(GAINS))


def test_rows_columns_and_what_was_learnt_from(tmp_path: Path) -> None:
    matrix = made(tmp_path)
    assert matrix.rows == ["identity", "on-shake", "on-both"]
    assert list(matrix.boards) == list(SETS)
    told = [matrix.learnt_from(row) for row in matrix.rows]
    assert told == ["nothing", "shake", "0.75 shake + 0.25 elsewhere"]
    score = matrix.entry("on-shake", "objects").scores["psnr"]  # type: ignore[union-attr]
    assert score.gain is not None
    assert score.gain.mean == pytest.approx(-1.0)
    mean = matrix.over_sets("on-both", "psnr")
    assert mean is not None
    assert mean.mean == pytest.approx(1.25)
    assert mean.low < 1.25 < mean.high  # type: ignore[operator]


def test_the_page_colours_within_a_column_and_marks_own_sets(tmp_path: Path) -> None:
    found = heat_map(made(tmp_path), "psnr")
    shades = [[cell.shade for cell in row.cells if cell] for row in found.rows]
    assert shades == [["", ""], ["better-8", "worse-8"], ["better-6", "better-8"]]
    own = [[cell.own for cell in row.cells if cell] for row in found.rows]
    assert own == [[False, False], [True, False], [True, False]]
    best = [[cell.best for cell in row.cells if cell] for row in found.rows]
    assert best == [[False, False], [True, False], [False, True]]


def test_a_training_that_saw_a_set_has_neither_colour_nor_mean(tmp_path: Path) -> None:
    leaks = {"train": 2, "init": 0, "val": 0, "first": "p1", "unchecked": ""}
    matrix = made(tmp_path, **{"on-shake objects": {"leaks": leaks}})
    assert matrix.over_sets("on-shake", "psnr") is None
    row = heat_map(matrix, "psnr").rows[1]
    assert row.cells[1] is not None
    assert (row.cells[1].shade, row.cells[1].best) == ("", False)
    assert "seen" in matrix_text(matrix)
    assert "trained on the sources of 2 pictures" in matrix_csv(matrix)


def test_lower_can_be_better() -> None:
    gain = Estimate(-0.5, None, None)
    assert shade(gain, "psnr", 1.0) == "worse-4"
    assert shade(gain, "lpips", 1.0) == "better-4"
    assert shade(Estimate(0.01, None, None), "psnr", 1.0) == ""
    assert shade(gain, "psnr", 0.0) == ""


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(-3, 3), min_size=6, max_size=20))
def test_the_mean_of_one_set_is_that_of_the_board(gains: list[float]) -> None:
    names = {f"p{n}": f"s{n // 2}" for n in range(len(gains))}
    scores = dict(zip(names, gains, strict=True))
    found = mean_of_sets([{(names[id], id): gain for id, gain in scores.items()}])
    board = estimate(sorted(by_source(scores, names)))
    assert found.mean == pytest.approx(statistics.fmean(gains), abs=1e-9)
    if board.low is not None:
        assert found.high - found.low == pytest.approx(board.high - board.low, rel=0.05, abs=1e-9)  # type: ignore[operator]


def test_sets_weigh_alike_and_their_shared_pictures_are_one() -> None:
    """Against redrawing whole sharp pictures, with all that was blurred from them."""
    random = np.random.default_rng(0)
    of_source = random.normal(0, 1, 12)
    sets = [
        {(f"s{n % 12}", f"{k}-{n}"): of_source[n % 12] + k for n in range(12 * (1 + 3 * k))}
        for k in range(2)
    ]
    found = mean_of_sets(sets)
    assert found.mean == pytest.approx(of_source.mean() + 0.5)
    draws = [of_source[random.integers(12, size=12)].mean() for _ in range(4000)]
    width = np.subtract(*np.quantile(draws, [0.975, 0.025]))
    assert found.high - found.low == pytest.approx(width, rel=0.2)  # type: ignore[operator]
    # As if they were other pictures in each set it would be narrower by the root of two.
    apart = [
        {(f"{k} {source}", id): v for (source, id), v in s.items()} for k, s in enumerate(sets)
    ]
    narrow = mean_of_sets(apart)
    assert narrow.high - narrow.low < 0.8 * (found.high - found.low)  # type: ignore[operator]
