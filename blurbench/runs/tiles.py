"""Large pictures in tiles that overlap and fade into each other, in bounded memory."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from blurbench.errors import UserError
from blurbench.images import to_float
from blurbench.models.base import Figures

# (1, 3, h, w) in [0, 1] -> restored, same shape, and what was counted on the way.
Restore = Callable[[Tensor], tuple[Tensor, Figures]]

# Sides of tiles, px, tried in this order where a whole picture is too much.
TILES = (1024, 512, 256, 128)
SMALL = 512 * 512  # pixels; up to here nobody measures what a picture takes
# Beside the whole picture, trained unet (paper's depth) and mimo-unet differ by up to 2.7 grey
# levels where tiles share 32 px, 0.27 at 64, 0.01 at 128.
SHARED = 96


@dataclass(frozen=True)
class Span:
    """The rows (or columns) start..stop of a tile, and what it has to say at each of them."""

    start: int
    stop: int
    weights: np.ndarray  # float32; over all spans they add up to 1 everywhere


def tile_sides(
    height: int, width: int, multiple: int, fitting: Callable[[], float] | None = None
) -> list[int]:
    """Sides of tiles to try for a picture, px, in order; the first may be the whole picture's.

    `fitting` tells how many pixels the memory holds, and is not asked for small pictures.
    """
    whole = max(height, width)
    sides = [whole, *(t for t in TILES if 2 * multiple <= t < whole and t % multiple == 0)]
    if fitting is None or height * width <= SMALL:
        return sides
    most = fitting()
    return [t for t in sides if min(t, height) * min(t, width) <= most] or sides[-1:]


def restore_in_tiles(
    blur: np.ndarray,
    restore: Restore,
    tile: int,
    multiple: int,
    advance: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[np.ndarray, Figures]:
    """(H, W, 3) uint8 -> restored, float32 in [0, 1], and the sum of what `restore` counted.

    Beside the two pictures it holds one row of tiles. `advance` is told how many tiles
    of how many are done.
    """
    height, width = blur.shape[:2]
    rows, columns = spans(height, tile, multiple), spans(width, tile, multiple)
    restored, figures = np.empty(blur.shape, np.float32), Counter[str]()
    strip = np.zeros((3, 0, width), np.float32)
    for number, row in enumerate(rows):
        carried, strip = strip, np.zeros((3, row.stop - row.start, width), np.float32)
        strip[:, : carried.shape[1]] = carried
        for done, column in enumerate(columns, start=number * len(columns) + 1):
            part, counted = restore(_cut(blur, row, column))
            weights = row.weights[:, None] * column.weights
            strip[:, :, column.start : column.stop] += part[0].float().cpu().numpy() * weights
            figures.update(counted)
            advance(done, len(rows) * len(columns))
        # Rows that no later tile adds to are done; the others are carried on.
        stop = rows[number + 1].start if number + 1 < len(rows) else height
        restored[row.start : stop] = strip[:, : stop - row.start].transpose(1, 2, 0)
        strip = strip[:, stop - row.start :]
    return restored, dict(figures)


def _cut(blur: np.ndarray, row: Span, column: Span) -> Tensor:
    return torch.from_numpy(to_float(blur[row.start : row.stop, column.start : column.stop]))[None]


def spans(length: int, tile: int, multiple: int) -> list[Span]:
    """Evenly spread spans of at most `tile` px over 0..length; one where all fits into it.

    They start at multiples, as the strides of a network do in the whole picture.
    """
    if length <= tile:
        return [Span(0, length, np.ones(length, np.float32))]
    shared = overlap(tile, multiple)
    last = -(-(length - tile) // multiple) * multiple
    gaps = -(-last // (tile - shared))
    ends = [
        (start, min(start + tile, length))
        # Rounded down to multiples, of which the step is one, too: neighbours never share less.
        for start in (last * index // (gaps * multiple) * multiple for index in range(gaps + 1))
    ]
    # Ramps are divided by their sum, since some neighbours share more than `shared`.
    ramps = [_ramp(start, stop, length, shared) for start, stop in ends]
    total = np.zeros(length)
    for (start, stop), ramp in zip(ends, ramps, strict=True):
        total[start:stop] += ramp
    return [
        Span(start, stop, (ramp / total[start:stop]).astype(np.float32))
        for (start, stop), ramp in zip(ends, ramps, strict=True)
    ]


def overlap(tile: int, multiple: int) -> int:
    """How many px neighbours share at least: 96, or half a tile, in multiples."""
    return max(min(SHARED, tile // 2) // multiple, 1) * multiple


def _ramp(start: int, stop: int, length: int, shared: int) -> np.ndarray:
    """0 to 1 over the middle half of what a span shares with its neighbours, 1 between them."""
    place = np.arange(start, stop) + 0.5
    left = place - start if start else np.full(len(place), float(shared))
    right = stop - place if stop < length else np.full(len(place), float(shared))
    # Next to its edge a tile lacks what its neighbour sees: the outer quarter counts for nothing.
    out: np.ndarray = np.clip((np.minimum(left, right) - shared / 4) / (shared / 2), 0, 1)
    return out


def check_tile(tile: int, multiple: int, model: str) -> None:
    """UserError for a tile that the network cannot halve, or that has no room for an overlap."""
    if tile % multiple or tile < 2 * multiple:
        raise UserError(
            f"--tile {tile}: {model} needs a multiple of {multiple}, {2 * multiple} or more"
        )
