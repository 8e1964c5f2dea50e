"""`blurbench synthesize`: make a data set, or index pairs that exist."""

from pathlib import Path
from typing import Any

import click

from blurbench.commands.options import PLACE, many_workers
from blurbench.engine import Workers


@click.command()
@click.argument("recipe")
@click.option("--source", required=True, help="Folder of pictures, or builtin:NAME.")
@click.option("--out", type=PLACE, help="Where the data set goes: a folder, or a URL.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Use the first N sources in hash order.")
@click.option("--format", "image_format", type=click.Choice(["png", "webp"]), default="png")
@click.option("--plan", "plan_only", is_flag=True, help="Counts, disk and time; write nothing.")
@many_workers
def synthesize(
    recipe: str,
    source: str,
    out: Path | str | None,
    seed: int,
    limit: int | None,
    image_format: str,
    plan_only: bool,
    workers: Workers,
) -> int:
    """Make the data set RECIPE (a name, or a TOML file) from your own pictures."""
    from blurbench.datasets import make
    from blurbench.recipes.existing import Existing
    from blurbench.recipes.recipe import load_any_recipe
    from blurbench.sources.open import open_for

    loaded = load_any_recipe(recipe)
    if isinstance(loaded, Existing):
        if seed or limit or image_format != "png":
            raise click.UsageError(f"{recipe} indexes pairs: no --seed, --limit or --format.")
        return index_pairs(loaded, source, out, plan_only, workers)
    found = open_for(loaded, source)
    if plan_only:
        click.echo(make.plan(loaded, found, seed=seed, limit=limit))
        return 0
    if out is None:
        raise click.UsageError("Missing option '--out' (or add --plan to write nothing).")
    summary = make.synthesize(
        loaded,
        found,
        out,
        seed=seed,
        limit=limit,
        image_format=image_format,
        workers=workers,
    )
    click.echo(summary)
    return 1 if summary.failed else 0


def index_pairs(
    recipe: Any,
    source: str,
    out: Path | str | None,
    plan_only: bool,
    workers: Workers,
) -> int:
    """`synthesize` for pairs that exist."""
    from blurbench.datasets import index

    if plan_only:
        click.echo(index.plan(recipe, source))
        return 0
    if out is None:
        raise click.UsageError("Missing option '--out' (or add --plan to write nothing).")
    indexed = index.index(recipe, source, out, workers=workers)
    click.echo(indexed)
    return 1 if indexed.failed else 0
