"""The boards of this folder: `make published` ranks the results that lie here again, in a minute.

`make published RETRAIN=1` makes those of the demo, too: some minutes of one core. Rows of the open
boards are made by `blurbench reproduce board-NAME`.
"""

import shutil
import sys
from pathlib import Path

import click

from blurbench.ranking.matrix_report import write_matrix
from blurbench.ranking.report import leaderboard
from blurbench.ranking.submissions.verify import rank as rank_board
from blurbench.reproduce.demo import run_demo

HERE = Path(__file__).resolve().parent
WORK = HERE.parents[1] / "build" / "published"
DEMO_FILES = ("results/**/*.json", "results/**/*.jsonl", "results/**/*.png")
# `blurbench matrix` as docs/matrix.md has it: no pictures, which may not be shown.
MATRIX_FILES = ("results/**/*.json", "results/**/*.jsonl")
MATRIX_SETS = ("flow", "shake", "defocus", "ladder", "objects")
MATRIX_RUNS = ("flow-0", "shake-0", "defocus-0", "all-0")
# Of an open board what its page is made of.
BOARD_FILES = (
    "*/checks.json",
    "*/pictures.csv",
    "*/results/**/*.json",
    "*/results/**/*.jsonl",
    "*/shown/**/*.json",
    "*/shown/**/*.jsonl",
    "*/shown/**/*.png",
)


def main() -> None:
    """Make the results of the demo where that is asked for, then rank all."""
    if "retrain" in sys.argv[1:]:
        run_demo(WORK / "demo")
        replace(WORK / "demo", HERE / "demo", DEMO_FILES)
    rank(HERE)


def rank(folder: Path) -> None:
    """Write every board of `folder`, laid out as this one, from its results."""
    results = sorted(file.parent for file in folder.glob("demo/results/*/*/summary.json"))
    click.echo(leaderboard(results, folder / "demo" / "leaderboard"))
    tested = sorted(file.parent for file in folder.glob("matrix/results/*/*/summary.json"))
    click.echo(write_matrix(folder / "matrix", tested, MATRIX_SETS, MATRIX_RUNS))
    for board in sorted(folder.glob("boards/*/results")):
        click.echo(rank_board(board.parent))


def replace(made: Path, published: Path, patterns: tuple[str, ...]) -> None:
    """Copy the files of `made` that match to `published`, which holds nothing else afterwards."""
    shutil.rmtree(published, ignore_errors=True)
    for path in (path for pattern in patterns for path in made.glob(pattern) if path.is_file()):
        target = published / path.relative_to(made)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


if __name__ == "__main__":
    main()
