"""The numbers that the papers print: leaderboard/papers/*.csv, whose README says what they hold."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from blurbench.errors import UserError
from blurbench.files import shipped
from blurbench.words import meant


@dataclass(frozen=True)
class Printed:
    """One number of a table of a paper; empty strings where a field does not apply."""

    table: str
    method: str  # as printed
    data: str  # as printed
    subset: str
    metric: str
    value: str  # as printed, without its unit
    unit: str
    recipe: str  # of ours, that makes such data
    model: str  # of ours, that stands for the method
    preset: str
    note: str

    @property
    def number(self) -> float | None:
        """The value as our metrics give it, so 0.71 for 71 %; None where the paper has a dash."""
        if self.value == "-":
            return None
        return float(self.value) / (100 if self.unit == "%" else 1)


@dataclass(frozen=True)
class PrintedTable:
    """A table of a paper, its cells in reading order."""

    name: str
    paper: str
    printed_as: str  # "Table 1"
    caption: str  # in our words
    cells: tuple[Printed, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what was measured, in order of appearance."""
        return tuple(dict.fromkeys(cell.metric for cell in self.cells))


@cache
def tables() -> dict[str, PrintedTable]:
    """Every table by name."""
    folder = shipped("leaderboard/papers")
    return {
        row["table"]: PrintedTable(
            name=row["table"],
            paper=row["paper"],
            printed_as=row["printed_as"],
            caption=row["caption"],
            cells=tuple(
                Printed(table=row["table"], **cell)
                for cell in _csv_rows(folder / f"{row['table']}.csv")
            ),
        )
        for row in _csv_rows(folder / "tables.csv")
    }


def table(name: str) -> PrintedTable:
    """One table; UserError for a name that is none."""
    if name not in tables():
        near = meant(name, tables())
        raise UserError(f"no table {name!r}{near}; there are {', '.join(tables())}")
    return tables()[name]


def printed(
    metric: str, *, recipe: str, model: str, preset: str = "paper", subset: str = ""
) -> tuple[Printed, ...]:
    """What the papers print for our model on our data set: none, one or, where they differ, more.

    One recipe may stand for several of their data sets, and one method may be printed twice.
    """
    wanted = (metric, recipe, model, preset, subset)
    return tuple(
        cell
        for each in tables().values()
        for cell in each.cells
        if (cell.metric, cell.recipe, cell.model, cell.preset, cell.subset) == wanted
        and cell.number is not None
    )


def tables_with(model: str) -> tuple[str, ...]:
    """Names of the tables that have a row for this model of ours, in any preset."""
    return tuple(
        name for name, each in tables().items() if any(cell.model == model for cell in each.cells)
    )


def _csv_rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
