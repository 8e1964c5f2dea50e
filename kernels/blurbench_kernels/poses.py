"""A camera on a path before a plane, as the way of a layer (layers.Way).

Every pose sees between pixels; its bilinear weights are read as times, so that a layer by itself is
blurred as by camera.blur, but that blocks of pixels see what their middles see.
"""

import math

import numpy as np

from blurbench_kernels.camera import _tracks as tracks
from blurbench_kernels.layers import Way

NEAR = 0.25  # px between what a pixel sees and what the middle of its block tells, at most
LARGEST = 32  # px, of a block
MOST = 512  # pixels whose lengths are measured


def along_poses(homographies: np.ndarray, height: int, width: int) -> Way:
    """The poses (N, 3, 3) of `camera.homographies`, one after the other, each as long."""
    side = _block(homographies, height, width)
    y, x = (np.arange(math.ceil(n / side)) * side + (side - 1) / 2 for n in (height, width))
    middles = np.tile(x, len(y)), np.repeat(y, len(x))
    right, down = (tracks(homographies, *middles) - np.stack(middles, axis=1)[..., None]).swapaxes(
        0, 1
    )
    left, top = np.floor(right), np.floor(down)
    # (blocks, N, 4): the upper two of the four pixels about a place, then the lower two.
    across = np.stack([1 - (right - left), right - left], axis=2)
    along = np.stack([1 - (down - top), down - top], axis=2)
    spans = (along[..., :, None] * across[..., None, :]).reshape(*right.shape, 4) / right.shape[1]
    rows = top[..., None].astype(np.int64) + np.array([0, 0, 1, 1])
    columns = left[..., None].astype(np.int64) + np.array([0, 1, 0, 1])
    seen = spans > 0
    first = np.concatenate([[0], np.cumsum(seen.sum(axis=(1, 2)))])
    blocks = np.arange(len(right), dtype=np.int32).reshape(len(y), len(x))
    lists = np.repeat(np.repeat(blocks, side, axis=0), side, axis=1)[:height, :width]
    return Way(np.ascontiguousarray(lists), first, rows[seen], columns[seen], spans[seen])


def _block(homographies: np.ndarray, height: int, width: int) -> int:
    """The side of blocks, px, a power of two: one corner sees at most NEAR beside its middle."""
    y, x = (np.linspace(0, n - 1, max(2, math.ceil(n / LARGEST))) for n in (height, width))
    places = np.tile(x, len(y)), np.repeat(y, len(x))
    moved = tracks(homographies, *places) - np.stack(places, axis=1)[..., None]
    moved = moved.reshape(len(y), len(x), 2, -1)
    # Homographies bend little over 32 px: what changes from node to node changes evenly.
    slopes = [
        float(np.abs(np.diff(moved, axis=axis)).max()) / max(at[1] - at[0], 1.0)
        for axis, at in enumerate((y, x))
    ]
    side = LARGEST
    while side > 1 and sum(slopes) * side / 2 > NEAR:
        side //= 2
    return side


def lengths_inside(homographies: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """(mean, max) blur length, px, as of `camera.lengths`, of pixels `inside` (H, W) bool.

    Of 512 of them where there are more.
    """
    places = np.flatnonzero(inside)
    places = places[:: max(1, len(places) // MOST)]
    y, x = np.divmod(places, inside.shape[1])
    right, down = tracks(homographies, x.astype(float), y.astype(float)).swapaxes(0, 1)
    squares = np.zeros(len(places))
    for k in range(1, right.shape[1]):
        apart = (right[:, k:] - right[:, :-k]) ** 2 + (down[:, k:] - down[:, :-k]) ** 2
        squares = np.maximum(squares, apart.max(axis=1))
    found = np.sqrt(squares)
    return math.fsum(found) / len(found), float(found.max())
