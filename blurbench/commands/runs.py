"""`blurbench runs`: what became of trainings."""

from pathlib import Path

import click

from blurbench.commands.options import FOLDER


@click.command()
@click.argument("folders", type=FOLDER, nargs=-1, required=True, metavar="FOLDER...")
@click.option("--page", type=click.Path(path_type=Path), help="Write the curves as an HTML page.")
def runs(folders: tuple[Path, ...], page: Path | None) -> int:
    """List the trainings in FOLDERs: how far, how good, how long; --page draws their curves."""
    from blurbench.ranking.runs import list_runs

    found = list_runs(list(folders), page)
    for message in found.failed:
        click.echo(f"failed: {message}", err=True)
    click.echo(found)
    return 1 if found.failed else 0
