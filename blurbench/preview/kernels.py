"""Kernels that a recipe's blur draws, alone: to look at them, and to write banks of them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from blurbench.blurs.base import MIN_SIDE, Blurred, Scene
from blurbench.blurs.kernel_files import digest, stack, write_kernels
from blurbench.blurs.registry import SINGLE, parts_of
from blurbench.datasets.splits import PairKey
from blurbench.errors import UserError
from blurbench.recipes.recipe import Recipe
from blurbench_kernels.random import stream

ITEM = "kernel"  # stands for the id of a source image in the names of random streams
WIDTH = 640  # of the picture that is blurred, px
# Where a kernel's middle lies in a square picture, px: small ones first, the time goes with the
# area.
MIDDLES = (MIN_SIDE, 64, 128, 256, 512, 1024)


def draw_kernels(
    recipe: Recipe, count: int, seed: int = 0, split: str = "train"
) -> Iterator[np.ndarray]:
    """`count` kernels of a recipe, (K, K) float64 of sum 1, as convolution applies them.

    Where pairs share a number of kernels (`count` of a trajectory, a bank), these are theirs: all
    of them, or as many spread over them; kernel i of a trajectory's is drawn from stream (name,
    seed, split, "bank", i). Else kernel i is what an image with the id "kernel" gets as its replica
    i, from stream (name, seed, split, "kernel", i, "kernel"). Lengths relative to a width are those
    of 640 px. UserError where a family of the recipe has not one kernel a picture.
    """
    refuse_fields(recipe)
    shared = recipe.blur.shared()
    if shared and count > shared:
        raise UserError(f"count {count}: recipe {recipe.name} has {shared} kernels")
    for n in range(count):
        yield _kernel(recipe, seed, split, n * shared // count if shared else n)


def write_bank(
    recipe: Recipe,
    out: Path | str,
    count: int | None = None,
    seed: int = 0,
    size: int | None = None,
    *,
    split: str = "train",
    format: str | None = None,
) -> str:
    """Write `draw_kernels` to a file, each in the middle of (size, size) zeros; says what it wrote.

    count: by default as many as pairs share, else 1000. format as in `write_kernels`.
    """
    refuse_fields(recipe)
    count = count or recipe.blur.shared() or 1000
    kernels = stack(list(draw_kernels(recipe, count, seed, split)), size)
    write_kernels(out, kernels, format)
    side = kernels.shape[1]
    return f"{out}: {count} kernels of {side} x {side} px, sha256 {digest(list(kernels))}"


def refuse_fields(recipe: Recipe) -> None:
    """UserError unless every family of the recipe has one kernel a picture."""
    for part in parts_of(recipe.blur):
        if part.KERNELS != "one":
            known = ", ".join(name for name, each in SINGLE.items() if each.KERNELS == "one")
            problem = f"family {part.family} has not one kernel a picture, as a bank needs"
            raise UserError(f"{recipe.name}: {problem}; these have: {known}")


def drawn(recipe: Recipe, image: np.ndarray, key: PairKey, **changes: Any) -> Blurred:
    """The blur that pair `key` gets, on another image."""
    settings = recipe.blur
    if settings.shared():  # by their number, so that each comes once
        settings = settings.model_copy(update={"order": "replica"})
    random, bank = stream(*key, "kernel"), (key.recipe, key.seed, key.split)
    scene = Scene(ITEM, image, None, random, key.replica, bank)
    try:
        return settings.blur(replace(scene, **changes))
    except ValueError as error:
        raise UserError(f"{recipe.name}: {error}") from None


def _kernel(recipe: Recipe, seed: int, split: str, index: int) -> np.ndarray:
    """What blur makes of one bright pixel: the kernel, exactly."""
    targets = [getattr(part, "target", None) for part in parts_of(recipe.blur)]
    relative = any(target and target.unit == "width" for target in targets)
    problem = None
    for half in MIDDLES:
        image = np.zeros((2 * half, WIDTH if relative else 2 * half, 1))
        middle = half, image.shape[1] // 2
        image[middle] = 1.0
        try:
            made = drawn(recipe, image, PairKey(recipe.name, seed, split, ITEM, index))
        except UserError as error:  # as a rule, that the picture is too small
            problem = error
            continue
        if max(made.border) < min(middle):
            return _around(made.image[..., 0], middle, made.border)
        problem = None
    raise problem or UserError(f"{recipe.name}: its kernels are too large to be drawn alone")


def _around(image: np.ndarray, middle: tuple[int, int], reach: tuple[int, int]) -> np.ndarray:
    rows, columns = (
        slice(place - each, place + each + 1) for place, each in zip(middle, reach, strict=True)
    )
    return image[rows, columns].copy()
