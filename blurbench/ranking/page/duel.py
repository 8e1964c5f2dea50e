"""Two models of a board against each other: means, wins, and where they differ most."""

from pathlib import Path
from typing import Any

from blurbench.metrics import find_metric
from blurbench.ranking.boards import Board, Entry
from blurbench.ranking.page.pictures import close_up, label, picture_file, sample_ids
from blurbench.ranking.statistics import by_source, difference, estimate

SHOWN = 3  # wins, and as many losses


def duel(board: Board, compare: tuple[str, str] | None, out: Path) -> dict[str, Any] | None:
    """The comparison of two models; None where the board has not both. Writes its pictures."""
    by_name = {entry.result.model: entry for entry in board.entries if entry.result.scores}
    if not compare or not by_name.keys() >= set(compare):
        return None
    first, second = (by_name[name] for name in compare)
    lines = [_line(board, metric, first, second) for metric in board.metrics]
    told = [line for line in lines if line]
    if not told:
        return None
    metric = told[0]["metric"]
    gaps = _gaps(metric, first, second)
    return {
        "models": compare,
        "unranked": [(name, by_name[name].result.unranked) for name in compare],
        "labels": [label(first), label(second)],
        "lines": told,
        "metric": metric,
        "wins": _extremes(gaps, first, second, out),
        "losses": _extremes({name: -gap for name, gap in gaps.items()}, second, first, out),
    }


def _line(board: Board, metric: str, first: Entry, second: Entry) -> dict[str, Any] | None:
    """One metric: both means over the common pictures, their difference, who wins how often."""
    scores = [entry.result.scores.get(metric, {}) for entry in (first, second)]
    gaps = _gaps(metric, first, second)
    if not gaps:
        return None
    compared = board.comparisons.get(metric)
    names = first.result.model, second.result.model
    tested = compared.duels.get(names) if compared else None
    return {
        "metric": metric,
        "means": [
            estimate(by_source({name: of[name] for name in gaps}, board.sources)) for of in scores
        ],
        "difference": difference(scores[0], scores[1], board.sources),
        "wins": [sum(gap > 0 for gap in gaps.values()), sum(gap < 0 for gap in gaps.values())],
        "images": len(gaps),
        "p": tested.p if tested else None,
    }


def _gaps(metric: str, first: Entry, second: Entry) -> dict[str, float]:
    """By picture that both have: how much better the first is."""
    one, other = (entry.result.scores.get(metric, {}) for entry in (first, second))
    sign = 1 if find_metric(metric).higher_is_better else -1
    return {name: sign * (one[name] - other[name]) for name in sorted(one.keys() & other.keys())}


def _extremes(
    gaps: dict[str, float], winner: Entry, loser: Entry, out: Path
) -> dict[str, Any] | None:
    """The largest gaps above 0: all told, and those with pictures; None where there is none."""
    largest = sorted((name for name in gaps if gaps[name] > 0), key=lambda name: -gaps[name])
    if not largest:
        return None
    kept = {
        name
        for name in sample_ids([winner, loser])
        if picture_file(winner, name) and picture_file(loser, name)
    }
    shown = [name for name in largest if name in kept][:SHOWN]
    return {
        "largest": [
            {"id": name, "gap": gaps[name], "stored": name in kept} for name in largest[:SHOWN]
        ],
        "pictures": [
            {"id": name, "gap": gaps[name], "views": close_up(winner, loser, name, out)}
            for name in shown
        ],
        "winner": winner.result.model,
    }
