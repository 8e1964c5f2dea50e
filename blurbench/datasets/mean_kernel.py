"""The kernel of a made pair, drawn once more from its row: what only an oracle knows."""

import json
import math
from typing import Any

import numpy as np

from blurbench.blurs.base import Blurred, Family, Scene
from blurbench.blurs.motion_flow import MotionFlow
from blurbench.blurs.registry import parts_of
from blurbench.datasets.format import Row
from blurbench.datasets.pair import IDENTITY
from blurbench.datasets.splits import PairKey
from blurbench.errors import UserError
from blurbench.recipes.recipe import Recipe
from blurbench_kernels.motion_flow import Motion, line_kernel
from blurbench_kernels.random import stream

ROUNDS = 3  # to find the size before the crop: the second has it
CLOSE = 1e-6  # parameters that hang on a mean, whose last digits depend on the processor


def mean_kernel(recipe: Recipe, row: Row) -> np.ndarray:
    """(K, L) float64 of odd sides and sum 1: what blurred a pair, mean over its picture.

    Drawn from the row's stream, and compared with the parameters that the row states. UserError
    where the family has no kernels, or other parameters come out.
    """
    refuse_kernelless(recipe)
    if row["kernel_family"] == IDENTITY:
        return np.ones((1, 1))
    size, made = _redrawn(recipe, row)
    family = _part(recipe, made)
    if not isinstance(family, MotionFlow):
        return _response(made, size)
    motion = Motion(**{name: made.drawn[name] for name in Motion.__dataclass_fields__})
    (u, v), _ = motion.rounded(*size, family.mode)
    left = (int(row["height"]), int(row["width"]))  # in the middle, whatever was cut off
    starts = ((side - most) // 2 for side, most in zip(size, left, strict=True))
    kept = tuple(slice(start, start + most) for start, most in zip(starts, left, strict=True))
    return mean_line(u[kept], v[kept])


def mean_line(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The mean line kernel of a flow in whole px, (H, W): (K, K) float64, K odd."""
    first, low, width = int(u.min()), int(v.min()), int(v.max() - v.min()) + 1
    # By numbers of motions: sorting the pairs takes fifty times as long.
    counts = np.bincount((width * (u - first) + (v - low)).ravel())
    used = np.flatnonzero(counts)
    kernels = [line_kernel(int(n) // width + first, int(n) % width + low) for n in used]
    half = max(len(kernel) for kernel in kernels) // 2
    total = np.zeros((2 * half + 1, 2 * half + 1))
    for kernel, count in zip(kernels, counts[used], strict=True):
        reach = len(kernel) // 2
        inner = slice(half - reach, half + reach + 1)
        total[inner, inner] += kernel * count
    return total / u.size


def refuse_kernelless(recipe: Recipe) -> None:
    """UserError where a recipe's pairs have no mean kernel that is known."""
    for part in parts_of(recipe.blur):
        if part.KERNELS != "one" and not isinstance(part, MotionFlow):
            raise UserError(
                f"{recipe.name}: the kernels of family {part.family} have no mean that is known"
            )
    if recipe.region:
        raise UserError(f"{recipe.name}: blurs a part of each picture: no kernel is that of all")


def _redrawn(recipe: Recipe, row: Row) -> tuple[tuple[int, int], Blurred]:
    """The size before the crop, and the blur of one bright pixel in the middle of it."""
    told = json.loads(row["parameters"])
    size = recipe.prepare.resize or _guess(recipe, row)
    for _ in range(ROUNDS):
        made = _blur(recipe, row, size)
        if _agree(made.drawn, told):
            return size, made
        size = _before_crop(size, made.drawn, told)
    raise UserError(
        f"{row['id']}: its kernel cannot be drawn again: other parameters come out than its row"
        " states; was it made by another version?"
    )


def _blur(recipe: Recipe, row: Row, size: tuple[int, int]) -> Blurred:
    key = PairKey(*json.loads(row["stream"]))
    image = np.zeros((*size, 1))
    image[size[0] // 2, size[1] // 2] = 1.0
    bank = (key.recipe, key.seed, key.split)
    scene = Scene(key.source_id, image, None, stream(*key, "kernel"), key.replica, bank)
    return recipe.blur.blur(scene)


def _guess(recipe: Recipe, row: Row) -> tuple[int, int]:
    """The size before the crop, at the least what its blur needs."""
    cut = math.ceil(row.get("severity_max_px") or 0) if recipe.crop.borders else 0
    return int(row["height"]) + cut, int(row["width"]) + cut


def _before_crop(
    size: tuple[int, int], drawn: dict[str, Any], told: dict[str, Any]
) -> tuple[int, int]:
    """The size at which a flow has the centre that is told: half of it, and a shift in px."""
    if "center" not in drawn or "center" not in told:
        return size
    rows, columns = (
        round(2 * (b - a)) for a, b in zip(drawn["center"], told["center"], strict=True)
    )
    return size[0] + rows, size[1] + columns


def _agree(drawn: dict[str, Any], told: dict[str, Any]) -> bool:
    """Whether a row's parameters are those that were drawn; it may state more, as of a sensor."""
    flat = json.loads(json.dumps(drawn))
    return all(_same(value, told.get(name)) for name, value in flat.items())


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return all(_same(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
    return bool(one == other)


def _part(recipe: Recipe, made: Blurred) -> Family:
    """The family that blurred, of a mixture's the one that was drawn."""
    part: Family = parts_of(recipe.blur)[made.drawn.get("part", 0)]
    return part


def _response(made: Blurred, size: tuple[int, int]) -> np.ndarray:
    """What one kernel made of the bright pixel."""
    middle = size[0] // 2, size[1] // 2
    if any(2 * reach >= side for reach, side in zip(made.border, size, strict=True)):
        raise UserError(f"a kernel of {made.border} px to each side is larger than its picture")
    rows, columns = (slice(m - b, m + b + 1) for m, b in zip(middle, made.border, strict=True))
    kernel: np.ndarray = made.image[rows, columns, 0] / made.image.sum()
    return kernel
