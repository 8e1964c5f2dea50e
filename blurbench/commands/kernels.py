"""`blurbench kernels`: look at a recipe's blur; write its kernels to a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from blurbench.commands.options import FOLDER


@click.group()
def kernels() -> None:
    """Look at a recipe's blur; write its kernels to a file."""


def of_recipe(command: Callable[..., Any]) -> Callable[..., Any]:
    """What the commands on a recipe's kernels share."""
    recipe = click.argument("recipe")
    out = click.option("--out", type=FOLDER, required=True)
    count = click.option("--count", type=click.IntRange(1), help="How many are drawn.")
    seed = click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
    splits = click.Choice(["train", "val", "test"])
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
