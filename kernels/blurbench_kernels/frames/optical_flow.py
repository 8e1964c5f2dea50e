"""Where each pixel of a frame went in the next one, to the same last bit on every processor.

Dense inverse search: Kroeger et al., Fast Optical Flow using Dense Inverse Search, ECCV 2016,
without its variational refinement. Not OpenCV's: three in four of its numbers change with the
processor, by up to 1e-3 px, and on whatever grid they are rounded to some fall to the other side.
"""

import numpy as np

from blurbench_kernels._jit import jit

PATCH, STRIDE = 8, 4  # px; OpenCV's preset "medium" has 8 and 3
ROUNDS = 12  # of descent in a patch, as there
SMALLEST = 24  # px of the shorter side of the coarsest level
MARGIN = 2 * PATCH  # px that a patch may leave the picture
# What a px away from the coarser level's motion costs, in squared grey levels of a patch. With 1,
# noise moves flat ground: of a still road 52 % did not come back to where it was, 34 % do not so;
# with 128 a turn and zoom are found to .30 px, so to .24.
PULL = 16.0


def flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(H, W, 2) float64: a pixel (x, y) of `first` is at (x + u, y + v) of `second`, px.

    Both (H, W) uint8 or float64, 0 to 255, at least 16 x 16. ValueError for others.
    """
    if first.shape != second.shape or first.ndim != 2 or min(first.shape) < 2 * PATCH:
        sizes = f"{first.shape} and {second.shape}"
        raise ValueError(f"frames: expected two of (H, W), 16 x 16 px or more, got {sizes}")
    # The finest level has half the size, as in OpenCV's preset: the whole one takes 4 times as long
    # and warps photographs 7 % better.
    levels = [(_half(np.asarray(first, np.float64)), _half(np.asarray(second, np.float64)))]
    while min(levels[-1][0].shape) >= 2 * SMALLEST:
        levels.append((_half(levels[-1][0]), _half(levels[-1][1])))
    found = np.zeros((*levels[-1][0].shape, 2))
    for one, other in levels[::-1]:
        found = _refined(one, other, _finer(found, one.shape))
    return _finer(found, first.shape)


def _half(image: np.ndarray) -> np.ndarray:
    even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    upper, lower = even[::2], even[1::2]
    out: np.ndarray = ((upper[:, ::2] + upper[:, 1::2]) + (lower[:, ::2] + lower[:, 1::2])) / 4
    return out


def _finer(flow: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The flow of a picture twice as large, or of the same."""
    if flow.shape[:2] == shape:
        return flow
    return 2 * _twice(_twice(flow, 0, shape[0]), 1, shape[1])


def _twice(values: np.ndarray, axis: int, length: int) -> np.ndarray:
    """Linearly between the centres of pixels, to `length`, which is twice as long or one more."""
    place = np.clip((np.arange(length) - 0.5) / 2, 0, values.shape[axis] - 1)
    before = np.minimum(place.astype(int), max(values.shape[axis] - 2, 0))
    after = np.minimum(before + 1, values.shape[axis] - 1)
    shape = [1, 1, 1]
    shape[axis] = length
    low = values.take(before, axis)
    out: np.ndarray = low + (place - before).reshape(shape) * (values.take(after, axis) - low)
    return out


def _refined(first: np.ndarray, second: np.ndarray, start: np.ndarray) -> np.ndarray:
    wider = np.pad(first, 1, mode="edge")
    slopes = (wider[1:-1, 2:] - wider[1:-1, :-2]) / 2, (wider[2:, 1:-1] - wider[:-2, 1:-1]) / 2
    around = np.pad(second, MARGIN + 1, mode="edge")
    rows, columns = (_corners(side) for side in first.shape)
    found = np.empty((len(rows), len(columns), 2))
    _search(first, *slopes, around, rows, columns, start, found)
    found = _median(found)
    out = np.empty(start.shape)
    _spread(first, around, rows, columns, found, out)
    return out


def _corners(side: int) -> np.ndarray:
    """First pixels of the patches along a side; the last one ends with it."""
    return np.array([*range(0, side - PATCH, STRIDE), side - PATCH])


