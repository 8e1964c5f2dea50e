"""A table made again, printed beside measured: TABLE.csv and TABLE.html."""

from collections import Counter
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.parse import quote

from blurbench import __version__
from blurbench.captions.scores import COLUMNS
from blurbench.files import write_text
from blurbench.metrics import METRICS, PROTOCOLS, Protocol
from blurbench.ranking.page.jinja import joined, templates
from blurbench.ranking.printed import Printed, PrintedTable, table
from blurbench.reproduce.build import Builder
from blurbench.reproduce.outcomes import Outcome
from blurbench.reproduce.planned import Planned, beside, planned, training_seconds
from blurbench.reproduce.scales import BUDGETS, schedule_of
from blurbench.reproduce.stand_ins import STAND_INS
from blurbench.reproduce.suites import CONFIDENCE, SUITES, Scoring, Training
from blurbench.runs.folder import CONFIG, read_config
from blurbench.tables import csv_text

STYLES = ("leaderboard.css", "reproduce.css")
TITLES = {"seconds": "Seconds", "iterations": "Iterations", "psnr-gain": "PSNR gain"} | {
    name.lower(): name for names in COLUMNS.values() for name in names
}


def write(
    name: str, builder: Builder, outcomes: list[Outcome], board: Path | None
) -> tuple[Path, Path]:
    """Write both files of table `name` into the builder's folder; gives their paths."""
    paths = builder.out / f"{name}.csv", builder.out / f"{name}.html"
    write_text(paths[0], render_csv(name, builder, outcomes))
    write_text(paths[1], render_page(table(name), builder, outcomes, board))
    return paths


def render_csv(name: str, builder: Builder, outcomes: list[Outcome]) -> str:
    """One line a printed cell, in the order of the table."""
    return csv_text([_csv_row(name, builder, each) for each in outcomes])


def _csv_row(name: str, builder: Builder, outcome: Outcome) -> dict[str, Any]:
    printed, scoring = outcome.cell.printed, outcome.cell.scoring
    training = scoring.network if scoring and outcome.folder else None
    told = spending(name, training, builder) if training else None
    network = scoring.network if scoring else None
    return {
        "table": name,
        "method": printed.method,
        "data": printed.data,
        "subset": printed.subset,
        "metric": printed.metric,
        "unit": printed.unit,
        "printed": "" if outcome.printed is None else printed.value.removeprefix("+"),
        "measured": outcome.measured,
        "difference": outcome.difference,
        "status": "measured" if outcome.measured is not None else outcome.short,
        "reason": outcome.reason,
        "scale": builder.scale.name,
        "stand_in": stand_in_of(scoring, builder) if scoring and outcome.folder else "",
        "recipe": scoring.recipe if scoring else "",
        "digest": outcome.digest,
        "images": outcome.summary.images if outcome.summary else "",
        "protocol": outcome.summary.protocol if outcome.summary else "",
        "model": network.model if network else "",
        "preset": told.planned.preset if told else "",
        "trained_on": network.recipe if network else "",
        "steps": told.planned.steps if told else "",
        "made_from": outcome.folder.relative_to(builder.out).as_posix() if outcome.folder else "",
        "note": printed.note,
        "seeds": len(outcome.seeds) or "",
        "seed_values": " ".join(f"{seed}:{value:.6g}" for seed, value in outcome.seeds.items()),
        "samples": told.planned.budget.restoring if told else "",
        "samples_beside": told.beside_in_words if told else "",
        "training_seconds": "" if told is None or told.seconds is None else round(told.seconds, 1),
        "device": told.device if told else "",
        "own_schedule": told.schedule if told else "",
    }


def stand_in_of(scoring: Scoring, builder: Builder) -> str:
    """What stands in for the data; empty for the data itself."""
    return STAND_INS[scoring.recipe].describe() if builder.root is None else ""


@dataclass(frozen=True)
class Spending:
    """What a row was trained with."""

    planned: Planned
    beside: dict[str, int]  # samples that its method sees beside the restoring stages
    seconds: float | None  # of the steps of a run, mean over seeds
    device: str  # that it was trained on
    schedule: str  # its own, where it learnt elsewhere in another way

    @property
    def beside_in_words(self) -> str:
        """Samples by the stage that saw them, and the teacher, if it has one."""
        stages = [f"{name} {count:,}" for name, count in self.beside.items()]
        teacher = self.planned.teacher
        return "; ".join([*stages, *([f"{teacher}, trained elsewhere"] if teacher else [])])


def spending(name: str, training: Training, builder: Builder) -> Spending:
    """What a row of table `name` was trained with; of all its seeds."""
    folders = [builder.run_folder(training.seeded(number)) for number in builder.scale.numbers]
    seconds = [found for folder in folders if (found := training_seconds(folder)) is not None]
    return Spending(
        planned(training, builder.scale),
        beside(training, builder.scale),
        fmean(seconds) if seconds else None,
        trained_on(folders),
        schedule_of(name, training.model),
    )


def trained_on(runs: list[Path]) -> str:
    """The processors of some runs, as these tell them: other machines may have made them."""
    told = [read_config(run).get("processor", "") for run in runs if (run / CONFIG).is_file()]
    return ", ".join(dict.fromkeys(str(each) for each in told if each))


