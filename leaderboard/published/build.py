"""Make the boards of this folder again: `make published`, about half an hour of two cores.

What is finished below build/published stays, so a second run goes on where the first one stopped.
"""

import shutil
from pathlib import Path

import click

from blurbench.reproduce.demo import run_demo
from blurbench.reproduce.reproduce import reproduce

HERE = Path(__file__).resolve().parent
WORK = HERE.parents[1] / "build" / "published"
TABLES = ("s3e-1", "s3e-3", "sp-3", "umsn-1", "umsn-6", "brmr-2")  # at least one of each paper
# What a page links to: of runs their settings, not their weights.
TABLE_FILES = ("*.csv", "*.html", "leaderboards/**/*", "runs/*/*/config.json")


def main() -> None:
    """Run the demo and the tables at demo scale, then replace what is published."""
    run_demo(WORK / "demo")
    for name in TABLES:
        click.secho(f"\nTable {name}", bold=True)
        click.echo(reproduce(name, WORK / "tables", tell=click.echo))
    replace(WORK / "demo" / "leaderboard", HERE / "demo", ("**/*",))
    replace(WORK / "tables", HERE / "tables", TABLE_FILES)


def replace(made: Path, published: Path, patterns: tuple[str, ...]) -> None:
    """Copy the files of `made` that match to `published`, which holds nothing else afterwards."""
    shutil.rmtree(published, ignore_errors=True)
    for path in (path for pattern in patterns for path in made.glob(pattern) if path.is_file()):
        target = published / path.relative_to(made)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


if __name__ == "__main__":
    main()
