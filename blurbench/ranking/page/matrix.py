"""matrix.html: a heat map a metric, of what each run adds to the pictures of each test set."""

from collections.abc import Iterable
from dataclasses import dataclass

from blurbench import __version__
from blurbench.metrics import PROTOCOLS, Metric, find_metric
from blurbench.ranking.boards import Entry, Score
from blurbench.ranking.matrix import Matrix, is_tested
from blurbench.ranking.page.jinja import joined, templates
from blurbench.ranking.page.render import made, verdict
from blurbench.ranking.statistics import Estimate

STYLES = ("leaderboard.css", "matrix.css")
SHADES = 8  # of either colour, as many as matrix.css has


@dataclass(frozen=True)
class HeatCell:
    """What a run came to on a set."""

    entry: Entry
    score: Score
    shade: str  # class of its colour
    best: bool  # of the first rank in its column
    own: bool  # the run was trained on the train split of this set


@dataclass(frozen=True)
class HeatRow:
    """A run."""

    name: str
    learnt_from: str
    is_baseline: bool
    cells: list[HeatCell | None]
    mean: Estimate | None  # of its gains over all sets


@dataclass(frozen=True)
class HeatMap:
    """One metric."""

    name: str
    metric: Metric
    rows: list[HeatRow]


def matrix_page(matrix: Matrix) -> str:
    """The page; it needs no network, and has no script."""
    environment = templates()
    environment.globals.update(made=made, verdict=verdict, protocols=PROTOCOLS)
    style, style_hash = joined(environment, STYLES)
    return environment.get_template("matrix.html").render(
        matrix=matrix,
        maps=[heat_map(matrix, metric) for metric in matrix.metrics],
        style=style,
        style_hash=style_hash,
        version=__version__,
    )


def heat_map(matrix: Matrix, metric: str) -> HeatMap:
    """Of each column the largest gain or loss has the deepest colour."""
    largest = {column: _largest(matrix, metric, column) for column in matrix.boards}
    rows = []
    for row in matrix.rows:
        cells = [
            heat_cell(matrix, row, column, metric, largest[column]) for column in matrix.boards
        ]
        baseline = matrix.result(row).is_baseline
        mean = None if baseline else matrix.over_sets(row, metric)
        rows.append(HeatRow(row, matrix.learnt_from(row), baseline, cells, mean))
    return HeatMap(metric, find_metric(metric), rows)


def heat_cell(
    matrix: Matrix, row: str, column: str, metric: str, largest: float
) -> HeatCell | None:
    """None where a run was not evaluated on a set, or not by this metric."""
    entry = matrix.entry(row, column)
    score = entry.scores.get(metric) if entry else None
    if entry is None or score is None:
        return None
    return HeatCell(
        entry,
        score,
        shade(score.gain, metric, largest) if is_tested(entry) else "",
        score.rank == 1 and not entry.result.is_baseline,
        matrix.boards[column].digest in matrix.digests(row),
    )


def shade(gain: Estimate | None, metric: str, largest: float) -> str:
    """`better-1` to `better-8` and `worse-1` to `worse-8`; nothing for no difference."""
    if gain is None or not largest:
        return ""
    depth = round(SHADES * abs(gain.mean) / largest)
    way = "better" if (gain.mean > 0) == find_metric(metric).higher_is_better else "worse"
    return f"{way}-{depth}" if depth else ""


def _largest(matrix: Matrix, metric: str, column: str) -> float:
    """Of the gains and losses in a column, without their sign."""
    return max(map(abs, _gains(matrix, metric, column)), default=0.0)


def _gains(matrix: Matrix, metric: str, column: str) -> Iterable[float]:
    for entry in matrix.boards[column].entries:
        score = entry.scores.get(metric)
        if is_tested(entry) and score is not None and score.gain is not None:
            yield score.gain.mean
