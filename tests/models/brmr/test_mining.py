"""The most blurred patch against a search of every window."""

import naive
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from blurbench.models.brmr.mining import Box, hottest, starts


@given(
    st.integers(1, 6), st.integers(0, 9), st.integers(0, 9), st.integers(1, 8), st.integers(0, 999)
)
def test_the_hottest_window_is_the_first_of_the_largest_mean(size, down, right, stride, seed):
    # Few values, so that equals are common.
    rng = np.random.default_rng(seed)
    heat = rng.integers(-1, 2, (2, size + down, size + right)).astype(np.float32) / 10
    found = hottest(torch.from_numpy(heat), size, stride)
    for box, values in zip(found, heat.astype(float), strict=True):
        # Sums of tenths would be rounded; those of integers are not.
        wanted = naive.hottest_window(np.round(values * 10), size, stride)
        assert box == (*wanted, size, size)


def test_the_last_windows_end_at_the_border():
    assert starts(256, 128, 64) == [0, 64, 128]
    assert starts(300, 128, 64) == [0, 64, 128, 172]
    assert starts(128, 128, 64) == [0]
    heat = torch.zeros(1, 10, 13)
    heat[0, 9, 12] = 1
    assert hottest(heat, 4, 4) == [Box(9, 6, 4, 4)]


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3e-4])
def test_of_equal_windows_the_first_wins(value):
    assert hottest(torch.full((1, 300, 290), value), 128, 64) == [Box(0, 0, 128, 128)]
    heat = torch.full((1, 300, 290), value)
    heat[0, 200:260, 100:280] += 1  # in the windows at (64, 172), (128, 172), (162, 172)
    assert hottest(heat, 128, 64) == [Box(128, 172, 128, 128)]


def test_windows_go_left_to_right_before_top_to_bottom():
    heat = torch.zeros(1, 6, 6)
    heat[0, 0, 4] = heat[0, 4, 0] = 1
    assert hottest(heat, 2, 2) == [Box(4, 0, 2, 2)]


def test_a_box_cuts_what_it_says():
    image = torch.arange(3 * 5 * 7).view(3, 5, 7)
    assert torch.equal(Box(left=2, top=1, width=4, height=3).cut(image), image[:, 1:4, 2:6])
