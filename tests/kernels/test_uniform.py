"""Uniform kernels: their continuous shapes, exact sums, symmetry, lengths."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from blurbench_kernels import bank, convolution, uniform

ANGLES = st.floats(-4, 4)
KERNELS = st.one_of(
    st.builds(uniform.line, st.floats(0, 40), ANGLES),
    st.builds(uniform.gaussian, st.floats(0, 6)),
    st.builds(uniform.disk, st.floats(0, 25)),
)


@given(KERNELS)
@settings(max_examples=60, deadline=None)
def test_kernels_are_exact_symmetric_and_no_larger_than_they_need(kernel):
    size = len(kernel)
    assert kernel.shape == (size, size)
    assert size % 2 == 1
    assert kernel.dtype == np.float64
    assert kernel.min() >= 0
    assert kernel.sum() == 1
    np.testing.assert_array_equal(kernel, bank.snap(kernel))
    np.testing.assert_array_equal(kernel, kernel[::-1, ::-1])
    offsets = np.arange(size) - size // 2
    assert kernel.sum(axis=0) @ offsets == kernel.sum(axis=1) @ offsets == 0  # barycentre
    assert kernel[0].any() or kernel[:, 0].any()


@given(KERNELS, st.integers(0, 255))
@settings(max_examples=20, deadline=None)
def test_a_constant_image_stays_as_it_is(kernel, value):
    image = np.full((3, 4), float(value))
    np.testing.assert_array_equal(convolution.convolve(image, kernel), image)


@given(st.floats(0.01, 9), ANGLES)
@settings(max_examples=15, deadline=None)
def test_a_line_is_its_points_on_their_four_pixels(length, angle):
    places = (np.arange(400) + 0.5) / 400 - 0.5
    path = 7 + 7j + length * places * np.exp(1j * angle)
    kernel = uniform.line(length, angle)
    expected = naive.psf(path, 13, 1.0)
    np.testing.assert_allclose(bank.centre_pad(kernel, 13), expected, atol=2e-4)


def test_lines_of_whole_pixels():
    expected = [[1 / 8, 1 / 4, 1 / 4, 1 / 4, 1 / 8]]
    np.testing.assert_array_equal(uniform.line(4, 0)[2:3], expected)
    np.testing.assert_array_equal(uniform.line(4, math.pi / 2), uniform.line(4, 0).T)
    assert uniform.line(4, 0).shape == (5, 5)
    down = uniform.line(12, 0.5)  # to the right and down
    assert down[:6, :6].sum() > 0.4
    assert down[:5, 8:].sum() == 0


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.6, 5.0])
def test_gaussian_is_scipys(sigma):
    kernel = uniform.gaussian(sigma)
    impulse = np.zeros((43, 43))
    impulse[21, 21] = 1
    expected = ndimage.gaussian_filter(impulse, sigma, truncate=4, mode="constant")
    np.testing.assert_allclose(bank.centre_pad(kernel, 43), expected, rtol=0, atol=2**-23)


@pytest.mark.parametrize("radius", [0.51, 0.8, 1.0, 1.5, 3.3])
def test_a_disks_taps_are_areas(radius):
    kernel = uniform.disk(radius)
    area = math.pi * radius**2
    np.testing.assert_allclose(kernel * area, naive.disk(radius, len(kernel)), atol=0.01)


@given(st.floats(0, 25))
@settings(max_examples=15, deadline=None)
def test_round_kernels_look_alike_along_rows_and_columns(size):
    for kernel in (uniform.disk(size), uniform.gaussian(size / 6)):
        np.testing.assert_allclose(kernel, kernel.T, rtol=0, atol=2**-23)


def test_a_large_disk_stays_flat():
    kernel = uniform.disk(60)
    inside = np.hypot(*np.indices(kernel.shape) - len(kernel) // 2) < 59
    assert np.ptp(kernel[inside]) <= 2**-24


def extent(kernel):
    """bank.extent of a symmetric kernel, without its pairs."""
    rows, columns = np.nonzero(kernel > 0.01 * kernel.max()) - np.array(len(kernel) // 2)
    return 2 * np.hypot(rows, columns).max()


@given(st.floats(3, 50), ANGLES)
@settings(max_examples=40, deadline=None)
def test_extents_are_near_what_was_asked_for(wanted, angle):
    kernel = uniform.disk(2.7)
    assert extent(kernel) == pytest.approx(bank.extent(kernel))
    # The end points of a line are shared by their pixels, at most one beyond each.
    assert -0.3 < extent(uniform.line(wanted, angle)) - wanted < 2
    assert abs(extent(uniform.disk(uniform.disk_radius(wanted))) - wanted) < 1.25


@given(st.floats(3, 25))
@settings(max_examples=15, deadline=None)
def test_a_gaussians_extent_is_near_what_was_asked_for(wanted):
    seen = extent(uniform.gaussian(uniform.gaussian_sigma(wanted)))
    assert wanted - 1.25 < seen <= wanted + 1e-3


@pytest.mark.parametrize(
    "kernel",
    [uniform.line(0, 1.0), uniform.gaussian(0), uniform.disk(0), uniform.disk(0.5)],
)
def test_nothing_is_the_identity(kernel):
    np.testing.assert_array_equal(kernel, [[1.0]])
    assert uniform.disk_radius(0) == uniform.gaussian_sigma(0) == 0


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda value: uniform.line(value, 0.0), -1.0),
        (lambda value: uniform.line(5.0, value), math.nan),
        (uniform.gaussian, math.inf),
        (uniform.disk, -0.1),
        (uniform.gaussian_sigma, math.nan),
        (uniform.disk_radius, -2.0),
    ],
)
def test_bad_values_are_refused(make, value):
    with pytest.raises(ValueError, match="expected a"):
        make(value)


def test_a_pinned_kernel():
    """The identity of every line: if this moves, every digest of such a data set moves."""
    units = (uniform.line(3.0, 0.4) * 2**24).astype(int)
    assert units[1:4].tolist() == [
        [234444, 1787719, 427846, 0, 0],
        [207612, 3122983, 5216008, 3122983, 207612],
        [0, 0, 427846, 1787719, 234444],
    ]
