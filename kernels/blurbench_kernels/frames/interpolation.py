"""Frames between two frames, along the motion from one to the other.

Baker et al., A Database and Evaluation Methodology for Optical Flow, IJCV 2011, section 3.3.2.
"""

from dataclasses import dataclass

import numpy as np

from blurbench_kernels._jit import jit
from blurbench_kernels.frames import optical_flow


@dataclass(frozen=True)
class FrameGap:
    """What is known of the time between two frames (H, W)."""

    ahead: np.ndarray  # (H, W, 2) px, as of optical_flow.flow: from the first to the second
    back: np.ndarray  # and from the second to the first
    leaving: np.ndarray  # (H, W) bool: of the first frame, what the second does not show
    coming: np.ndarray  # and of the second, what the first does not
    errors: tuple[np.ndarray, np.ndarray]  # (H, W): how badly `ahead` and `back` fit, grey levels


def gap(first: np.ndarray, second: np.ndarray) -> FrameGap:
    """The motion between two frames (H, W), 0 to 255, both ways; ValueError as of `flow`."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    ahead, back = optical_flow.flow(first, second), optical_flow.flow(second, first)
    leaving, coming = np.empty(first.shape, np.bool_), np.empty(first.shape, np.bool_)
    errors = np.empty(first.shape), np.empty(first.shape)
    _match(first, second, ahead, back, leaving, errors[0])
    _match(second, first, back, ahead, coming, errors[1])
    return FrameGap(ahead, back, leaving, coming, errors)


def frame(first: np.ndarray, second: np.ndarray, between: FrameGap, time: float) -> np.ndarray:
    """The frame (H, W, C) float64 at `time`, from 0, which gives `first`, to 1, `second`.

    Each pixel is read from both frames along its motion; from one alone, where the other hides it.
    """
    motion = np.zeros(between.ahead.shape)
    least = np.full(motion.shape[:2], np.inf)
    _carry(between.ahead, between.errors[0], time, 1.0, motion, least)
    _carry(between.back, between.errors[1], 1 - time, -1.0, motion, least)
    _close(motion, least)
    out = np.empty(first.shape)
    light = np.asarray(first, np.float64), np.asarray(second, np.float64)
    _read(*light, motion, between.leaving, between.coming, time, out)
    return out


@jit
def _sample(image: np.ndarray, y: float, x: float, channel: int) -> float:
    """Bilinearly; beyond the border the image repeats its edge."""
    height, width = image.shape[:2]
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = min(int(y), height - 2), min(int(x), width - 2)
    dy, dx = y - top, x - left
    a, b = image[top, left, channel], image[top, left + 1, channel]
    c, d = image[top + 1, left, channel], image[top + 1, left + 1, channel]
    # As differences: equal pixels give themselves, whatever the fractions.
    upper, lower = a + dx * (b - a), c + dx * (d - c)
    value: float = upper + dy * (lower - upper)
    return value


@jit
def _match(
    first: np.ndarray,
    second: np.ndarray,
    ahead: np.ndarray,
    back: np.ndarray,
    hidden: np.ndarray,
    errors: np.ndarray,
) -> None:
    """What of `first` is hidden in `second`, and how badly its motion fits.

    Hidden is what does not come back: Sundaram et al., Dense Point Trajectories by GPU-accelerated
    Large Displacement Optical Flow, ECCV 2010, equation 5.
    """
    height, width = first.shape
    seen = second.reshape(height, width, 1)
    for y in range(height):
        for x in range(width):
            u, v = ahead[y, x]
            row, column = y + v, x + u
            errors[y, x] = abs(_sample(seen, row, column, 0) - first[y, x])
            back_u, back_v = _sample(back, row, column, 0), _sample(back, row, column, 1)
            off = (u + back_u) ** 2 + (v + back_v) ** 2
            size = u * u + v * v + back_u * back_u + back_v * back_v
            outside = row < 0 or column < 0 or row > height - 1 or column > width - 1
            hidden[y, x] = outside or off > 0.01 * size + 0.5


@jit
def _carry(
    flow: np.ndarray,
    errors: np.ndarray,
    share: float,
    sign: float,
    motion: np.ndarray,
    least: np.ndarray,
) -> None:
    """Write the motion of each pixel to the four around where it is; the better fit stays."""
    height, width = errors.shape
    for y in range(height):
        for x in range(width):
            u, v = flow[y, x]
            top, left = int(np.floor(y + share * v)), int(np.floor(x + share * u))
            for i in range(max(top, 0), min(top + 2, height)):
                for j in range(max(left, 0), min(left + 2, width)):
                    if errors[y, x] < least[i, j]:
                        least[i, j] = errors[y, x]
                        motion[i, j, 0], motion[i, j, 1] = sign * u, sign * v


@jit
def _close(motion: np.ndarray, least: np.ndarray) -> None:
    """Where nothing came: the slower motion of those left and right of it, as of what is behind."""
    height, width = least.shape
    for y in range(height):
        x = 0
        while x < width:
            if least[y, x] < np.inf:
                x += 1
                continue
            end = x
            while end < width and least[y, end] == np.inf:
                end += 1
            source = x - 1
            if end < width:
                one, other = motion[y, max(source, 0)], motion[y, end]
                slower = other[0] ** 2 + other[1] ** 2 < one[0] ** 2 + one[1] ** 2
                source = end if source < 0 or slower else source
            if source >= 0:
                for k in range(x, end):
                    motion[y, k, 0], motion[y, k, 1] = motion[y, source]
            x = end


@jit
def _hidden(mask: np.ndarray, y: float, x: float) -> bool:
    row = min(max(int(np.floor(y + 0.5)), 0), mask.shape[0] - 1)
    column = min(max(int(np.floor(x + 0.5)), 0), mask.shape[1] - 1)
    return bool(mask[row, column])


@jit
def _read(
    first: np.ndarray,
    second: np.ndarray,
    motion: np.ndarray,
    leaving: np.ndarray,
    coming: np.ndarray,
    time: float,
    out: np.ndarray,
) -> None:
    height, width, channels = out.shape
    for y in range(height):
        for x in range(width):
            u, v = motion[y, x]
            row, column = y - time * v, x - time * u
            next_row, next_column = y + (1 - time) * v, x + (1 - time) * u
            share = time
            goes, comes = _hidden(leaving, row, column), _hidden(coming, next_row, next_column)
            if goes != comes:
                share = 0.0 if goes else 1.0
            for c in range(channels):
                was = _sample(first, row, column, c)
                out[y, x, c] = was + share * (_sample(second, next_row, next_column, c) - was)
