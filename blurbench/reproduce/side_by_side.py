"""A table made again, printed beside measured: TABLE.csv and TABLE.html."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from blurbench import __version__
from blurbench.captions.scores import COLUMNS
from blurbench.files import write_text
from blurbench.metrics import METRICS, PROTOCOLS, Protocol
from blurbench.ranking.csv_files import csv_text
from blurbench.ranking.page.jinja import joined, templates
from blurbench.ranking.printed import Printed, PrintedTable, table
from blurbench.reproduce.build import Builder
from blurbench.reproduce.stand_ins import STAND_INS
from blurbench.reproduce.suites import CONFIDENCE, SUITES, Cell, Scoring, Training
from blurbench.scoring.result_folder import Measured

STYLES = ("leaderboard.css", "reproduce.css")
TITLES = {"seconds": "Seconds", "iterations": "Iterations", "psnr-gain": "PSNR gain"} | {
    name.lower(): name for names in COLUMNS.values() for name in names
}


@dataclass(frozen=True)
class Outcome:
    """A printed cell, and what was measured for it."""

    cell: Cell
    measured: float | None  # in the unit that is printed
    reason: str  # why nothing was measured
    folder: Path | None = None  # the result or run that it was read from
    summary: Measured | None = None  # of that result

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


def write(
    name: str, scale: str, builder: Builder, outcomes: list[Outcome], board: Path | None
) -> tuple[Path, Path]:
    """Write both files of table `name` into the builder's folder; gives their paths."""
    paths = builder.out / f"{name}.csv", builder.out / f"{name}.html"
    write_text(paths[0], render_csv(name, scale, builder, outcomes))
    write_text(paths[1], render_page(table(name), scale, builder, outcomes, board))
    return paths


def render_csv(name: str, scale: str, builder: Builder, outcomes: list[Outcome]) -> str:
    """One line a printed cell, in the order of the table."""
    return csv_text([_csv_row(name, scale, builder, each) for each in outcomes])


def _csv_row(name: str, scale: str, builder: Builder, outcome: Outcome) -> dict[str, Any]:
    printed, scoring = outcome.cell.printed, outcome.cell.scoring
    training = scoring.network if scoring else None
    made = bool(outcome.folder)
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
        "scale": scale,
        "stand_in": stand_in_of(scoring, builder) if scoring and made else "",
        "recipe": scoring.recipe if scoring else "",
        "digest": outcome.digest,
        "images": outcome.summary.images if outcome.summary else "",
        "protocol": outcome.summary.protocol if outcome.summary else "",
        "model": training.model if training else "",
        "preset": builder.settings(training)[0] if training and made else "",
        "trained_on": training.recipe if training else "",
        "steps": steps_of(training, builder) if training and made else "",
        "made_from": outcome.folder.relative_to(builder.out).as_posix() if outcome.folder else "",
        "note": printed.note,
    }


def stand_in_of(scoring: Scoring, builder: Builder) -> str:
    """What stands in for the data; empty for the data itself."""
    return STAND_INS[scoring.recipe].describe() if builder.is_demo else ""


def steps_of(training: Training, builder: Builder) -> int:
    """Optimiser steps of a training."""
    from blurbench.models import model_class

    preset: int = model_class(training.model).PRESETS[training.preset].steps
    return builder.steps if builder.is_demo else training.steps or preset


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
    whole: PrintedTable, scale: str, builder: Builder, outcomes: list[Outcome], board: Path | None
) -> str:
    """The page: it needs no network, and its style is inside it."""
    environment = templates()
    style, style_hash = joined(environment, STYLES)
    suite = SUITES[whole.name]
    return environment.get_template("reproduce.html").render(
        table=whole,
        suite=suite,
        protocols=protocols(outcomes),
        scale=scale,
        steps=builder.steps,
        sections=sections(whole, outcomes),
        titles={metric: title(metric) for metric in whole.metrics},
        unmeasured=Counter(each.reason for each in outcomes if each.measured is None),
        measured=sum(each.measured is not None for each in outcomes),
        total=len(outcomes),
        runs=runs(outcomes, builder),
        stand_ins=STAND_INS,
        board=f"{link(board, builder)}/leaderboard.html" if board else "",
        style=style,
        style_hash=style_hash,
        version=__version__,
    )


def protocols(outcomes: list[Outcome]) -> dict[str, Protocol | None]:
    """The protocols that were measured under; None for that of captions."""
    names = dict.fromkeys(each.summary.protocol for each in outcomes if each.summary)
    return {name: PROTOCOLS.get(name) for name in names}


def title(metric: str) -> str:
    """What a metric is called at the head of a column."""
    if metric in METRICS:
        return METRICS[metric].title
    return TITLES.get(metric, metric.replace(CONFIDENCE, "C, "))


def runs(outcomes: list[Outcome], builder: Builder) -> list[dict[str, Any]]:
    """What was trained for the measured cells: each run once, with the methods it stands for."""
    methods: dict[Training, list[str]] = {}
    for each in outcomes:
        training = each.cell.scoring.network if each.cell.scoring else None
        if training and each.measured is not None:
            methods.setdefault(training, []).append(each.cell.printed.method)
    return [
        {
            "name": training.name,
            "methods": ", ".join(dict.fromkeys(names)),
            "model": training.model,
            "preset": builder.settings(training)[0],
            "settings": ", ".join(
                f"{key}={value}" for key, value in sorted(builder.settings(training)[1].items())
            ),
            "recipe": training.recipe,
            "steps": steps_of(training, builder),
            "link": link(builder.run_folder(training), builder),
        }
        for training, names in methods.items()
    ]


def link(folder: Path, builder: Builder) -> str:
    """A folder as an address relative to the page."""
    return quote(folder.relative_to(builder.out).as_posix())
