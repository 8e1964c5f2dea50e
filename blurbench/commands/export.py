"""`blurbench export`: a data set in another format."""

from pathlib import Path

import click

from blurbench.commands.options import FOLDER, PLACE, many_workers
from blurbench.engine import Workers
from blurbench.stores.open import open_store


@click.command()
@click.argument("data", type=PLACE)
@click.option("--to", "kind", required=True, help="webdataset, lmdb or basicsr.")
@click.option("--out", type=FOLDER, required=True)
@many_workers
def export(data: Path | str, kind: str, out: Path, workers: Workers) -> int:
    """Write a data set in another format, and read it back."""
    from blurbench.datasets.export import export as write

    click.echo(write(open_store(data), kind, out, workers=workers))
    return 0
