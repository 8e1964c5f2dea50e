"""What was measured for each printed cell: means over seeds, each seed's value kept."""

import statistics
from dataclasses import dataclass, field
from pathlib import Path

from blurbench.errors import UserError
from blurbench.reproduce.build import Builder
from blurbench.reproduce.confidences import sampled_confidences
from blurbench.reproduce.planned import WATCHED, planned
from blurbench.reproduce.suites import CONFIDENCE, Cell, Scoring, metric_of
from blurbench.scoring.result_folder import Measured

CONFIDENCE_STEPS = 100_000  # of the paper's last row of confidences


@dataclass(frozen=True)
class Made:
    """A result of a table, its summary read."""

    folder: Path
    summary: Measured


@dataclass(frozen=True)
class Scored:
    """What was evaluated for a table."""

    made: dict[Scoring, Made]
    reasons: dict[Scoring, str]  # why one was not made
    unready: dict[str, str]  # metric -> why it cannot be measured here


@dataclass(frozen=True)
class Outcome:
    """A printed cell, and what was measured for it."""

    cell: Cell
    measured: float | None  # in the unit that is printed, mean over seeds
    reason: str  # why nothing was measured
    folder: Path | None = None  # the result or run that it was read from, of the first seed
    summary: Measured | None = None  # of that result
    seeds: dict[int, float] = field(default_factory=dict)  # each seed's value

    @property
    def printed(self) -> float | None:
        """As printed; None for a dash."""
        value = self.cell.printed.value
        return None if value == "-" else float(value)

    @property
    def difference(self) -> float | None:
        """Measured less printed."""
        if self.measured is None or self.printed is None:
            return None
        return self.measured - self.printed

    @property
    def digits(self) -> int:
        """Decimals of the printed value; two where it is a dash."""
        return len(self.cell.printed.value.partition(".")[2]) if self.printed is not None else 2

    @property
    def short(self) -> str:
        """Why nothing was measured, in two words."""
        return self.reason.partition(":")[0]

    @property
    def digest(self) -> str:
        """Of the data set it was measured on; empty where it was read from a run."""
        return self.summary.data.digest if self.summary else ""


def outcome(cell: Cell, scored: Scored, builder: Builder) -> Outcome:
    """A cell and what was measured for it, in the unit that is printed.

    The mean over the seeds that could be measured; a reason where none could.
    """
    if not cell.scoring:
        return Outcome(cell, None, cell.reason)
    each = {n: _outcome(seeded(cell, n), scored, builder) for n in builder.scale.numbers}
    values = {n: one.measured for n, one in each.items() if one.measured is not None}
    if not values:
        first = next(iter(each.values()))
        return Outcome(cell, None, first.reason, first.folder)
    first = each[min(values)]
    mean = statistics.fmean(values.values())
    return Outcome(cell, mean, "", first.folder, first.summary, values)


def seeded(cell: Cell, seed: int) -> Cell:
    """A cell of one seed."""
    scoring = cell.scoring.seeded(seed) if cell.scoring else None
    baseline = cell.baseline.seeded(seed) if cell.baseline else None
    return Cell(cell.printed, scoring, baseline, cell.reason)


def _outcome(cell: Cell, scored: Scored, builder: Builder) -> Outcome:
    assert cell.scoring is not None
    if cell.printed.metric.startswith(CONFIDENCE):
        return _confidence(cell, builder)
    reason = scored.reasons.get(cell.scoring) or scored.unready.get(metric_of(cell), "")
    if cell.baseline:
        reason = reason or scored.reasons.get(cell.baseline, "")
    if reason:
        return Outcome(cell, None, f"not available: {reason}")
    made = scored.made[cell.scoring]
    value = _read(cell, made.summary)
    if cell.baseline and value is not None:
        before = scored.made[cell.baseline].summary.means["psnr"]
        value = None if before is None else value - before
    if value is None:
        why = made.summary.missing.get(metric_of(cell), "no picture has a value")
        return Outcome(cell, None, f"not available: {why}", made.folder)
    if cell.printed.unit == "%":
        value *= 100
    return Outcome(cell, value, "", made.folder, made.summary)


def _read(cell: Cell, summary: Measured) -> float | None:
    """A cell's number in a summary."""
    metric = cell.printed.metric
    if metric == "seconds":
        median = summary.milliseconds_median
        return None if median is None else median / 1000
    if metric == "iterations":
        return summary.figures.get("iterations")
    return summary.means.get(metric_of(cell))


def _confidence(cell: Cell, builder: Builder) -> Outcome:
    """A confidence in a face class of one of two pictures, from the log of UMSN's last stage."""
    printed, training = cell.printed, cell.scoring.training if cell.scoring else None
    if training is None:
        return Outcome(cell, None, cell.reason)
    picture, at = printed.subset.removeprefix("image ").split(", ")
    part = int(at.split(" ")[0]) / CONFIDENCE_STEPS
    try:
        run = builder.run(training)
        step = planned(training, builder.scale).settings["sample_at"][WATCHED.index(part)]
        pictures = sampled_confidences(run, step)
    except UserError as error:
        return Outcome(cell, None, f"not available: {error}")
    if len(pictures) < int(picture):
        return Outcome(cell, None, "not available: the run has one picture", run)
    classes = ("background", "skin", "parts", "hair")
    number = classes.index(printed.metric.removeprefix(CONFIDENCE))
    return Outcome(cell, pictures[int(picture) - 1][number], "", run)
