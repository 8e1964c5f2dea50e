"""`blurbench reproduce`: a printed table made again, printed and measured side by side."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from blurbench.errors import UserError
from blurbench.files import read_json, write_json
from blurbench.locks import locked
from blurbench.metrics import PROTOCOLS, make_ready
from blurbench.out_folder import Claim, changed
from blurbench.ranking.report import leaderboard
from blurbench.reproduce.build import DEMO_STEPS, Builder, lacking
from blurbench.reproduce.confidences import confidence_table
from blurbench.reproduce.side_by_side import Outcome, write
from blurbench.reproduce.suites import (
    BLUR,
    CAPTIONS,
    CONFIDENCE,
    SUITES,
    Cell,
    Scoring,
    cells,
    metric_of,
    trainings,
)
from blurbench.scoring.result_folder import Measured, read_caption_summary, read_summary
from blurbench.stores.folder import Folder
from blurbench.words import counted

Scale = Literal["demo", "paper"]
SCALE = "scale.json"
CLAIM = Claim("a reproduction", (SCALE,))
CONFIDENCE_STEPS = 100_000  # of the paper's last row of confidences


@dataclass(frozen=True)
class Reproduced:
    """What a table came to."""

    csv: Path
    page: Path
    outcomes: list[Outcome]
    failed: list[str]  # what could not be made, and why

    def __str__(self) -> str:
        """How many cells were measured, what failed, and where the files are."""
        measured = sum(outcome.measured is not None for outcome in self.outcomes)
        lines = [f"{measured} of {counted(len(self.outcomes), 'cell')} measured"]
        return "\n".join([*lines, *self.failed, str(self.csv), str(self.page)])


def reproduce(
    name: str,
    out: Path,
    *,
    data_root: Path | None = None,
    device: str | None = None,
    steps: int = DEMO_STEPS,
    tell: Callable[[str], object] = print,
) -> Reproduced:
    """Make what table `name` measured again, below `out`; a second call goes on.

    With `data_root` at paper scale: the paper's presets on the user's data in `data_root`/RECIPE;
    all that is missing there is told, and a UserError, before anything starts. Else at demo scale:
    tiny networks, `steps` steps each, stand-in pictures, on the CPU unless told otherwise. Several
    tables of one scale share `out`.
    """
    of_table = cells(name)
    scale: Scale = "paper" if data_root else "demo"
    builder = Builder(out, data_root, device or ("cpu" if scale == "demo" else None), steps, tell)
    if found := missing(name, builder):
        for line in found:
            tell(f"missing: {line}")
        raise UserError(f"{name}: {len(found)} missing, as listed; nothing was started")
    keep_to_scale(out, scale, steps if builder.is_demo else None)
    with locked(out):
        scored = score_all(name, of_table, builder)
        outcomes = [outcome(cell, scored, builder) for cell in of_table]
        results = [made.folder for one, made in scored.made.items() if ranked(one, made)]
        board = out / "leaderboards" / name
        if results:
            tell("\nRanking")
            tell(str(leaderboard(results, board)))
        csv, page = write(name, scale, builder, outcomes, board if results else None)
    failed = [f"{Path(key).relative_to(out)}: {why}" for key, why in builder.failed.items() if why]
    return Reproduced(csv, page, outcomes, failed)


def missing(name: str, builder: Builder) -> list[str]:
    """What table `name` needs and is not there, a line each: pictures, weights, tools."""
    if builder.is_demo:
        return []
    of_table = cells(name)
    learnt = trainings(of_table)
    wanted = {(one.recipe, "") for one in learnt}
    wanted |= {(one.recipe, one.data) for one in scorings(of_table)}
    folders = {builder.source(*each): each[0] for each in sorted(wanted)}
    lines = [
        f"{folder}: no such folder; put the pictures of recipe {recipe} there"
        for folder, recipe in folders.items()
        if not folder.is_dir()
    ]
    lines += [line for training in learnt if (line := lacking(builder, training))]
    for metric in dict.fromkeys(metric for cell in of_table if (metric := measured_by(cell))):
        try:
            make_ready(metric)
            builder.tools([metric])
        except UserError as error:
            lines.append(f"{metric}: {error}")
    return lines


def scorings(of_table: list[Cell]) -> list[Scoring]:
    """Each scoring once, in the order of the table."""
    both = (one for cell in of_table for one in (cell.baseline, cell.scoring))
    return [*dict.fromkeys(one for one in both if one)]


def measured_by(cell: Cell) -> str:
    """The metric that evaluate is asked for; empty where the cell needs none or is not measured."""
    metric = metric_of(cell)
    return metric if cell.scoring and metric not in CAPTIONS else ""


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


def score_all(name: str, of_table: list[Cell], builder: Builder) -> Scored:
    """Make everything the cells need, one after the other; what fails is noted."""
    suite, scored = SUITES[name], Scored({}, {}, {})
    for scoring in [*with_baselines(of_table)]:
        own = [cell for cell in of_table if scoring in (cell.scoring, cell.baseline)]
        if any(cell.printed.metric.startswith(CONFIDENCE) for cell in own):
            continue  # read from the log of the run
        metrics = dict.fromkeys(
            metric
            for cell in own or [c for c in of_table if same_data(c, scoring)]
            if (metric := measured_by(cell)) and ready(metric, scored)
        )
        folder = builder.out / "results" / name / place(scoring) / scoring.name.replace(" ", "-")
        try:
            if any(cell.printed.metric in CAPTIONS for cell in own):
                builder.describe(scoring, folder)
                scored.made[scoring] = Made(folder, read_caption_summary(folder))
                continue
            asked = list(metrics) or ["psnr"]
            builder.score(scoring, asked, folder, suite.protocol, suite.repeats)
            scored.made[scoring] = Made(folder, read_summary(folder))
        except UserError as error:
            scored.reasons[scoring] = str(error)
    return scored


def with_baselines(of_table: list[Cell]) -> list[Scoring]:
    """The scorings of a table, after the blurred pictures of each data set that is restored."""
    pictured = [c for c in of_table if not c.printed.metric.startswith((CONFIDENCE, *CAPTIONS))]
    restored = [one for one in scorings(pictured) if one.training]
    blurred = [Scoring(one.recipe, one.data, BLUR) for one in restored]
    return [*dict.fromkeys([*blurred, *scorings(of_table)])]


def same_data(cell: Cell, scoring: Scoring) -> bool:
    """Whether a cell is measured on the data of a scoring."""
    return bool(cell.scoring) and place(cell.scoring) == place(scoring)


def place(scoring: Scoring | None) -> str:
    """The folder of a data set among results."""
    return f"{scoring.recipe}-{scoring.data.lower()}".replace(" ", "-") if scoring else ""


def ready(metric: str, scored: Scored) -> bool:
    """Whether a metric can be measured on this machine; what it lacks is noted."""
    if metric not in scored.unready:
        try:
            make_ready(metric)
            scored.unready[metric] = ""
        except UserError as error:
            scored.unready[metric] = str(error)
    return not scored.unready[metric]


def outcome(cell: Cell, scored: Scored, builder: Builder) -> Outcome:
    """A cell and what was measured for it, in the unit that is printed."""
    if not cell.scoring:
        return Outcome(cell, None, cell.reason)
    if cell.printed.metric.startswith(CONFIDENCE):
        return confidence(cell, builder)
    reason = scored.reasons.get(cell.scoring) or scored.unready.get(metric_of(cell), "")
    if cell.baseline:
        reason = reason or scored.reasons.get(cell.baseline, "")
    if reason:
        return Outcome(cell, None, f"not available: {reason}")
    made = scored.made[cell.scoring]
    value = read(cell, made.summary)
    if cell.baseline and value is not None:
        before = scored.made[cell.baseline].summary.means["psnr"]
        value = None if before is None else value - before
    if value is None:
        why = made.summary.missing.get(metric_of(cell), "no picture has a value")
        return Outcome(cell, None, f"not available: {why}", made.folder)
    if cell.printed.unit == "%":
        value *= 100
    return Outcome(cell, value, "", made.folder, made.summary)


def read(cell: Cell, summary: Measured) -> float | None:
    """A cell's number in a summary."""
    metric = cell.printed.metric
    if metric == "seconds":
        median = summary.milliseconds_median
        return None if median is None else median / 1000
    if metric == "iterations":
        return summary.figures.get("iterations")
    return summary.means.get(metric_of(cell))


