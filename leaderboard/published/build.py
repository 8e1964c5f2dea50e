"""The boards of this folder: `make published` ranks the results that lie here again, in a minute.

`make published RETRAIN=1` makes these results, too: about half an hour of two cores. What is
finished below build/published stays, so a second run goes on where the first one stopped.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import click

from blurbench.errors import UserError
from blurbench.ranking.report import leaderboard
from blurbench.reproduce.build import CLAIMS, Builder, finished
from blurbench.reproduce.demo import run_demo
from blurbench.reproduce.reproduce import finish, reproduce
from blurbench.reproduce.suites import Training

HERE = Path(__file__).resolve().parent
WORK = HERE.parents[1] / "build" / "published"
TABLES = ("s3e-1", "s3e-3", "sp-3", "umsn-1", "umsn-6", "brmr-2")  # at least one of each paper
# Of runs the settings and the log, not the weights. The tables' boards go without pictures, which
# would be 37 MB of networks that have learnt next to nothing.
SCORES = ("results/**/*.json", "results/**/*.jsonl")
SETTINGS = ("scale.json", "runs/*/*/config.json", "runs/*/*/*.jsonl")
DEMO_FILES = (*SCORES, "results/**/*.png")


class FoundBuilder(Builder):
    """Finds results of tables, and makes none."""

    def data(self, recipe: str, data: str = "") -> Path:
        """Where the data set was."""
        return self.data_folder(recipe, data)

    def run(self, training: Training) -> Path:
        """Where the run was; its settings and its log are there."""
        return self.run_folder(training)

    def once(
        self,
        folder: Path,
        what: str,
        make: Callable[[], object],  # noqa: ARG002  # as of Builder
        *,
        late: bool = False,  # noqa: ARG002
    ) -> Path:
        """The result; UserError where it is not there."""
        if not finished(folder):
            raise UserError(f"{folder}: not there ({what})")
        return folder


def main() -> None:
    """Make the results where that is asked for, then rank them."""
    if "retrain" in sys.argv[1:]:
        retrain()
    rank(HERE)


def retrain() -> None:
    """Run the demo and the tables at demo scale, then replace what is published."""
    run_demo(WORK / "demo")
    for name in TABLES:
        click.secho(f"\nTable {name}", bold=True)
        click.echo(reproduce(name, WORK / "tables", tell=click.echo))
    replace(WORK / "demo", HERE / "demo", DEMO_FILES)
    replace(WORK / "tables", HERE / "tables", (*SCORES, *SETTINGS))


def rank(folder: Path) -> None:
    """Write every board and table of `folder`, laid out as this one, from its results."""
    for name in TABLES:
        click.echo(finish(name, FoundBuilder(folder / "tables", tell=lambda _: None)))
    shutil.rmtree(folder / "tables" / CLAIMS)
    results = sorted(file.parent for file in folder.glob("demo/results/*/*/summary.json"))
    click.echo(leaderboard(results, folder / "demo" / "leaderboard"))


def replace(made: Path, published: Path, patterns: tuple[str, ...]) -> None:
    """Copy the files of `made` that match to `published`, which holds nothing else afterwards."""
    shutil.rmtree(published, ignore_errors=True)
    for path in (path for pattern in patterns for path in made.glob(pattern) if path.is_file()):
        target = published / path.relative_to(made)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


if __name__ == "__main__":
    main()
