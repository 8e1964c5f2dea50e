"""The seven concert blurs: window by window, against other libraries, on any thread."""

import math

import cv2
import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import data

from blurbench_kernels import bank, shot

PARAMETERS = {
    "horizontal": {"size": 9},
    "vertical": {"size": 9},
    "averaging": {"size": 7},
    "gaussian": {"size": 13, "sigma": 2.5},
    "median": {"size": 7},
    "bilateral": {"diameter": 9, "sigma_color": 75.0, "sigma_space": 5.0},
    "resizing": {"factor": 3.5},
}
SIZES = st.sampled_from([1, 3, 5, 9])
IMAGES = st.builds(
    lambda seed, height, width: np.random.default_rng(seed).integers(
        0, 256, (height, width, 3), np.uint8
    ),
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
    st.integers(1, 6),
)


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(data.astronaut()[80:144, 190:270])


def by_window(image, rows, columns, pick, place):
    out = np.zeros(image.shape, int)
    for y, x, c in np.ndindex(image.shape):
        out[y, x, c] = pick(naive.window(image[..., c], y, x, rows, columns, place))
    return out


def mean(pixels):
    return (2 * pixels.sum() + pixels.size) // (2 * pixels.size)


def test_every_blur_has_its_parameters():
    assert list(shot.SHOT_BLURS) == list(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_blurs_keep_the_shape_the_input_and_a_constant_image(name, photo):
    before = photo.copy()
    blurred = shot.SHOT_BLURS[name](photo, **PARAMETERS[name])
    assert blurred.shape == photo.shape
    assert blurred.dtype == np.uint8
    assert not np.array_equal(blurred, photo)
    np.testing.assert_array_equal(photo, before)
    turned = photo[::-1, ::-1, ::-1]  # no contiguous image, and other channels first
    if name != "resizing":  # whose small pixels begin at the top left
        again = shot.SHOT_BLURS[name](turned, **PARAMETERS[name])
        np.testing.assert_array_equal(again[::-1, ::-1, ::-1], blurred)
    flat = np.full((5, 7, 3), (3, 128, 255), np.uint8)
    np.testing.assert_array_equal(shot.SHOT_BLURS[name](flat, **PARAMETERS[name]), flat)


@given(IMAGES, SIZES)
@settings(max_examples=12, deadline=None)
def test_means_are_exact_and_mirror_the_border(image, size):
    for blur, rows, columns in (
        (shot.horizontal, 1, size),
        (shot.vertical, size, 1),
        (shot.averaging, size, size),
    ):
        expected = by_window(image, rows, columns, mean, naive.mirrored)
        np.testing.assert_array_equal(blur(image, size), expected)


@pytest.mark.parametrize("size", [31, 127, 255])
def test_means_of_large_windows_round_like_whole_numbers(size):
    image = np.random.default_rng(size).integers(0, 256, (40, 50, 3), np.uint8)
    padded = np.pad(image.astype(np.int64), [(size // 2,) * 2, (size // 2,) * 2, (0, 0)], "reflect")
    sums = padded.cumsum(axis=0).cumsum(axis=1)
    sums = np.pad(sums, [(1, 0), (1, 0), (0, 0)])
    sums = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    expected = (2 * sums + size**2) // (2 * size**2)
    np.testing.assert_array_equal(shot.averaging(image, size), expected)


@given(IMAGES, SIZES)
@settings(max_examples=12, deadline=None)
def test_median_is_exact_and_repeats_the_border(image, size):
    expected = by_window(
        image, size, size, np.median, lambda place, length: min(max(place, 0), length - 1)
    )
    np.testing.assert_array_equal(shot.median(image, size), expected)


@pytest.mark.parametrize("size", [3, 21, 255])
def test_median_is_scipys(photo, size):
    image = photo if size < 255 else photo[:12, :12]
    expected = ndimage.median_filter(image, (size, size, 1), mode="nearest")
    np.testing.assert_array_equal(shot.median(image, size), expected)


@pytest.mark.parametrize(("size", "sigma"), [(3, 0.8), (13, 2.5), (31, 5.5)])
def test_gaussian_is_scipys(photo, size, sigma):
    radius = (size // 2, size // 2, 0)
    expected = ndimage.gaussian_filter(photo.astype(float), sigma, radius=radius, mode="mirror")
    # OpenCV's weights have 8 bits.
    np.testing.assert_allclose(shot.gaussian(photo, size, sigma), expected, rtol=0, atol=1.5)


@given(IMAGES, st.sampled_from([1, 3, 5]), st.floats(10, 300), st.floats(0.5, 9))
@settings(max_examples=8, deadline=None)
def test_bilateral_is_the_weighted_mean(image, diameter, sigma_color, sigma_space):
    expected = naive.bilateral(image, diameter, sigma_color, sigma_space)
    blurred = shot.bilateral(image, diameter, sigma_color, sigma_space)
    np.testing.assert_allclose(blurred, expected, rtol=0, atol=0.502)


def test_bilateral_is_opencvs(photo):
    for parameters in ((9, 75.0, 5.0), (15, 30.0, 4.0)):
        image = photo[:16, :20] if parameters[0] == 15 else photo[:24]
        ours = shot.bilateral(image, *parameters).astype(int)
        theirs = cv2.bilateralFilter(np.ascontiguousarray(image), *parameters)
        assert np.abs(ours - theirs).max() <= 1
        assert np.mean(ours != theirs) < 2e-3


@pytest.mark.parametrize("factor", [1.0, 2.0, 3.5, 8.0, 500.0])
def test_resizing_is_area_then_linear(photo, factor):
    (height, width), image = photo.shape[:2], photo.astype(float)
    rows, columns = (max(1, math.floor(n / factor + 0.5)) for n in (height, width))
    for rows_by, columns_by in (
        (naive.area_weights(rows, height), naive.area_weights(columns, width)),
        (naive.linear_weights(height, rows), naive.linear_weights(width, columns)),
    ):
        image = np.einsum("ij,jkc,lk->ilc", rows_by, image, columns_by)
    np.testing.assert_allclose(shot.resizing(photo, factor), image, rtol=0, atol=1.01)


@pytest.mark.parametrize("name", PARAMETERS)
def test_threads_and_processor_do_not_matter(name):
    image = np.ascontiguousarray(data.astronaut()[:150, :203])
    if name == "bilateral":
        image = np.ascontiguousarray(image[:20, :24])
    expected = shot.SHOT_BLURS[name](image, **PARAMETERS[name])
    threads = cv2.getNumThreads()
    try:
        for count, optimised in ((1, True), (2, True), (1, False), (2, False)):
            cv2.setNumThreads(count)
            cv2.setUseOptimized(optimised)
            again = shot.SHOT_BLURS[name](image, **PARAMETERS[name])
            np.testing.assert_array_equal(again, expected)
    finally:
        cv2.setNumThreads(threads)
        cv2.setUseOptimized(True)


@pytest.mark.parametrize("name", ["horizontal", "averaging", "gaussian", "resizing"])
def test_extent_is_the_spread_of_an_edge_of_one_pixel(name):
    image = np.zeros((36, 36, 3), np.uint8)
    image[:, 17] = 255
    # An even factor that divides the width: every column sees two small pixels.
    parameters = {"factor": 4.0} if name == "resizing" else PARAMETERS[name]
    spread = shot.SHOT_BLURS[name](image, **parameters)[17:18, :, 0]
    assert bank.extent(spread) == shot.extent(name, **parameters)


def test_extents():
    assert {name: shot.extent(name, **PARAMETERS[name]) for name in PARAMETERS} == {
        "horizontal": 8,
        "vertical": 8,
        "averaging": 6,
        "gaussian": 12,
        "median": 6,
        "bilateral": 8,
        "resizing": 6,
    }
    assert shot.extent("gaussian", size=99, sigma=1.0) == pytest.approx(6.07, abs=0.01)
    assert shot.extent("bilateral", diameter=99, sigma_color=9.0, sigma_space=2.0) < 12.2
    assert shot.extent("resizing", factor=1.0) == 0


@pytest.mark.parametrize("size", [0, 4, -3, 257, 3.0])
def test_bad_sizes_are_refused(photo, size):
    for blur in (shot.horizontal, shot.vertical, shot.averaging, shot.median):
        with pytest.raises(ValueError, match="size"):
            blur(photo, size)
    with pytest.raises(ValueError, match="size"):
        shot.gaussian(photo, size, 2.0)
    with pytest.raises(ValueError, match="diameter"):
        shot.bilateral(photo, size, 30.0, 3.0)


def test_bad_values_are_refused(photo):
    with pytest.raises(ValueError, match="sigma"):
        shot.gaussian(photo, 5, 0.0)
    with pytest.raises(ValueError, match="sigma_space"):
        shot.bilateral(photo, 5, 30.0, math.nan)
    with pytest.raises(ValueError, match="factor"):
        shot.resizing(photo, 0.5)
    with pytest.raises(ValueError, match="none of horizontal"):
        shot.extent("diagonal", size=3)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_other_images_are_refused(image):
    for name, parameters in PARAMETERS.items():
        with pytest.raises(ValueError, match=r"expected uint8 \(H, W, 3\)"):
            shot.SHOT_BLURS[name](image, **parameters)
