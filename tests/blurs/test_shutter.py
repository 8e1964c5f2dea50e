"""Which frame a row sees, and for how long."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blurbench.blurs import shutter


def slow_shares(times, exposure, readout, rows, moments=20_000):
    """Each moment of each row's exposure is seen by the nearest frame."""
    out = np.zeros((len(times), rows))
    for y in range(rows):
        centre = readout * (y / (rows - 1) - 0.5)
        for n in range(moments):
            moment = centre + exposure * ((n + 0.5) / moments - 0.5)
            out[np.argmin(np.abs(times - moment)), y] += exposure / moments
    return out


@pytest.mark.parametrize(("exposure", "readout"), [(3.0, 0.0), (2.6, 0.0), (0.4, 3.7), (2.0, 1.5)])
def test_shares_are_those_of_many_moments(exposure, readout):
    times = np.array([-2.0, -1.1, 0.0, 0.7, 2.0])
    fast = shutter.shares(times, exposure, readout, 5)
    np.testing.assert_allclose(fast, slow_shares(times, exposure, readout, 5), atol=1e-3)


@given(st.floats(0.01, 8), st.floats(0, 8), st.integers(0, 20), st.integers(1, 50))
def test_the_frames_that_it_needs_cover_every_row(exposure, readout, between, rows):
    half = shutter.reach(exposure + readout, between)
    times = shutter.moments(np.arange(-half - 1.0, half + 2), between)
    shares = shutter.shares(times, exposure, readout, rows)
    np.testing.assert_allclose(shares.sum(axis=0), exposure, atol=1e-7)
    used = np.abs(times[shares.any(axis=1)])
    assert used.max() <= half + 1e-9


def test_all_of_seven_frames_count_alike():
    shares = shutter.shares(np.arange(-3.0, 4.0), 7.0, 0.0, 2)
    np.testing.assert_array_equal(shares, np.ones((7, 2)))


def test_reds_averages_65_frames():
    # 120 frames a second, 15 made between two, 24 a second and a duty of 0.8 are imitated.
    exposure = 0.8 * 120 / 24
    assert shutter.reach(exposure, 15) == 2
    times = shutter.moments(np.arange(-2.0, 3.0), 15)
    shares = shutter.shares(times, exposure, 0.0, 1)[:, 0]
    assert np.count_nonzero(shares) == 65
    np.testing.assert_allclose(shares[[0, 1, -1]] * 16, [0.5, 1, 0.5])


def test_a_shutter_that_is_open_for_longer_is_refused():
    with pytest.raises(ValueError, match="do not cover"):
        shutter.shares(np.arange(-1.0, 2.0), 3.1, 0.0, 4)
