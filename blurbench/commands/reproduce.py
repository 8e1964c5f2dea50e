"""`blurbench reproduce`: the papers' tables made again."""

from pathlib import Path

import click

from blurbench.commands.options import FOLDER


@click.command()
@click.argument("table", required=False)
@click.option("--scale", type=click.Choice(["demo", "paper"]), default="demo", show_default=True)
@click.option("--data-root", type=FOLDER, help="Your data, one folder a recipe: for --scale paper.")
@click.option("--out", type=FOLDER, help="Where data, runs, results and the table go.")
@click.option("--device", help="cpu, cuda or cuda:N; default: a GPU for --scale paper.")
def reproduce(
    table: str | None, scale: str, data_root: Path | None, out: Path | None, device: str | None
) -> int:
    """Make a TABLE of the papers again: printed and measured side by side.

    Without a TABLE: what there is. A second call with the same --out goes on.
    """
    if table is None:
        from blurbench.commands.list import as_text
        from blurbench.reproduce.suites import rows

        click.echo(as_text("suites", rows()))
        return 0
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    if (scale == "paper") != (data_root is not None):
        raise click.UsageError("--scale paper and --data-root go together.")
    from blurbench.reproduce.reproduce import reproduce as run

    done = run(table, out, data_root=data_root, device=device, tell=click.echo)
    click.echo(done)
    return 1 if done.failed else 0
