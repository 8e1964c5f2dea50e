"""`blurbench leaderboard`: rank what was scored."""

from pathlib import Path

import click

from blurbench.commands.options import FOLDER, parse_named


@click.command()
@click.argument("results", type=FOLDER, nargs=-1, required=True)
@click.option("--out", type=FOLDER, required=True)
@click.option("--compare", nargs=2, metavar="A B", help="Two models, picture by picture.")
@click.option("--latex", type=click.Path(path_type=Path), help="Write LaTeX tables (booktabs).")
@click.option("--columns", help="Of --latex: metrics, params, gmacs_256, milliseconds; by commas.")
@click.option("--intervals", is_flag=True, help="In --latex, below each mean.")
@click.option("--figure", metavar="ID", help="Draw a kept picture by all models, as PDF and PNG.")
@click.option("--box", metavar="X,Y,W,H", help="Of --figure: the crop to show, px.")
@click.option("--models", metavar="A,B", help="Of --figure: which, in this order.")
def leaderboard(
    results: tuple[Path, ...],
    out: Path,
    compare: tuple[str, str] | None,
    latex: Path | None,
    columns: str | None,
    intervals: bool,
    figure: str | None,
    box: str | None,
    models: str | None,
) -> int:
    """Rank RESULT folders, and CSV files of scores: leaderboard.csv and leaderboard.html.

    A folder that is no RESULT stands for all below it; NAME=RESULT is called NAME.
    """
    from blurbench.files import write_text
    from blurbench.ranking import report
    from blurbench.ranking.figure import draw_figure, parse_box
    from blurbench.ranking.latex import latex as as_latex

    place = parse_box(box) if box else None
    named = [parse_named(each) for each in results]
    names = {path: name for name, path in named if name}
    made = report.leaderboard([path for _, path in named], out, compare, names)
    click.echo(made)
    if latex:
        write_text(latex, as_latex(made.boards, parts(columns), intervals))
        click.echo(latex)
    if figure:
        for path in draw_figure(made.boards, figure, out, box=place, models=parts(models)):
            click.echo(path)
    return 0


def parts(text: str | None) -> list[str]:
    """What stands between commas."""
    return [part.strip() for part in text.split(",")] if text else []
