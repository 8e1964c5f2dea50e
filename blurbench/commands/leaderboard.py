"""`blurbench leaderboard`: rank what was scored."""

from pathlib import Path

import click

from blurbench.commands.options import FOLDER


@click.command()
@click.argument("results", type=FOLDER, nargs=-1, required=True)
@click.option("--out", type=FOLDER, required=True)
@click.option("--compare", nargs=2, metavar="A B", help="Two models, picture by picture.")
def leaderboard(results: tuple[Path, ...], out: Path, compare: tuple[str, str] | None) -> int:
    """Rank RESULT folders, and CSV files of scores: leaderboard.csv and leaderboard.html."""
    from blurbench.ranking import report

    click.echo(report.leaderboard(list(results), out, compare=compare))
    return 0