@dataclass(frozen=True)
class Section:
    """One data set of a table."""

    data: str  # as printed
    metrics: list[str]
    rows: list[tuple[str, str, list[Outcome | None]]]  # method, subset, a cell a metric
    facts: Outcome | None  # a measured one, for what all of them share

    @property
    def units(self) -> dict[str, str]:
        """Of each metric, as printed."""
        found = [each for _, _, cells in self.rows for each in cells if each]
        return {each.cell.printed.metric: each.cell.printed.unit for each in found}


def sections(whole: PrintedTable, outcomes: list[Outcome]) -> list[Section]:
    """The cells by data set, then by method, then by metric, in order of appearance."""
    by_cell = {id(each.cell.printed): each for each in outcomes}
    found = []
    for data in dict.fromkeys(cell.data for cell in whole.cells):
        own = [cell for cell in whole.cells if cell.data == data]
        metrics = list(dict.fromkeys(cell.metric for cell in own))
        lines: dict[tuple[str, str], dict[str, Printed]] = {}
        for cell in own:
            lines.setdefault((cell.method, cell.subset), {})[cell.metric] = cell
        rows = [
            (*line, [by_cell.get(id(cells.get(metric))) for metric in metrics])
            for line, cells in lines.items()
        ]
        shared = next((by_cell[id(cell)] for cell in own if by_cell[id(cell)].summary), None)
        found.append(Section(data, metrics, rows, shared))
    return found


def render_page(
    whole: PrintedTable, builder: Builder, outcomes: list[Outcome], board: Path | None
) -> str:
    """The page: it needs no network, and its style is inside it."""
    environment = templates()
    style, style_hash = joined(environment, STYLES)
    return environment.get_template("reproduce.html").render(
        table=whole,
        suite=SUITES[whole.name],
        protocols=protocols(outcomes),
        scale=builder.scale,
        built_in=builder.root is None,
        budgets=budgets(whole.name, outcomes, builder),
        sections=sections(whole, outcomes),
        titles={metric: title(metric) for metric in whole.metrics},
        unmeasured=Counter(each.reason for each in outcomes if each.measured is None),
        below=below_first_stage(whole.name, outcomes),
        measured=sum(each.measured is not None for each in outcomes),
        total=len(outcomes),
        runs=runs(whole.name, outcomes, builder),
        stand_ins=STAND_INS,
        board=f"{link(board, builder)}/leaderboard.html" if board else "",
        style=style,
        style_hash=style_hash,
        version=__version__,
    )


def budgets(name: str, outcomes: list[Outcome], builder: Builder) -> list[str]:
    """What the restoring stages of all rows see, a line a training set."""
    networks = (each.cell.scoring.network for each in outcomes if each.cell.scoring)
    recipes = dict.fromkeys(network.recipe for network in networks if network)
    found = {recipe: BUDGETS[name][recipe] for recipe in recipes}
    words = {
        recipe: f"{samples.at(builder.scale):,}"
        + (f" ({samples.words})" if builder.scale.name == "paper" else "")
        for recipe, samples in found.items()
    }
    if len(set(words.values())) == 1:
        return [next(iter(words.values()))]
    return [f"{told} of {recipe}" for recipe, told in words.items()]


def below_first_stage(name: str, outcomes: list[Outcome]) -> list[str]:
    """Why a method ends below its own first stage, a sentence each; only where it does."""
    found = []
    measured = {
        each.cell.printed.method: each.measured
        for each in outcomes
        if each.measured is not None and each.cell.printed.metric == "psnr"
    }
    for method, (first, why) in SUITES[name].first_stages.items():
        lost = measured.get(first, -inf) - measured.get(method, inf)
        if lost > 0:
            found.append(f"{method} is {lost:.2f} dB below {first}, its own first stage: {why}.")
    return found


def protocols(outcomes: list[Outcome]) -> dict[str, Protocol | None]:
    """The protocols that were measured under; None for that of captions."""
    names = dict.fromkeys(each.summary.protocol for each in outcomes if each.summary)
    return {name: PROTOCOLS.get(name) for name in names}


def title(metric: str) -> str:
    """What a metric is called at the head of a column."""
    if metric in METRICS:
        return METRICS[metric].title
    return TITLES.get(metric, metric.replace(CONFIDENCE, "C, "))


def runs(name: str, outcomes: list[Outcome], builder: Builder) -> list[dict[str, Any]]:
    """What was trained for the measured cells: each run once, with the methods it stands for."""
    methods: dict[Training, list[str]] = {}
    for each in outcomes:
        training = each.cell.scoring.network if each.cell.scoring else None
        if training and each.measured is not None:
            methods.setdefault(training, []).append(each.cell.printed.method)
    return [_run(name, training, names, builder) for training, names in methods.items()]


def _run(name: str, training: Training, names: list[str], builder: Builder) -> dict[str, Any]:
    told = spending(name, training, builder)
    settings = sorted(told.planned.settings.items())
    first = training.seeded(builder.scale.numbers[0])
    return {
        "name": training.name,
        "methods": ", ".join(dict.fromkeys(names)),
        "model": training.model,
        "preset": told.planned.preset,
        "settings": ", ".join(f"{key}={value}" for key, value in settings),
        "recipe": training.recipe,
        "steps": told.planned.steps,
        "samples": told.planned.budget.restoring,
        "beside": told.beside_in_words,
        "seconds": told.seconds,
        "device": told.device,
        "schedule": told.schedule,
        "link": link(builder.run_folder(first), builder),
    }


def link(folder: Path, builder: Builder) -> str:
    """A folder as an address relative to the page."""
    return quote(folder.relative_to(builder.out).as_posix())
