"""When a shutter is open: what share of the light each of many frames gives to each row."""

import math

import numpy as np

LEAST = 1e-9  # of a frame's time: less is what rounding left


def reach(exposure: float, between: int) -> int:
    """How many frames on each side of the middle one an exposure of so many frames' time needs.

    Each frame stands for the time nearest to it, so with frames between it is the longer.
    """
    last = math.ceil((exposure * (between + 1) + 1) / 2 - LEAST) - 1
    return math.ceil(last / (between + 1))


def moments(stamps: np.ndarray, between: int) -> np.ndarray:
    """Times of the frames that are averaged, from those of a source's frames, the middle one at 0.

    stamps (N,): in frames' time, rising. With frames between two, evenly spaced ones.
    """
    if not between:
        return stamps
    first, last = math.ceil(stamps[0] * (between + 1)), math.floor(stamps[-1] * (between + 1))
    return np.arange(first, last + 1) / (between + 1)


def shares(times: np.ndarray, exposure: float, readout: float, rows: int) -> np.ndarray:
    """(N, rows) float64: how long each row sees each frame, in frames' time.

    A row is open for `exposure`, the middle row around 0, the last one `readout` after the first.
    ValueError where the frames do not cover that time.
    """
    middles = (times[1:] + times[:-1]) / 2
    starts = np.concatenate([[2 * times[0] - middles[0]], middles])[:, None]
    ends = np.concatenate([middles, [2 * times[-1] - middles[-1]]])[:, None]
    centres = readout * (np.arange(rows) / max(rows - 1, 1) - 0.5)
    opens, closes = centres - exposure / 2, centres + exposure / 2
    if opens[0] < starts[0, 0] - LEAST or closes[-1] > ends[-1, 0] + LEAST:
        raise ValueError("its frames do not cover the time for which the shutter is open")
    open_for = np.minimum(ends, closes) - np.maximum(starts, opens)
    return np.where(open_for > LEAST, open_for, 0.0)
