"""`blurbench synthesize`: make a data set, or index pairs that exist."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blurbench.commands.options import PLACE, OneOf, many_workers
from blurbench.engine import Workers
from blurbench.stores.open import open_store
from blurbench.stores.store import Store

if TYPE_CHECKING:
    from blurbench.datasets.assemble import SetSummary
    from blurbench.datasets.index import IndexPlan
    from blurbench.datasets.make import Plan
    from blurbench.recipes.existing import Existing
    from blurbench.recipes.recipe import Recipe


@click.command()
@click.argument("recipe")
@click.option("--source", required=True, help="Folder of pictures, or builtin:NAME.")
@click.option("--out", type=PLACE, help="Where the data set goes: a folder, or a URL.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Use the first N sources in hash order.")
@click.option("--format", "image_format", type=OneOf(["png", "webp"]), default="png")
@click.option("--source-note", help="Where the pictures are from, for the data card.")
@click.option("--licence-note", help="Under which terms they are, for the data card.")
@click.option("--plan", "plan_only", is_flag=True, help="Counts, disk and time; write nothing.")
@many_workers
def synthesize(
    recipe: str,
    source: str,
    out: Path | str | None,
    seed: int,
    limit: int | None,
    image_format: str,
    source_note: str | None,
    licence_note: str | None,
    plan_only: bool,
    workers: Workers,
) -> int:
    """Make the data set RECIPE (a name, or a TOML file) from your own pictures."""
    from blurbench.recipes.recipe import load_any_recipe

    loaded = load_any_recipe(recipe)
    if loaded.kind == "existing" and (seed or limit or image_format != "png"):
        raise click.UsageError(f"{recipe} indexes pairs: no --seed, --limit or --format.")
    if plan_only:
        plan = planned(loaded, source, seed=seed, limit=limit)
        click.echo(plan)
        return 0 if plan.complete else 1
    if out is None:
        raise click.UsageError("Missing option '--out' (or add --plan to write nothing).")
    options = {"seed": seed, "limit": limit, "image_format": image_format}
    said = {"source_note": source_note, "licence_note": licence_note}
    notes = {name: " ".join(text.split()) for name, text in said.items() if text}
    summary = made(loaded, source, open_store(out), notes, workers, **options)
    click.echo(summary)
    return 0 if summary.complete else 1


def planned(recipe: "Recipe | Existing", source: str, **options: Any) -> "Plan | IndexPlan":
    """What would be made, or indexed, in some lines."""
    from blurbench.datasets import index, make
    from blurbench.sources.open import open_for

    if recipe.kind == "existing":
        return index.plan(recipe, source)
    return make.plan(recipe, open_for(recipe, source), **options)


def made(
    recipe: "Recipe | Existing",
    source: str,
    out: Store,
    notes: dict[str, str],
    workers: Workers,
    **options: Any,
) -> "SetSummary":
    """The data set made, or its pairs indexed."""
    from blurbench.datasets import index, make
    from blurbench.sources.open import open_for

    if recipe.kind == "existing":
        return index.index(recipe, source, out, notes=notes, workers=workers)
    listed = open_for(recipe, source).noted(notes)
    return make.synthesize(recipe, listed, out, workers=workers, **options)
