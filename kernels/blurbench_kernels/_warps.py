"""The mean of many warps of a picture, a row and a pose at a time."""

import numpy as np

from blurbench_kernels._jit import jit


@jit
def _place_row(
    h: np.ndarray,
    y: float,
    margin: float,
    stride: float,
    offset: np.ndarray,
    right: np.ndarray,
    down: np.ndarray,
) -> None:
    """Where a pose sees the pixels of row y: offset in the padded picture less x, and fractions."""
    x0, dx = h[0, 1] * y + h[0, 2], h[0, 0]
    y0, dy = h[1, 1] * y + h[1, 2], h[1, 0]
    z0, dz = h[2, 1] * y + h[2, 2], h[2, 0]
    for x in range(offset.size):
        depth = dz * x + z0
        column, row = (dx * x + x0) / depth, (dy * x + y0) / depth
        left, top = np.floor(column), np.floor(row)
        right[x], down[x] = column - left, row - top
        # Less x, so that pixels that move alike share one number: a run ends where it changes.
        offset[x] = np.int32((top + margin) * stride + (left + margin) - x)


@jit
def _add_run(
    plane: np.ndarray,
    above: np.uintp,
    below: np.uintp,
    right: np.ndarray,
    down: np.ndarray,
    total: np.ndarray,
) -> None:
    # Places are unsigned, without a test for wrap-around; slices of the plane took 12 % longer.
    one = np.uintp(1)
    for i in range(np.uintp(total.size)):
        a0, b0 = plane[above + i], plane[below + i]
        # As differences: equal pixels give themselves, whatever the fractions.
        upper = a0 + right[i] * (np.float64(plane[above + i + one]) - a0)
        lower = b0 + right[i] * (np.float64(plane[below + i + one]) - b0)
        total[i] += upper + down[i] * (lower - upper)


@jit
def _store(total: np.ndarray, poses: int, to_uint8: bool, out: np.ndarray) -> None:
    channels, width = total.shape
    for c in range(channels):
        for x in range(width):
            value = total[c, x] / poses
            if to_uint8:
                whole = np.floor(value)
                value = whole + 1.0 if value - whole >= 0.5 else whole
            out[x, c] = value


@jit
def mean_of_warps(
    planes: np.ndarray,
    stride: int,
    margin: int,
    homographies: np.ndarray,
    begins: np.ndarray,
    count: int,
    to_uint8: bool,
    out: np.ndarray,
) -> None:
    """Write to out (H, W, C) the mean over homographies (N, 3, 3) of where they see its pixels.

    A row sees `count` of them, from the one named in begins (H,) on.

    planes (C, n): the channels, flat, with `margin` px around them, in rows of `stride`; what is
    seen lies in them, right and lower neighbour too. `to_uint8` rounds half away from zero.
    """
    height, width, channels = out.shape
    total = np.empty((channels, width))
    offset, right, down = np.empty(width, np.int32), np.empty(width), np.empty(width)
    for y in range(height):
        # A row through all poses before the next: no more than a row of sums is held in float64.
        total[:] = 0.0
        for k in range(begins[y], begins[y] + count):
            _place_row(homographies[k], y, margin, stride, offset, right, down)
            start = 0
            while start < width:
                # Neighbours move nearly alike: some 100 of them read the picture in sequence.
                end = start + 1
                while end < width and offset[end] == offset[start]:
                    end += 1
                above = np.uintp(offset[start] + start)
                below = above + np.uintp(stride)
                r, d = right[start:end], down[start:end]
                for c in range(channels):
                    _add_run(planes[c], above, below, r, d, total[c, start:end])
                start = end
        _store(total, count, to_uint8, out[y])
