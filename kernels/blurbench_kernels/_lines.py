"""Line kernels of whole-pixel motions, and the runs of pixels that share one.

Rounded flow changes slowly: at 640x480 and a mean of 20 px about 400 kernels are in use, and a row
of 640 pixels is some 27 runs. So a blurred picture is a few hundred thousand additions of slices.
"""

import math

import numpy as np

from blurbench_kernels._jit import jit


@jit
def _line(mu: int, mv: int) -> tuple[float, float, float, int, int]:
    """Half length, cosine and sine, and reach in rows and columns of the line along (mu, mv)."""
    # MATLAB's eps, as in fspecial: a row exactly 1 px beyond an end weighs nothing and is left out.
    eps = 2.220446049250313e-16
    length = math.sqrt(mu * mu + mv * mv)
    # The generator divides by the rise, and so has 1e-16 for 0.
    rise = -mv if mv != 0 else 1e-16
    norm = math.sqrt(mu * mu + rise * rise)
    c, s = rise / norm, mu / norm
    # A line has two directions: fspecial's is that of 0 to 180 degrees.
    if s < 0 or (s == 0 and c < 0):
        c, s = -c, -s
    # A motion of 1 px moves nothing: (1, 0) is the identity, as in the generator.
    half = (length - 1) / 2
    rows = math.floor(half * abs(c) + 1 - length * eps)
    columns = math.floor(half * s + 1 - length * eps)
    return half, c, s, rows, columns


@jit
def _line_taps(mu: int, mv: int, rows: np.ndarray, columns: np.ndarray, weights: np.ndarray) -> int:
    """Write the taps of one kernel, row by row, and return their number; they sum to 1."""
    if mu == 0 and mv == 0:
        rows[0], columns[0], weights[0] = 0, 0, 1.0
        return 1
    half, c, s, row_reach, column_reach = _line(mu, mv)
    count, total = 0, 0.0
    for k in range(-row_reach, row_reach + 1):
        # Only taps less than 1 from the line weigh; all took 0.8 ms a picture, these 0.3.
        first, last = -column_reach, column_reach
        if c != 0:
            middle, spread = -k * s / c, 1 / abs(c) + 1
            first = int(max(first, math.floor(middle - spread)))
            last = int(min(last, math.ceil(middle + spread)))
        for m in range(first, last + 1):
            distance = m * c + k * s
            if math.sqrt(k * k + m * m) >= half:
                # The nearest end of the line. The foot of the perpendicular is k - distance * s;
                # the generator has the plus sign, and so have its data.
                beyond = half - abs((k + distance * s) / c)
                distance = math.sqrt(distance * distance + beyond * beyond)
            weight = 1 - abs(distance)
            if weight > 0:
                rows[count], columns[count], weights[count] = k, m, weight
                total += weight
                count += 1
    for i in range(count):
        weights[i] /= total
    return count


def capacity(longest: int) -> int:
    """Most taps of a kernel: a strip 2 px wide meets at most 3 pixels of a row or of a column."""
    return 3 * (longest + 3)


def line_kernel(u: int, v: int) -> np.ndarray:
    """The generator's line kernel along (u, v), whole px: (K, K) float64, K odd, sums to 1.

    MATLAB's fspecial("motion") with the generator's end caps; centred, symmetric.
    """
    room = capacity(abs(u) + abs(v))
    rows, columns, weights = np.zeros(room, np.int64), np.zeros(room, np.int64), np.zeros(room)
    count = _line_taps(u, v, rows, columns, weights)
    rows, columns = rows[:count], columns[:count]
    reach = int(max(np.abs(rows).max(), np.abs(columns).max()))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    kernel[rows + reach, columns + reach] = weights[:count]
    return kernel


@jit
def find_runs(
    u: np.ndarray, v: np.ndarray, channels: int, margin: int
) -> tuple[np.ndarray, np.ndarray]:
    """Runs of one row's pixels with equal flow, as apply_runs wants them, and the (u, v) in use."""
    height, width = u.shape
    u_low, v_low = u.min(), v.min()
    known = np.full((v.max() - v_low + 1, u.max() - u_low + 1), -1, np.int32)
    runs = np.empty((u.size, 4), np.int64)  # at worst a run a pixel
    motions = np.empty((min(known.size, u.size), 2), np.int64)
    run_count, kernel_count = 0, 0
    for y in range(height):
        x = 0
        while x < width:
            start, mu, mv = x, u[y, x], v[y, x]
            while x < width and u[y, x] == mu and v[y, x] == mv:
                x += 1
            kernel = known[mv - v_low, mu - u_low]
            if kernel < 0:
                kernel = known[mv - v_low, mu - u_low] = kernel_count
                motions[kernel_count, 0], motions[kernel_count, 1] = mu, mv
                kernel_count += 1
            runs[run_count, 0] = (y * width + start) * channels
            runs[run_count, 1] = ((y + margin) * (width + 2 * margin) + start + margin) * channels
            runs[run_count, 2] = (x - start) * channels
            runs[run_count, 3] = kernel
            run_count += 1
    return runs[:run_count], motions[:kernel_count]


@jit
def tap_tables(
    motions: np.ndarray, room: int, row_step: int, column_step: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(first, offsets, weights) of all kernels, as apply_runs wants them."""
    first = np.zeros(len(motions) + 1, np.int64)
    offsets = np.empty(len(motions) * room, np.int64)
    weights = np.empty(len(motions) * room)
    rows, columns = np.empty(room, np.int64), np.empty(room, np.int64)
    for n in range(len(motions)):
        start = first[n]
        count = _line_taps(motions[n, 0], motions[n, 1], rows, columns, weights[start:])
        for i in range(count):
            offsets[start + i] = rows[i] * row_step + columns[i] * column_step
        first[n + 1] = start + count
    total = first[-1]
    return first, offsets[:total], weights[:total]
