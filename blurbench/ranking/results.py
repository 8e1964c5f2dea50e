"""A model's scores on one split, read from its RESULT folder."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from blurbench.errors import UserError
from blurbench.files import TEMPORARY
from blurbench.metrics import PLUG_INS, PROTOCOLS, find_metric, known
from blurbench.progress import tell
from blurbench.ranking.statistics import Estimate
from blurbench.scoring.result_folder import (
    FAILURES,
    MEND,
    PICTURES,
    SUMMARY,
    ResultSummary,
    ScoredPicture,
    read_pictures,
    read_summary,
)
from blurbench.words import counted

BASELINE = "identity"


class BoardKey(NamedTuple):
    """Results are ranked together only where all of it agrees."""

    recipe: str
    split: str
    digest: str
    protocol: str


@dataclass(frozen=True)
class Result:
    """A model's scores on one split, under one protocol."""

    folder: Path
    summary: ResultSummary
    # Metric -> picture id -> score; without the pictures to which a metric does not apply.
    scores: dict[str, dict[str, float]]
    severity: dict[str, float] = field(default_factory=dict)  # picture id -> blur length, px
    groups: dict[str, dict[str, str]] = field(default_factory=dict)  # kind -> picture id -> label
    sources: dict[str, str] = field(default_factory=dict)  # picture id -> what it was blurred from
    origin: str = ""  # the file it was taken from, where that is no RESULT folder
    unranked: str = ""  # why it has no rank whatever its scores
    checked: str = ""  # what is known of it: re-run, re-scored or self-reported
    quoted: dict[str, Estimate] = field(default_factory=dict)  # where there are no scores
    runs: tuple["Result", ...] = ()  # of several seeds, of which this is the mean

    @property
    def model(self) -> str:
        """What the leaderboard calls it."""
        return self.summary.model

    @property
    def metrics(self) -> list[str]:
        """What it was scored by."""
        return list(self.scores or self.quoted)

    @property
    def images(self) -> int:
        """How many pictures were scored."""
        if self.quoted:
            return self.summary.data.images or 0
        return len(self.ids)

    @property
    def ids(self) -> list[str]:
        """The pictures that were scored, sorted."""
        return sorted({name for of_metric in self.scores.values() for name in of_metric})

    @property
    def is_baseline(self) -> bool:
        """Whether these are the blurred pictures themselves."""
        return self.summary.restored_by == BASELINE and not self.origin

    @property
    def key(self) -> BoardKey:
        """The board that it belongs on."""
        data = self.summary.data
        return BoardKey(data.recipe, data.split, data.digest, self.summary.protocol)


def _find(metric: str, package: str | None, folder: Path) -> None:
    """UserError for a metric that is unknown, or whose package is not there."""
    if package and metric not in PLUG_INS.names():
        mend = "install it, or leave this result out"
        raise UserError(
            f"{folder}: its metric {metric} is of {package}, not installed here; {mend}"
        )
    find_metric(metric)


def find_results(folder: Path) -> list[Path]:
    """The result that a folder is, or all below it, sorted; UserError where there is none.

    What lies inside of a result is a part of it. Captions, which no board ranks, are told.
    """
    if (folder / PICTURES).is_file() or not folder.is_dir():
        return [folder]
    found, captions = [], 0
    for place, below, names in os.walk(folder):
        # A `board verify` is at work there, or was killed.
        below[:] = [name for name in below if not name.startswith(TEMPORARY)]
        if PICTURES in names:
            found.append(Path(place))
            below.clear()
        captions += SUMMARY in names and PICTURES not in names
    if not found:
        raise UserError(f"{folder}: holds no result ({PICTURES}); make one by `blurbench evaluate`")
    if captions:
        tell(f"{folder}: {counted(captions, 'result')} of captions left out: boards rank pictures")
    return sorted(found)


def read_result(folder: Path, name: str | None = None) -> Result:
    """A whole RESULT folder; UserError where it is none, unfinished, torn or mixed.

    name: what the board calls it, whatever it was evaluated as.
    """
    if not (folder / PICTURES).is_file():
        raise UserError(f"{folder}: holds no {PICTURES}; make it with `blurbench evaluate`")
    summary = read_summary(folder)
    if not summary.complete:
        raise UserError(f"{folder}: is not finished; run the same `blurbench evaluate` again")
    known(PROTOCOLS, summary.protocol, "protocol")
    for metric in summary.metrics:
        _find(metric, summary.plugins.get(metric), folder)
    scores: dict[str, dict[str, float]] = {metric: {} for metric in summary.metrics}
    result = Result(folder, summary, scores, unranked=str(summary.leaks or ""))
    lines = 0
    for where, picture in read_pictures(folder):
        _take(result, picture, where)
        lines += 1
    if summary.format and lines != summary.images:
        told = f"{SUMMARY} has {counted(summary.images, 'picture')}, {PICTURES} {lines}"
        raise UserError(f"{folder}: {told}; {MEND}")
    if not result.images:
        raise UserError(f"{folder}: every picture was skipped; see its {FAILURES}")
    sort_scores(result.scores)
    return replace(result, summary=summary.model_copy(update={"model": name})) if name else result


def sort_scores(scores: dict[str, dict[str, float]]) -> None:
    """Order pictures by their ids, and drop the metrics that apply to none.

    The bootstrap draws by position, so the order of the lines of a file must not matter.
    """
    for metric, of_metric in list(scores.items()):
        if of_metric:
            scores[metric] = dict(sorted(of_metric.items()))
        else:
            del scores[metric]


def _take(result: Result, picture: ScoredPicture, where: str) -> None:
    """Add one line to the scores; UserError where it is not of this result."""
    found = (picture.model, picture.split, picture.data, picture.protocol)
    if found != (result.model, *result.key[1:]):
        raise UserError(f"{where} belongs to another result than {SUMMARY}")
    for metric, of_metric in result.scores.items():
        if metric not in picture.metrics:
            raise UserError(f"{where}: has no {metric}, which {SUMMARY} names")
        if picture.id in of_metric:
            raise UserError(f"{where}: {picture.id!r} is there twice")
        if (value := picture.metrics[metric]) is not None:
            of_metric[picture.id] = value
    if picture.severity is not None:
        result.severity[picture.id] = picture.severity
    if picture.source is not None:
        result.sources[picture.id] = picture.source
    for kind, label in picture.groups.items():
        result.groups.setdefault(kind, {})[picture.id] = label
