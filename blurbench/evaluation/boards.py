"""Result folders -> boards: what may be compared with what, and how it ranks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blurbench.errors import UserError
from blurbench.evaluation.statistics import FEWEST, Estimate, difference, estimate, ranks
from blurbench.files import read_json, read_jsonl
from blurbench.metrics import METRICS, PROTOCOLS, known

BASELINE = "identity"
# Of summary.json, beside `complete`.
FIELDS = (
    "model",
    "restored_by",
    "data",
    "protocol",
    "metrics",
    "provenance",
    "milliseconds_median",
    "samples",
    "skipped",
    "environment",
)


@dataclass(frozen=True)
class Result:
    """One RESULT folder: a model's scores on one split, under one protocol."""

    folder: Path
    summary: dict[str, Any]
    scores: dict[str, dict[str, float]]  # metric -> picture id -> score

    @property
    def model(self) -> str:
        """What the leaderboard calls it."""
        return str(self.summary["model"])

    @property
    def images(self) -> int:
        """How many pictures were scored."""
        return len(next(iter(self.scores.values())))

    @property
    def is_baseline(self) -> bool:
        """Whether these are the blurred pictures themselves."""
        return bool(self.summary["restored_by"] == BASELINE)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Recipe, split, digest, protocol: results are ranked together only where all agree."""
        data = self.summary["data"]
        return data["recipe"], data["split"], data["digest"], self.summary["protocol"]


@dataclass(frozen=True)
class Score:
    """One cell of a board: a metric of a model."""

    estimate: Estimate
    gain: Estimate | None  # paired difference to the baseline
    rank: int | None  # None where pictures are missing, or fewer than FEWEST


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

    @property
    def name(self) -> str:
        """An id that is safe in a link."""
        return f"{self.recipe}-{self.split}-{self.digest[:8]}-{self.protocol}"


def make_boards(folders: Sequence[Path]) -> list[Board]:
    """Group results into boards, in a fixed order; UserError for what cannot be read or told apart.

    Two results of one name on one board are refused: nobody could tell which is which.
    """
    groups: dict[tuple[str, str, str, str], list[Result]] = {}
    for folder in folders:
        result = read_result(folder)
        group = groups.setdefault(result.key, [])
        for other in group:
            if other.model == result.model:
                raise UserError(
                    f"{other.folder} and {folder} are both called {result.model!r} on one board; "
                    "leave one out, or evaluate it again with --name"
                )
        group.append(result)
    return [_board(key, groups[key]) for key in sorted(groups)]


def read_result(folder: Path) -> Result:
    """A whole RESULT folder; UserError where it is none, unfinished, torn or mixed."""
    if not (folder / "results.jsonl").is_file():
        raise UserError(f"{folder}: holds no results.jsonl; make it with `blurbench evaluate`")
    result = _empty_result(folder, read_json(folder / "summary.json"))
    expected = (result.model, *result.key[1:])
    for number, row in enumerate(read_jsonl(folder / "results.jsonl"), start=1):
        where = f"{folder / 'results.jsonl'}: line {number}"
        _take(result.scores, row, expected, where)
    if not result.scores or not result.images:
        raise UserError(f"{folder}: every picture was skipped; see its failures.jsonl")
    # The bootstrap draws by position: the order of the lines must not matter.
    ordered = {metric: dict(sorted(of.items())) for metric, of in result.scores.items()}
    return Result(folder, result.summary, ordered)


def _empty_result(folder: Path, summary: Any) -> Result:
    """A result without its scores yet; UserError where the summary is not a whole one."""
    if not isinstance(summary, dict) or not summary.get("complete"):
        raise UserError(f"{folder}: is not finished; run the same `blurbench evaluate` again")
    try:
        whole = {name: summary[name] for name in FIELDS}
        result = Result(folder, summary, {metric: {} for metric in whole["metrics"]})
        _ = result.key
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder / 'summary.json'}: lacks the field {error}") from None
    known(PROTOCOLS, whole["protocol"], "protocol")
    for metric in result.scores:
        known(METRICS, metric, "metric")
    return result


def _take(
    scores: dict[str, dict[str, float]],
    row: dict[str, Any],
    expected: tuple[str, str, str, str],
    where: str,
) -> None:
    """Add one row to `scores`; UserError where it is not of this result."""
    try:
        found = (row["model"], row["split"], row["data"], row["protocol"])
        if found != expected:
            raise UserError(f"{where} belongs to another result than summary.json")
        for metric, of_metric in scores.items():
            value = float(row["metrics"][metric])
            if not math.isfinite(value):
                raise UserError(f"{where}: {metric} is not a finite number")
            if row["id"] in of_metric:
                raise UserError(f"{where}: {row['id']!r} is there twice")
            of_metric[row["id"]] = value
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{where}: lacks or garbles {error}") from None


def _board(key: tuple[str, str, str, str], results: list[Result]) -> Board:
    metrics = [name for name in METRICS if any(name in result.scores for result in results)]
    images = len({name for result in results for of in result.scores.values() for name in of})
    baseline = next((result for result in results if result.is_baseline), None)
    complete = {result.model: result for result in results if result.images == images}
    if images < FEWEST:  # no interval, so nothing to rank by
        complete = {}
    ranked = {metric: _ranks(metric, complete) for metric in metrics}
    entries = [
        Entry(
            result,
            missing=images - result.images,
            scores={
                metric: _score(metric, result, baseline, ranked[metric].get(result.model))
                for metric in result.scores
            },
        )
        for result in results
    ]
    return Board(*key, images, metrics, sorted(entries, key=lambda entry: _order(entry, metrics)))


def _ranks(metric: str, results: dict[str, Result]) -> dict[str, int]:
    """Ranks of the models that have every picture: one that failed on hard ones has no mean."""
    scores = {name: r.scores[metric] for name, r in results.items() if metric in r.scores}
    return ranks(scores, METRICS[metric].higher_is_better) if scores else {}


def _score(metric: str, result: Result, baseline: Result | None, rank: int | None) -> Score:
    values = result.scores[metric]
    gain = None
    if baseline is not None and baseline is not result:
        others = baseline.scores.get(metric, {})
        gain = difference(values, others) if values.keys() & others.keys() else None
    return Score(estimate(list(values.values())), gain, rank)


def _order(entry: Entry, metrics: list[str]) -> tuple[bool, int, float, str]:
    """Baseline first, then by the first metric's rank and mean, then by name."""
    score = entry.scores.get(metrics[0])
    if score is None:
        return not entry.result.is_baseline, 10**9, 0.0, entry.result.model
    sign = -1 if METRICS[metrics[0]].higher_is_better else 1
    rank = score.rank if score.rank is not None else 10**9
    return not entry.result.is_baseline, rank, sign * score.estimate.mean, entry.result.model
