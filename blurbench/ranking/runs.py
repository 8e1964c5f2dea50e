"""Trainings side by side: a table for the terminal, and a page of their curves."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blurbench.errors import UserError, one_line
from blurbench.files import write_text
from blurbench.ranking.page.runs import runs_page
from blurbench.runs.history import LOOKS, History, find_runs, read_history
from blurbench.tables import as_table


@dataclass(frozen=True)
class RunsListed:
    """The table, and a line for each run that cannot be read."""

    text: str
    failed: tuple[str, ...]

    def __str__(self) -> str:
        """The table."""
        return self.text


def list_runs(folders: Sequence[Path], page: Path | None = None) -> RunsListed:
    """A line a run of those in and below `folders`; writes the page of their curves, if wanted.

    A run of which a file is damaged costs the others nothing. UserError where a folder holds none,
    or none can be read.
    """
    histories, failed = read_histories(find_runs(list(folders)))
    names = run_names([each.run for each in histories])
    rows = [told(name, each) for name, each in zip(names, histories, strict=True)]
    text = as_table(rows, right=("steps", "best", "over blurred", "minutes"))
    if page is not None:
        write_text(page, runs_page(list(zip(names, histories, rows, strict=True))))
        text = f"{text}\n{page}"
    return RunsListed(text, tuple(failed))


def read_histories(runs: Sequence[Path]) -> tuple[list[History], list[str]]:
    """Of those that can be read, and a line for each other; UserError where none can be."""
    histories, failed = [], []
    for run in runs:
        try:
            histories.append(read_history(run))
        except (UserError, OSError) as error:
            failed.append(one_line(error, str(run)))
            last = error
    if not histories:
        raise last
    return histories, failed


def run_names(runs: Sequence[Path]) -> list[str]:
    """What tells some run folders apart: their paths without the folders that all share."""
    if len(runs) == 1:
        return [runs[0].resolve().name]
    paths = [run.resolve() for run in runs]
    shared = Path(os.path.commonpath(paths))
    # One that holds the others shares all of its path.
    return [each.name if each == shared else each.relative_to(shared).as_posix() for each in paths]


def told(name: str, history: History) -> dict[str, str]:
    """The line of a run."""
    config, best = history.config, history.best
    unit, value = LOOKS[history.look], history.looks.get(best) if best is not None else None
    over = None if value is None or history.blurred is None else value - history.blurred
    return {
        "run": name,
        "model": str(config["model"]),
        "preset": str(config["preset"]),
        "steps": f"{history.step:,} of {config['steps']:,}",
        "best": "–" if value is None else f"{value:.2f} {unit} at {best:,}".replace("  ", " "),
        "over blurred": "–" if over is None else f"{over:+.2f} dB",
        "minutes": f"{history.minutes:,.1f}",
        "state": history.state,
    }
