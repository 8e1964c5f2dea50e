"""Frames between two frames, against a naive reading of the method and plain geometry."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench_kernels.frames import interpolation
from blurbench_kernels.frames.interpolation import FrameGap

SEEDS = st.integers(0, 2**32 - 1)
SIZE = (18, 22)


def random_gap(seed):
    random = np.random.default_rng(seed)
    ahead, back = random.uniform(-3, 3, (2, *SIZE, 2))
    leaving, coming = random.random((2, *SIZE)) < 0.2
    return FrameGap(ahead, back, leaving, coming, tuple(random.uniform(0, 9, (2, *SIZE))))


def near(image, y, x):
    """Bilinearly, the edge repeated."""
    height, width = image.shape[:2]
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    total = 0.0
    for i in (math.floor(y), math.floor(y) + 1):
        for j in (math.floor(x), math.floor(x) + 1):
            share = (1 - abs(y - i)) * (1 - abs(x - j))
            total = total + share * image[min(i, height - 1), min(j, width - 1)]
    return total


def slow_motion(gap, time):
    """Of each pixel the motion that fits best of those which come near it; None: none does."""
    height, width = SIZE
    best = [[(math.inf, None)] * width for _ in range(height)]
    for flow, errors, share, sign in (
        (gap.ahead, gap.errors[0], time, 1),
        (gap.back, gap.errors[1], 1 - time, -1),
    ):
        for y in range(height):
            for x in range(width):
                u, v = flow[y, x]
                top, left = math.floor(y + share * v), math.floor(x + share * u)
                for i, j in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
                    inside = 0 <= i < height and 0 <= j < width
                    if inside and errors[y, x] < best[i][j][0]:
                        best[i][j] = (errors[y, x], (sign * u, sign * v))
    return [[motion for _, motion in row] for row in best]


def closed(row):
    """Gaps get the slower of the motions beside them."""
    out = list(row)
    for x in range(len(row)):
        left = next((m for m in row[x::-1] if m), None)
        right = next((m for m in row[x:] if m), None)
        known = [m for m in (left, right) if m] or [(0.0, 0.0)]
        out[x] = min(known, key=lambda m: m[0] ** 2 + m[1] ** 2)
    return out


def hidden(mask, y, x):
    row, column = math.floor(y + 0.5), math.floor(x + 0.5)
    return mask[min(max(row, 0), SIZE[0] - 1), min(max(column, 0), SIZE[1] - 1)]


def slow_frame(first, second, gap, time):
    out = np.empty(first.shape)
    for y, row in enumerate(slow_motion(gap, time)):
        for x, (u, v) in enumerate(closed(row)):
            was = y - time * v, x - time * u
            will = y + (1 - time) * v, x + (1 - time) * u
            goes, comes = hidden(gap.leaving, *was), hidden(gap.coming, *will)
            share = time if goes == comes else float(comes)
            out[y, x] = (1 - share) * near(first, *was) + share * near(second, *will)
    return out


@given(SEEDS, st.floats(0.05, 0.95))
@settings(max_examples=6, deadline=None)
def test_a_frame_is_read_along_the_best_motion(seed, time):
    first, second = np.random.default_rng(seed).uniform(0, 255, (2, *SIZE, 3))
    gap = random_gap(seed)
    fast = interpolation.frame(first, second, gap, time)
    np.testing.assert_allclose(fast, slow_frame(first, second, gap, time), atol=1e-9)


def test_what_does_not_come_back_is_hidden():
    first = second = np.random.default_rng(0).uniform(0, 255, SIZE)
    ahead, back = np.zeros((2, *SIZE, 2))
    ahead[4, 5] = 0.0, 1.0
    back[9, 9] = 3.0, 0.0
    found = np.empty(SIZE, bool), np.empty(SIZE)
    interpolation._match(first, second, ahead, back, *found)
    assert sorted(zip(*np.nonzero(found[0]), strict=True)) == [(4, 5), (9, 9)]
    assert found[1][4, 5] == pytest.approx(abs(first[5, 5] - first[4, 5]))
    assert np.count_nonzero(found[1] > 1e-9) == 1


def smooth(random, side):
    """(side, side) from 0 to 1, with detail of 8 px."""
    nodes = random.random((side // 8 + 2,) * 2)
    return np.array([[near(nodes, y / 8, x / 8) for x in range(side)] for y in range(side)])


def moving_square(shift, side=64):
    """A smooth square on a smooth ground, so far to the right."""
    random = np.random.default_rng(7)
    image = 40 + 60 * smooth(random, side)
    square = 150 + 100 * smooth(random, 30)
    image[16:46, 10 + shift : 40 + shift] = square
    return image


def test_what_moves_is_halfway_at_half_time():
    first, middle, second = (moving_square(shift) for shift in (0, 3, 6))
    gap = interpolation.gap(first, second)
    made = interpolation.frame(first[..., None], second[..., None], gap, 0.5)[..., 0]
    faded = np.abs((first + second) / 2 - middle).mean()
    assert np.abs(made - middle).mean() < faded / 4
    # The ground that the square uncovers is seen in the second frame alone.
    assert gap.coming[22:40, 10:16].mean() > 0.2


def test_constants_stay_and_ends_are_the_frames():
    flat = np.full((*SIZE, 3), 77.0)
    assert (interpolation.frame(flat, flat, random_gap(1), 0.3) == 77).all()
    first, second = np.random.default_rng(2).uniform(0, 255, (2, *SIZE, 1))
    zero = np.zeros((*SIZE, 2))
    none = np.zeros(SIZE, bool)
    still = FrameGap(zero, zero, none, none, (np.zeros(SIZE), np.zeros(SIZE)))
    np.testing.assert_allclose(interpolation.frame(first, second, still, 0.0), first, atol=1e-12)
    np.testing.assert_allclose(interpolation.frame(first, second, still, 1.0), second, atol=1e-12)
    expected = 0.75 * first + 0.25 * second
    np.testing.assert_allclose(interpolation.frame(first, second, still, 0.25), expected)
