"""`blurbench leaderboard`: rank what was scored."""

from pathlib import Path

import click

from blurbench.commands.options import FOLDER


@click.command()
@click.argument("results", type=FOLDER, nargs=-1, required=True)
@click.option("--out", type=FOLDER, required=True)
@click.option("--compare", nargs=2, metavar="A B", help="Two models, picture by picture.")
@click.option("--latex", type=click.Path(path_type=Path), help="Write LaTeX tables (booktabs).")
@click.option("--columns", help="Of --latex: metrics, params, gmacs_256, milliseconds; by commas.")
@click.option("--intervals", is_flag=True, help="In --latex, below each mean.")
def leaderboard(
    results: tuple[Path, ...],
    out: Path,
    compare: tuple[str, str] | None,
    latex: Path | None,
    columns: str | None,
    intervals: bool,
) -> int:
    """Rank RESULT folders, and CSV files of scores: leaderboard.csv and leaderboard.html."""
    from blurbench.files import write_text
    from blurbench.ranking import report
    from blurbench.ranking.latex import latex as as_latex

    made = report.leaderboard(list(results), out, compare=compare)
    click.echo(made)
    if latex:
        chosen = [name.strip() for name in columns.split(",")] if columns else []
        write_text(latex, as_latex(made.boards, chosen, intervals))
        click.echo(latex)
    return 0