def confidence(cell: Cell, builder: Builder) -> Outcome:
    """A confidence in a face class, from the log of UMSN's own stage."""
    printed, training = cell.printed, cell.scoring.training if cell.scoring else None
    if training is None:
        return Outcome(cell, None, cell.reason)
    try:
        logged = confidence_table(run := builder.run(training))
    except UserError as error:
        return Outcome(cell, None, f"not available: {error}")
    wanted = int(printed.subset.split(", ")[1].split(" ")[0]) / CONFIDENCE_STEPS
    at = max(0, int(logged.index.searchsorted(wanted * logged.index[-1], side="right")) - 1)
    classes = ("background", "skin", "parts", "hair")
    number = classes.index(printed.metric.removeprefix(CONFIDENCE))
    return Outcome(cell, float(logged.iloc[at, number]), "", run)


def ranked(scoring: Scoring, made: Made) -> bool:
    """Whether a result can stand on a board: not captions, nor what a tool of its own measured."""
    return not scoring.tool and bool(made.summary.images) and made.summary.protocol in PROTOCOLS


def keep_to_scale(out: Path, scale: Scale, steps: int | None) -> None:
    """Note in `out` at which scale it is made; UserError where it is another."""
    wanted = {"scale": scale, "steps": steps}
    if CLAIM.find(Folder(out)):
        CLAIM.refuse_other(Folder(out), changed(read_json(out / SCALE), wanted))
    else:
        write_json(out / SCALE, wanted)
