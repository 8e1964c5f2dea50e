"""Results -> boards: what may be compared with what, and how it ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from blurbench.errors import UserError
from blurbench.metrics import METRICS, find_metric
from blurbench.ranking.breakdowns import Breakdown, breakdowns
from blurbench.ranking.comparisons import Comparison, comparison
from blurbench.ranking.csv_files import read_csv
from blurbench.ranking.merge_seeds import merge_seeds, spread
from blurbench.ranking.ranks import ranks
from blurbench.ranking.results import BoardKey, Result, find_results, read_result
from blurbench.ranking.statistics import (
    FEWEST,
    Estimate,
    Sources,
    by_source,
    estimates,
    means_of_sources,
)

TO_LOOK_AT = "pictures to look at; the board's scores are of others, which may not be shown"


@dataclass(frozen=True)
class Score:
    """One cell of a board: a metric of a model."""

    estimate: Estimate
    gain: Estimate | None  # paired difference to the baseline
    rank: int | None  # None where pictures are missing, or fewer than FEWEST
    seed_sd: float | None = None  # between seeds, of the mean over pictures


@dataclass(frozen=True)
class Entry:
    """One line of a board."""

    result: Result
    missing: int  # pictures that others on the board have and this one has not
    scores: dict[str, Score]


@dataclass(frozen=True)
class Board:
    """Models scored on the same pictures under the same protocol, the baseline first."""

    recipe: str
    split: str
    digest: str
    protocol: str
    images: int
    metrics: list[str]
    entries: list[Entry]
    comparisons: dict[str, Comparison]  # by metric, of the models that are ranked
    breakdowns: list[Breakdown]  # of the same
    sources: Sources  # of its pictures, where several were blurred from one

    @property
    def independent(self) -> int:
        """How many pictures an interval may count: those blurred from one picture are one."""
        return self.images - len(self.sources) + len(set(self.sources.values()))

    @property
    def name(self) -> str:
        """An id that is safe in a link."""
        return f"{self.recipe}-{self.split}-{self.digest[:8]}-{self.protocol}"


def make_boards(
    paths: Sequence[Path],
    names: Mapping[Path, str] | None = None,
    checked: Mapping[Path, str] | None = None,
    shown: Sequence[Path] = (),
) -> list[Board]:
    """Group RESULT folders, those below folders, and CSV files into boards, in a fixed order.

    names: what to call some of them; checked: what is known of some; shown: those that are there to
    be looked at, not ranked, after all others. UserError for what cannot be read, and for two
    results of one name on one board, unless they are runs that differ by their seed: nobody could
    tell which is which.
    """
    files = [path for path in paths if path.suffix.lower() == ".csv" and not path.is_dir()]
    names, checked = names or {}, checked or {}
    _refuse_many(names, files)
    folders = [found for path in paths if path not in files for found in find_results(path)]
    results = [
        replace(read_result(each, names.get(each)), checked=checked.get(each, ""))
        for each in dict.fromkeys(folders)
    ]
    results = [replace(one, unranked=TO_LOOK_AT) if one.folder in shown else one for one in results]
    everything = [*results, *(one for path in files for one in read_csv(path, results))]
    groups: dict[BoardKey, list[Result]] = {}
    for result in everything:
        groups.setdefault(result.key, []).append(result)
    last = {result.key for result in results if result.unranked == TO_LOOK_AT}
    order = sorted(groups, key=lambda key: (key in last, key))
    return [_board(key, merge_seeds(groups[key])) for key in order]


def _refuse_many(names: Mapping[Path, str], files: Sequence[Path]) -> None:
    """UserError for a name that more than one result would get."""
    for path, name in names.items():
        if path in files or find_results(path) != [path]:
            raise UserError(f"{name}={path}: a name is of one result; give its RESULT folder")


def _refuse_twins(results: Sequence[Result]) -> None:
    seen: dict[tuple[str, bool], Result] = {}
    for result in results:
        other = seen.setdefault((result.model, bool(result.quoted)), result)
        if other is not result and (other.origin == result.origin or not result.quoted):
            raise UserError(
                f"{_place(other)} and {_place(result)} are both called {result.model!r} on one "
                "board; leave one out, or give one as NAME=RESULT"
            )


def _refuse_other_tools(results: Sequence[Result]) -> None:
    """One face network's recognition rate does not compare with another's."""
    seen: dict[str, Result] = {}
    for result in results:
        for tool, which in result.summary.using.items():
            other = seen.setdefault(tool, result)
            if other.summary.using[tool] != which:
                raise UserError(
                    f"{_place(other)} and {_place(result)} were scored with another {tool}; "
                    "evaluate one of them again, with the --using of the other"
                )


def _refuse_other_packages(results: Sequence[Result]) -> None:
    """A metric of another version may be another measure."""
    seen: dict[str, Result] = {}
    for result in results:
        for metric, package in result.summary.plugins.items():
            other = seen.setdefault(metric, result)
            if (before := other.summary.plugins[metric]) != package:
                raise UserError(
                    f"{_place(other)} and {_place(result)} were scored by {metric} of {before} and "
                    f"of {package}; evaluate one of them again, with the other's version"
                )


def _place(result: Result) -> Path:
    return result.folder / result.origin


def _board(key: BoardKey, results: list[Result]) -> Board:
    _refuse_twins(results)
    _refuse_other_tools(results)
    _refuse_other_packages(results)
    found = {name for result in results for name in result.metrics}
    metrics = sorted(found, key=lambda name: ([*METRICS, name].index(name), name))
    scored = [result for result in results if not result.quoted]
    ids = {name for result in scored for name in result.ids}
    images = len(ids) or max(result.images for result in results)
    complete = [one for one in scored if one.images == images and not one.unranked]
    sources = next((one.sources for one in complete if one.sources), {})
    cells = {metric: _column(metric, results, complete, sources) for metric in metrics}
    entries = [
        Entry(
            result,
            missing=max(0, images - result.images),
            scores={metric: cells[metric][index] for metric in metrics if metric in result.metrics},
        )
        for index, result in enumerate(results)
    ]
    entries.sort(key=lambda entry: _order(entry, metrics[0]))
    compared = {metric: _comparison(metric, complete, sources) for metric in metrics}
    return Board(
        *key,
        images,
        metrics,
        entries,
        {metric: found for metric, found in compared.items() if found},
        breakdowns(
            [entry.result for entry in entries if entry.result in complete], metrics, sources
        ),
        sources,
    )


def _column(
    metric: str, results: list[Result], complete: list[Result], sources: Sources
) -> dict[int, Score]:
    """The scores of one metric, by position in `results`."""
    scored = {i: one.scores[metric] for i, one in enumerate(results) if metric in one.scores}
    found = estimates([by_source(of, sources) for of in scored.values()])
    means = dict(zip(scored, found, strict=True))
    means |= {i: one.quoted[metric] for i, one in enumerate(results) if metric in one.quoted}
    baseline = next((one.scores.get(metric) for one in results if one.is_baseline), None)
    gains = _gains(scored, baseline, sources) if baseline else {}
    placed = _ranks(metric, complete, sources)
    return {
        i: Score(
            means[i],
            None if results[i].is_baseline else gains.get(i),
            placed.get(results[i].model) if results[i] in complete else None,
            spread(results[i], metric),
        )
        for i in means
    }


def _gains(
    scored: Mapping[int, dict[str, float]], baseline: dict[str, float], sources: Sources
) -> dict[int, Estimate]:
    """Paired differences to the baseline, over the pictures that both have."""
    gaps = {
        i: by_source({name: of[name] - baseline[name] for name in of if name in baseline}, sources)
        for i, of in scored.items()
    }
    gaps = {i: values for i, values in gaps.items() if values}
    return dict(zip(gaps, estimates(list(gaps.values())), strict=True))


def _by_model(metric: str, complete: list[Result]) -> dict[str, dict[str, float]]:
    """Scores of the models that have as many as any."""
    scores = {one.model: one.scores[metric] for one in complete if metric in one.scores}
    most = max(map(len, scores.values()), default=0)
    return {model: of_model for model, of_model in scores.items() if len(of_model) == most}


def _ranks(metric: str, complete: list[Result], sources: Sources) -> dict[str, int]:
    """Ranks of the models that have every picture: one that failed on hard ones has no mean."""
    scores = _by_model(metric, complete)
    counts = [len(by_source(of, sources)) for of in scores.values()]
    if min(counts, default=0) < FEWEST:  # no interval, nothing to rank by
        return {}
    return ranks(scores, find_metric(metric).higher_is_better, sources)


def _comparison(metric: str, complete: list[Result], sources: Sources) -> Comparison | None:
    scores = _by_model(metric, complete)
    means = {model: means_of_sources(of, sources) for model, of in scores.items()}
    return comparison(means, find_metric(metric).higher_is_better)


def best_means(board: Board, name: str) -> dict[str, int]:
    """By model the place of its mean of a metric as printed, from 0; equal ones share a place."""
    metric = find_metric(name)
    # Who lacks pictures, or saw them in training, is no rival.
    rivals = [one for one in board.entries if name in one.scores and not one.missing]
    means = {
        one.result.model: round(one.scores[name].estimate.mean, metric.digits)
        for one in rivals
        if not one.result.unranked
    }
    order = sorted(set(means.values()), reverse=metric.higher_is_better)
    return {model: order.index(mean) for model, mean in means.items()} if len(order) > 1 else {}


def _order(entry: Entry, first: str) -> tuple[bool, int, float, str]:
    """Baseline first, then by the first metric's rank and mean, then by name."""
    score = entry.scores.get(first)
    if score is None:
        return not entry.result.is_baseline, 10**9, 0.0, entry.result.model
    sign = -1 if find_metric(first).higher_is_better else 1
    rank = score.rank if score.rank is not None else 10**9
    return not entry.result.is_baseline, rank, sign * score.estimate.mean, entry.result.model
