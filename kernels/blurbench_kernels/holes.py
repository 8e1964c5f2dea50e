"""What may lie where a picture has a hole: smooth light, or its edge repeated. Exact order of sums.

Not OpenCV's inpainting, whose last digits are those of the processor.
"""

from typing import Literal

import numpy as np

from blurbench_kernels._jit import jit

Fill = Literal["inpaint", "edge"]


def fill(image: np.ndarray, hole: np.ndarray, how: Fill = "inpaint") -> np.ndarray:
    """(H, W, C) float64 with light where `hole` (H, W) is true; the rest stays as it is.

    inpaint: means of ever larger neighbourhoods, smooth (the pull-push of Gortler et al., The
    Lumigraph, SIGGRAPH 1996). edge: the nearest pixel outside. ValueError where all is hole.
    """
    if hole.all():
        raise ValueError("hole: it is the whole picture, so nothing is left to fill it with")
    image = np.asarray(image, np.float64)
    filled = _pull_push(image, ~hole) if how == "inpaint" else _repeat_edge(image, hole)
    out: np.ndarray = np.where(hole[..., None], filled, image)
    return out


def _pull_push(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    if known.all():
        return image
    weight = _even(known[..., None].astype(np.float64))
    light = _even(image) * weight
    # Added in this order, whatever the processor: np.sum has one of its own.
    corners = [(light[i::2, j::2], weight[i::2, j::2]) for i in (0, 1) for j in (0, 1)]
    sums, counts = corners[0]
    for more, count in corners[1:]:
        sums, counts = sums + more, counts + count
    smaller = _pull_push(sums / np.maximum(counts, 1.0), counts[..., 0] > 0)
    pushed = _double(_double(smaller, 0), 1)[: image.shape[0], : image.shape[1]]
    out: np.ndarray = np.where(known[..., None], image, pushed)
    return out


def _even(image: np.ndarray) -> np.ndarray:
    """With zeros below and to the right, where a side is odd."""
    return np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)))


def _double(image: np.ndarray, axis: int) -> np.ndarray:
    """Twice as long, linearly between the centres of pixels; the edge repeats."""
    image = np.moveaxis(image, axis, 0)
    before = np.concatenate([image[:1], image[:-1]])
    after = np.concatenate([image[1:], image[-1:]])
    pairs = np.stack([0.75 * image + 0.25 * before, 0.75 * image + 0.25 * after], axis=1)
    return np.moveaxis(pairs.reshape(-1, *image.shape[1:]), 0, axis)


def _repeat_edge(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    nearest = np.where(hole, -1, np.arange(hole.size).reshape(hole.shape))
    # The second round lets a pixel that was found last tell those before it.
    for _ in range(2):
        _sweep(nearest, False)
        _sweep(nearest[::-1, ::-1], True)
    out: np.ndarray = image.reshape(-1, image.shape[2])[nearest]
    return out


@jit
def _sweep(nearest: np.ndarray, turned: bool) -> None:
    """Each pixel takes the nearest of its own and of its upper and left neighbours' pixels.

    nearest (H, W): their flat places in the picture, -1 for none; turned: a view of it upside down.
    """
    height, width = nearest.shape
    for y in range(height):
        for x in range(width):
            best, least = nearest[y, x], height * height + width * width
            row, column = (height - 1 - y, width - 1 - x) if turned else (y, x)
            if best >= 0:
                dy, dx = best // width - row, best % width - column
                least = dy * dy + dx * dx
            for k in range(4):
                i, j = (y, x - 1) if k == 0 else (y - 1, x + k - 2)
                if i < 0 or j < 0 or j >= width or nearest[i, j] < 0:
                    continue
                dy, dx = nearest[i, j] // width - row, nearest[i, j] % width - column
                if dy * dy + dx * dx < least:
                    best, least = nearest[i, j], dy * dy + dx * dx
            nearest[y, x] = best
