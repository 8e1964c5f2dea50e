"""Positions for the page's drawings; the templates draw them."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from blurbench.metrics import find_metric
from blurbench.ranking.boards import Board
from blurbench.ranking.breakdowns import Breakdown
from blurbench.ranking.comparisons import Comparison
from blurbench.ranking.statistics import Estimate

WIDTH, HEIGHT = 660, 320  # of a chart, in units of its view box
LEFT, RIGHT, TOP, BOTTOM = 52, 500, 12, 274  # of its axes; names stand at the right
NAME_GAP = 15  # between two names
DODGE = 3.0  # between the intervals of two models
MOST_LINES = 8  # so many colours can be told apart; the table has every model


@dataclass(frozen=True)
class Curve:
    """A model's curve."""

    model: str
    colour: int  # 0 is the baseline's
    points: list[dict[str, float]]  # x, y, and low, high where there is an interval
    name_y: float


@dataclass(frozen=True)
class Chart:
    """A metric against the length of the blur."""

    title: str
    x_title: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    lines: list[Curve]
    left_out: int  # models that have no line


def severity_chart(board: Board, breakdown: Breakdown, metric: str) -> Chart:
    """The curves of the baseline and of the first models of a board, in its order."""
    cells = breakdown.cells[metric]
    baseline = {entry.result.model for entry in board.entries if entry.result.is_baseline}
    shown = list(cells)[:MOST_LINES]
    ends = [end for model in shown for cell in cells[model] for end in _ends(cell)]
    lengths = [group.position or 0.0 for group in breakdown.groups]
    x_axis = Axis(min(lengths), max(lengths), LEFT + 16, RIGHT - 16)
    flat = 0.5 if min(ends) == max(ends) else 0.0  # half a unit either way, or there is no axis
    y_axis = Axis(min(ends) - flat, max(ends) + flat, BOTTOM - 8, TOP + 8)
    # Side by side, or the intervals of models that are close would hide each other.
    beside = [DODGE * (i - (len(shown) - 1) / 2) for i in range(len(shown))]
    last = {model: y_axis.place(cells[model][-1].mean) for model in shown}
    names = spread_out([last[model] for model in shown])
    lines = [
        Curve(
            model,
            0 if model in baseline else 1 + [m for m in shown if m not in baseline].index(model),
            [
                {"x": round(x_axis.place(x) + aside, 1)}
                | {end: y_axis.place(y) for end, y in _named(cell)}
                for x, cell in zip(lengths, cells[model], strict=True)
            ],
            round(y, 1),
        )
        for model, y, aside in zip(shown, names, beside, strict=True)
    ]
    how = find_metric(metric)
    title = f"{how.title}, {how.unit}" if how.unit else how.title
    title += " (higher is better)" if how.higher_is_better else " (lower is better)"
    return Chart(
        title, breakdown.title, x_axis.ticks(), y_axis.ticks(), lines, len(cells) - len(shown)
    )


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` on positions from `start` to `stop`."""

    low: float
    high: float
    start: float
    stop: float

    def place(self, value: float) -> float:
        """Where a value stands."""
        span = (self.high - self.low) or 1.0
        return round(self.start + (self.stop - self.start) * (value - self.low) / span, 1)

    def ticks(self) -> list[tuple[float, str]]:
        """About five round numbers, with their places."""
        # A fifth of what a file may hold at least is no longer above 0.
        span = max(self.high - self.low, sys.float_info.min) if self.high > self.low else 1.0
        power = 10 ** math.floor(math.log10(span / 5))
        step = next(power * each for each in (1, 2, 5, 10) if span / (power * each) <= 6)
        digits = max(0, -math.floor(math.log10(step)))
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [(self.place(n * step), f"{n * step:.{digits}f}") for n in range(first, last + 1)]


def spread_out(places: Sequence[float]) -> list[float]:
    """The places moved until each two are NAME_GAP apart, their order kept, inside the axes."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = sorted(places)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + NAME_GAP)
    room = HEIGHT - NAME_GAP / 2
    # Down first, then up again where the last would leave the page.
    for i in reversed(range(len(moved))):
        moved[i] = min(moved[i], room - NAME_GAP * (len(moved) - 1 - i))
    result = [0.0] * len(places)
    for index, place in zip(order, moved, strict=True):
        result[index] = place
    return result


def gain_bars(board: Board, metric: str) -> list[dict[str, float] | None]:
    """Each entry's gain, its interval, and zero, as positions 0 to 100."""
    scores = [entry.scores.get(metric) for entry in board.entries]
    gains = [score.gain if score else None for score in scores]
    ends = [0.0, *(end for gain in gains if gain for end in _ends(gain))]
    axis = Axis(min(ends), max(ends), 4, 96)
    return [
        {"zero": axis.place(0), "low": axis.place(gain.mean), "high": axis.place(gain.mean)}
        | {end: axis.place(value) for end, value in _named(gain, "mean")}
        if gain
        else None
        for gain in gains
    ]


def rank_bars(comparison: Comparison) -> dict[str, dict[str, float]]:
    """Mean ranks with half the critical difference on either side, as positions 0 to 100."""
    half = comparison.critical_difference / 2
    axis = Axis(1 - half, len(comparison.models) + half, 2, 98)
    return {
        model: {
            "mean": axis.place(rank),
            "low": axis.place(rank - half),
            "high": axis.place(rank + half),
        }
        for model, rank in comparison.mean_ranks.items()
    }


def _ends(estimate: Estimate) -> list[float]:
    return [end for end in (estimate.low, estimate.mean, estimate.high) if end is not None]


def _named(estimate: Estimate, mean: str = "y") -> list[tuple[str, float]]:
    ends = {mean: estimate.mean, "low": estimate.low, "high": estimate.high}
    return [(name, value) for name, value in ends.items() if value is not None]
