"""What was evaluated run by run and set by set -> matrix.csv and matrix.html."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blurbench.files import open_regular, write_text
from blurbench.locks import locked
from blurbench.metrics import find_metric
from blurbench.out_folder import refuse_overwriting
from blurbench.ranking.boards import Entry
from blurbench.ranking.matrix import Matrix, read_matrix
from blurbench.ranking.page.matrix import matrix_page
from blurbench.ranking.statistics import Estimate
from blurbench.tables import as_table, csv_text

CSV, PAGE = "matrix.csv", "matrix.html"
MARKS = (b'<meta name="generator" content="blurbench', b"run,trained_on,tested_on,metric,")
ALL = "all sets"


def refuse_others(out: Path) -> None:
    """UserError where `out` has such files of somebody else; to be asked before hours of work."""
    refuse_overwriting([out / CSV, out / PAGE], is_matrix)


def is_matrix(path: Path) -> bool:
    """Whether blurbench wrote this matrix.csv or matrix.html."""
    with open_regular(path) as file:
        head = file.read(2**16)
    return any(mark in head for mark in MARKS)


def write_matrix(
    out: Path, results: Sequence[Path], sets: Sequence[str], names: Sequence[str]
) -> str:
    """Write both files; gives what to print. UserError as of `read_matrix`."""
    matrix = read_matrix(results, sets, names)
    with locked(out):
        write_text(out / CSV, matrix_csv(matrix))
        write_text(out / PAGE, matrix_page(matrix))
    return f"{matrix_text(matrix)}\n{out / CSV}\n{out / PAGE}"


def matrix_csv(matrix: Matrix) -> str:
    """A line for each run, set and metric."""
    return csv_text(
        [
            _csv_row(matrix, row, column, metric, entry)
            for row in matrix.rows
            for column in matrix.boards
            for entry in (matrix.entry(row, column),)
            for metric in matrix.metrics
            if entry is not None and metric in entry.scores
        ]
    )


def _csv_row(matrix: Matrix, row: str, column: str, metric: str, entry: Entry) -> dict[str, Any]:
    score, board = entry.scores[metric], matrix.boards[column]
    found: dict[str, Any] = {"run": row, "trained_on": matrix.learnt_from(row), "tested_on": column}
    found["metric"] = metric
    for prefix, value in (("", score.estimate), ("gain_", score.gain)):
        for end in ("mean", "low", "high"):
            found[f"{prefix}{end}"] = getattr(value, end) if value else None
    return found | {
        "rank": score.rank,
        "seeds": len(entry.result.runs) or None,
        "own_set": int(board.digest in matrix.digests(row)),
        "images": entry.result.images,
        "missing": entry.missing,
        "sharp_images": board.independent,
        "not_compared": entry.result.unranked,
        "recipe": board.recipe,
        "split": board.split,
        "protocol": board.protocol,
        "digest": board.digest,
    }


def matrix_text(matrix: Matrix) -> str:
    """The first metric as a table for the terminal: gains over the blurred pictures."""
    metric = matrix.metrics[0]
    rows = []
    for row in matrix.rows:
        cells = {column: _told(matrix.entry(row, column), metric) for column in matrix.boards}
        mean = matrix.over_sets(row, metric)
        told = "" if mean is None or matrix.result(row).is_baseline else _signed(mean, metric)
        rows.append({"run": row, "trained on": matrix.learnt_from(row), **cells, ALL: told})
    how = find_metric(metric)
    unit = f", {how.unit}" if how.unit else ""
    title = f"{how.title}{unit}: of the blurred pictures, and what each run adds to it"
    return f"{title}\n{as_table(rows, right=(*matrix.boards, ALL))}"


def _told(entry: Entry | None, metric: str) -> str:
    if entry is None or metric not in entry.scores:
        return "–"
    score, digits = entry.scores[metric], find_metric(metric).digits
    if entry.result.is_baseline or score.gain is None:
        return f"{score.estimate.mean:.{digits}f}"
    if entry.result.unranked:
        return "seen"
    return _signed(score.gain, metric) + ("*" if entry.missing else "")


def _signed(gain: Estimate, metric: str) -> str:
    return f"{gain.mean:+.{find_metric(metric).digits}f}"