def _median(found: np.ndarray) -> np.ndarray:
    """Of each patch and the eight around it."""
    wider = np.pad(found, ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = found.shape[:2]
    around = [wider[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    out: np.ndarray = np.median(np.stack(around), axis=0)
    return out


@jit
def _compare(
    first: np.ndarray,
    across: np.ndarray,
    down: np.ndarray,
    second: np.ndarray,
    y: int,
    x: int,
    u: float,
    v: float,
) -> tuple[float, float, float]:
    """Squared difference of a patch and what lies at (u, v) from it, and its products with slopes.

    All less what a difference in brightness alone gives.
    """
    height, width = first.shape
    row = min(max(y + v, -float(MARGIN)), height - PATCH + float(MARGIN))
    column = min(max(x + u, -float(MARGIN)), width - PATCH + float(MARGIN))
    top, left = int(np.floor(row)), int(np.floor(column))
    dy, dx = row - top, column - left
    top, left = top + MARGIN + 1, left + MARGIN + 1
    total, squares, along, upright, slope_x, slope_y = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(PATCH):
        for j in range(PATCH):
            a, b = second[top + i, left + j], second[top + i, left + j + 1]
            c, d = second[top + i + 1, left + j], second[top + i + 1, left + j + 1]
            upper, lower = a + dx * (b - a), c + dx * (d - c)
            off = upper + dy * (lower - upper) - first[y + i, x + j]
            total += off
            squares += off * off
            along += off * across[y + i, x + j]
            upright += off * down[y + i, x + j]
            slope_x += across[y + i, x + j]
            slope_y += down[y + i, x + j]
    mean = total / (PATCH * PATCH)
    return squares - total * mean, along - slope_x * mean, upright - slope_y * mean


@jit
def _slopes(across: np.ndarray, down: np.ndarray, y: int, x: int) -> tuple[float, float, float]:
    """Squares and product of a patch's slopes, less those of their means."""
    xx, xy, yy, sx, sy = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(y, y + PATCH):
        for j in range(x, x + PATCH):
            gx, gy = across[i, j], down[i, j]
            xx += gx * gx
            xy += gx * gy
            yy += gy * gy
            sx += gx
            sy += gy
    count = PATCH * PATCH
    return xx - sx * sx / count, xy - sx * sy / count, yy - sy * sy / count


@jit
def _descend(
    first: np.ndarray,
    across: np.ndarray,
    down: np.ndarray,
    second: np.ndarray,
    y: int,
    x: int,
    u: float,
    v: float,
    prior_u: float,
    prior_v: float,
) -> tuple[float, float]:
    """The motion of a patch, from (u, v) on, while its cost falls."""
    xx, xy, yy = _slopes(across, down, y, x)
    xx, yy = xx + PULL, yy + PULL
    determinant = xx * yy - xy * xy
    best, best_u, best_v, from_u, from_v = np.inf, u, v, u, v
    for _ in range(ROUNDS):
        cost, along, upright = _compare(first, across, down, second, y, x, u, v)
        off_u, off_v = u - prior_u, v - prior_v
        cost += PULL * (off_u * off_u + off_v * off_v)
        if cost >= best:
            break
        best, best_u, best_v = cost, u, v
        along, upright = along + PULL * off_u, upright + PULL * off_v
        u -= (yy * along - xy * upright) / determinant
        v -= (xx * upright - xy * along) / determinant
        if (u - from_u) ** 2 + (v - from_v) ** 2 > PATCH * PATCH:
            return from_u, from_v
    return best_u, best_v


@jit
def _search(
    first: np.ndarray,
    across: np.ndarray,
    down: np.ndarray,
    second: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    start: np.ndarray,
    found: np.ndarray,
) -> None:
    """Motions of all patches; each begins with the best of its own, and of those beside it.

    From the first corner to the last and back, so that a good one spreads over what is alike.
    """
    height, width = rows.size, columns.size
    half = PATCH // 2
    for turn in range(2):
        step = 1 - 2 * turn
        for n in range(height * width):
            place = n if turn == 0 else height * width - 1 - n
            i, j = place // width, place % width
            y, x = rows[i], columns[j]
            prior_u, prior_v = start[y + half, x + half]
            u, v = (prior_u, prior_v) if turn == 0 else (found[i, j, 0], found[i, j, 1])
            least = _compare(first, across, down, second, y, x, u, v)[0]
            least += PULL * ((u - prior_u) ** 2 + (v - prior_v) ** 2)
            for k in range(2):
                other_i, other_j = (i - step, j) if k == 0 else (i, j - step)
                if other_i < 0 or other_j < 0 or other_i >= height or other_j >= width:
                    continue
                other_u, other_v = found[other_i, other_j, 0], found[other_i, other_j, 1]
                cost = _compare(first, across, down, second, y, x, other_u, other_v)[0]
                cost += PULL * ((other_u - prior_u) ** 2 + (other_v - prior_v) ** 2)
                if cost < least:
                    least, u, v = cost, other_u, other_v
            found[i, j, 0], found[i, j, 1] = _descend(
                first, across, down, second, y, x, u, v, prior_u, prior_v
            )


@jit
def _spread(
    first: np.ndarray,
    second: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    found: np.ndarray,
    out: np.ndarray,
) -> None:
    """Each pixel gets the mean of its patches' motions, by how well each fits there."""
    height, width = first.shape
    weights = np.zeros((height, width))
    out[:] = 0.0
    for i in range(rows.size):
        for j in range(columns.size):
            u, v = found[i, j]
            for y in range(rows[i], rows[i] + PATCH):
                for x in range(columns[j], columns[j] + PATCH):
                    row = min(max(y + v, -float(MARGIN)), height - 1 + float(MARGIN))
                    column = min(max(x + u, -float(MARGIN)), width - 1 + float(MARGIN))
                    top, left = int(np.floor(row)), int(np.floor(column))
                    dy, dx = row - top, column - left
                    top, left = top + MARGIN + 1, left + MARGIN + 1
                    a, b = second[top, left], second[top, left + 1]
                    c, d = second[top + 1, left], second[top + 1, left + 1]
                    upper, lower = a + dx * (b - a), c + dx * (d - c)
                    off = abs(upper + dy * (lower - upper) - first[y, x])
                    weight = 1.0 / max(1.0, off)
                    weights[y, x] += weight
                    out[y, x, 0] += weight * u
                    out[y, x, 1] += weight * v
    for y in range(height):
        for x in range(width):
            out[y, x, 0] /= weights[y, x]
            out[y, x, 1] /= weights[y, x]
