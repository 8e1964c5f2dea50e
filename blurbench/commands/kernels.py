"""`blurbench kernels`: look at a recipe's blur; write kernels to a file; find those of pairs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from blurbench.commands.options import FOLDER, PLACE, OneOf, many_workers
from blurbench.engine import Workers


@click.group()
def kernels() -> None:
    """Look at a recipe's blur; write its kernels to a file; find those of pairs."""


def of_recipe(command: Callable[..., Any]) -> Callable[..., Any]:
    """What the commands on a recipe's kernels share."""
    recipe = click.argument("recipe")
    out = click.option("--out", type=FOLDER, required=True)
    count = click.option("--count", type=click.IntRange(1), help="How many are drawn.")
    seed = click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
    splits = OneOf(["train", "val", "test"])
    split = click.option("--split", type=splits, default="train", show_default=True)
    return recipe(out(count(seed(split(command)))))


@kernels.command()
@of_recipe
def preview(recipe: str, out: Path, count: int | None, seed: int, split: str) -> int:
    """A picture of what RECIPE draws, with its lengths and angles."""
    from blurbench.preview.sheet import write_preview
    from blurbench.recipes.recipe import load_recipe

    click.echo(write_preview(load_recipe(recipe), out, count, seed, split))
    return 0


@kernels.command()
@of_recipe
@click.option("--size", type=click.IntRange(3), help="Side of the kernels, px, with zeros around.")
@click.option(
    "--format", "file_format", help="npy, npz, mat or umsn; by default the suffix of --out."
)
def bank(
    recipe: str,
    out: Path,
    count: int | None,
    seed: int,
    split: str,
    size: int | None,
    file_format: str | None,
) -> int:
    """Write the kernels that RECIPE draws: .npy, .npz or .mat."""
    from blurbench.preview.kernels import write_bank
    from blurbench.recipes.recipe import load_recipe

    loaded = load_recipe(recipe)
    told = write_bank(loaded, out, count, seed, size, split=split, format=file_format)
    click.echo(told)
    return 0


@kernels.command()
@click.argument("pairs", type=PLACE)
@click.option("--out", type=FOLDER, required=True)
@click.option(
    "--size",
    type=click.IntRange(5, 95),
    default=41,
    show_default=True,
    help="Side of the window for a kernel and for how far the pictures are apart, px, odd.",
)
@click.option(
    "--patch",
    type=click.IntRange(32),
    default=128,
    show_default=True,
    help="Side of the patches that have a kernel each, about, px.",
)
@click.option("--limit", type=click.IntRange(1), help="Use the first N pairs in hash order.")
@many_workers
def estimate(
    pairs: Path | str, out: Path, size: int, patch: int, limit: int | None, workers: Workers
) -> int:
    """Find the kernels of PAIRS, a folder or a data set, from both pictures."""
    from blurbench.estimates.patches import Search
    from blurbench.estimates.run import estimate_kernels

    found = estimate_kernels(pairs, out, Search(size, patch), limit, workers)
    click.echo(found)
    return 0 if found.complete else 1
