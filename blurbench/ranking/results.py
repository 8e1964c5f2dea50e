"""A model's scores on one split, read from its RESULT folder."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blurbench.errors import UserError
from blurbench.files import read_json, read_jsonl
from blurbench.metrics import PROTOCOLS, find_metric, known
from blurbench.ranking.statistics import Estimate

BASELINE = "identity"
LARGEST = 1e100
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
Key = tuple[str, str, str, str]  # recipe, split, digest, protocol


@dataclass(frozen=True)
class Result:
    """A model's scores on one split, under one protocol."""

    folder: Path
    summary: dict[str, Any]
    # Metric -> picture id -> score; without the pictures to which a metric does not apply.
    scores: dict[str, dict[str, float]]
    severity: dict[str, float] = field(default_factory=dict)  # picture id -> blur length, px
    groups: dict[str, dict[str, str]] = field(default_factory=dict)  # kind -> picture id -> label
    sources: dict[str, str] = field(default_factory=dict)  # picture id -> what it was blurred from
    origin: str = ""  # the file it was taken from, where that is no RESULT folder
    unranked: str = ""  # why it has no rank whatever its scores
    quoted: dict[str, Estimate] = field(default_factory=dict)  # where there are no scores
    runs: tuple["Result", ...] = ()  # of several seeds, of which this is the mean

    @property
    def model(self) -> str:
        """What the leaderboard calls it."""
        return str(self.summary["model"])

    @property
    def metrics(self) -> list[str]:
        """What it was scored by."""
        return list(self.scores or self.quoted)

    @property
    def images(self) -> int:
        """How many pictures were scored."""
        if self.quoted:
            return int(self.summary["data"]["images"])
        return len(self.ids)

    @property
    def ids(self) -> list[str]:
        """The pictures that were scored, sorted."""
        return sorted({name for of_metric in self.scores.values() for name in of_metric})

    @property
    def is_baseline(self) -> bool:
        """Whether these are the blurred pictures themselves."""
        return bool(self.summary["restored_by"] == BASELINE) and not self.origin

    @property
    def key(self) -> Key:
        """Results are ranked together only where all of it agrees."""
        data = self.summary["data"]
        return data["recipe"], data["split"], data["digest"], self.summary["protocol"]


def is_score(value: float) -> bool:
    """Whether a number can be a score: far from where sums of squares leave the floats."""
    return math.isfinite(value) and abs(value) < LARGEST


def read_result(folder: Path) -> Result:
    """A whole RESULT folder; UserError where it is none, unfinished, torn or mixed."""
    if not (folder / "results.jsonl").is_file():
        raise UserError(f"{folder}: holds no results.jsonl; make it with `blurbench evaluate`")
    result = _empty_result(folder, read_json(folder / "summary.json"))
    expected = (result.model, *result.key[1:])
    for number, row in enumerate(read_jsonl(folder / "results.jsonl"), start=1):
        where = f"{folder / 'results.jsonl'}: line {number}"
        _take(result, row, expected, where)
    if not result.images:
        raise UserError(f"{folder}: every picture was skipped; see its failures.jsonl")
    for metric, of_metric in list(result.scores.items()):
        if of_metric:
            # The bootstrap draws by position: the order of the lines must not matter.
            result.scores[metric] = dict(sorted(of_metric.items()))
        else:
            del result.scores[metric]  # it applies to no picture
    return result


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
        find_metric(metric)
    return result


def _take(
    result: Result, row: dict[str, Any], expected: tuple[str, str, str, str], where: str
) -> None:
    """Add one row to the scores; UserError where it is not of this result."""
    try:
        name, found = row["id"], (row["model"], row["split"], row["data"], row["protocol"])
        if found != expected:
            raise UserError(f"{where} belongs to another result than summary.json")
        for metric, of_metric in result.scores.items():
            if row["metrics"][metric] is None:
                continue
            value = float(row["metrics"][metric])
            if not is_score(value):
                raise UserError(f"{where}: {metric} is not a finite number")
            if name in of_metric:
                raise UserError(f"{where}: {name!r} is there twice")
            of_metric[name] = value
        if row.get("severity") is not None:
            result.severity[name] = float(row["severity"])
        if row.get("source") is not None:
            result.sources[name] = str(row["source"])
        for kind, label in row.get("groups", {}).items():
            result.groups.setdefault(kind, {})[name] = str(label)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{where}: lacks or garbles {error}") from None
