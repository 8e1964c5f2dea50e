"""`blurbench verify`: is a data set what it says?"""

from pathlib import Path

import click

from blurbench.commands.options import PLACE, many_workers
from blurbench.engine import Workers
from blurbench.stores.open import open_store


@click.command()
@click.argument("data", type=PLACE)
@click.option("--fast", is_flag=True, help="Sizes of the pictures, and hashes of the lists.")
@many_workers
def verify(data: Path | str, fast: bool, workers: Workers) -> int:
    """Is this data set, a folder or URL, exactly what its dataset.json says?"""
    from blurbench.datasets.verify import unchecked
    from blurbench.datasets.verify import verify as check

    store = open_store(data)
    problems = check(store, workers, fast=fast)
    for note in unchecked(store):
        click.echo(note)
    for problem in problems:
        click.echo(problem)
    verdict = f"problems: {len(problems)}" if problems else "verified"
    click.echo(f"{store.where()}: {verdict}")
    return 1 if problems else 0
