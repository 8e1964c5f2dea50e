"""What fills a hole: exact where it is known, between what is around it, and the nearest pixel."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench_kernels import holes

SEEDS = st.integers(0, 2**32 - 1)


def punctured(seed, height=13, width=18):
    random = np.random.default_rng(seed)
    hole = np.zeros((height, width), bool)
    top, left = random.integers(0, 6, 2)
    hole[top : top + 7, left : left + 9] = True
    return random.uniform(10, 200, (height, width, 3)), hole


@pytest.mark.parametrize("how", ["inpaint", "edge"])
@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_what_is_known_stays_and_the_hole_is_within_it(how, seed):
    image, hole = punctured(seed)
    filled = holes.fill(image, hole, how)
    assert np.array_equal(filled[~hole], image[~hole])
    assert filled[hole].min() >= image[~hole].min()
    assert filled[hole].max() <= image[~hole].max()
    # Whatever was there leaves no trace.
    image[hole] = 1e6
    assert np.array_equal(holes.fill(image, hole, how), filled)


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_the_edge_is_that_of_the_nearest_pixel(seed):
    _, hole = punctured(seed)
    height, width = hole.shape
    places = np.stack(np.mgrid[:height, :width], axis=-1).astype(float)
    found = holes.fill(places, hole, "edge")
    squares = ((found - places) ** 2).sum(axis=-1)
    # Sweeps may miss the nearest by a fraction of a pixel.
    assert np.abs(np.sqrt(squares) - np.sqrt(naive.nearest_outside(hole))).max() < 0.5


def test_a_slope_goes_on_smoothly():
    slope = np.tile(np.arange(64.0)[None, :, None], (64, 1, 3))
    hole = np.zeros((64, 64), bool)
    hole[20:44, 20:44] = True
    filled = holes.fill(slope, hole)
    assert np.abs(filled - slope)[hole].mean() < 3
    assert np.abs(np.diff(filled[32, :, 0])).max() < 6


@pytest.mark.parametrize("how", ["inpaint", "edge"])
def test_nothing_known_is_refused_and_no_hole_changes_nothing(how):
    image, hole = punctured(0)
    assert np.array_equal(holes.fill(image, np.zeros_like(hole), how), image)
    with pytest.raises(ValueError, match="whole picture"):
        holes.fill(image, np.ones_like(hole), how)
