"""Sensor effects: curves, noise statistics, 8 bits."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2xyz, xyz2rgb

from blurbench_kernels import convolution, random, sensor


def test_srgb_curve_is_skimages():
    grey = np.linspace(0, 1, 256).reshape(16, 16, 1)
    image = np.repeat(grey, 3, axis=2)
    linear = rgb2xyz(image)[..., 1:2]  # luminance of a grey is its linear value
    np.testing.assert_allclose(sensor.srgb_to_linear(grey), linear, atol=1e-6)
    back = xyz2rgb(rgb2xyz(image))
    np.testing.assert_allclose(sensor.linear_to_srgb(sensor.srgb_to_linear(image)), back, atol=1e-3)


@given(st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_the_curves_are_inverses(value):
    image = np.full((2, 3), value)
    np.testing.assert_allclose(
        sensor.linear_to_srgb(sensor.srgb_to_linear(image)), image, atol=1e-7
    )


def test_saturation_clips_after_the_gain():
    np.testing.assert_array_equal(sensor.saturate(np.array([-0.1, 0.3, 0.6]), 2.0), [0, 0.6, 1])


def test_gaussian_noise_has_its_sigma_and_its_stream():
    image = np.full((200, 200), 0.5)
    noise = sensor.gaussian_noise(image, 0.02, random.stream("noise")) - image
    assert noise.std() == pytest.approx(0.02, rel=0.02)
    assert abs(noise.mean()) < 4e-4
    again = sensor.gaussian_noise(image, 0.02, random.stream("noise")) - image
    np.testing.assert_array_equal(noise, again)
    assert np.array_equal(sensor.gaussian_noise(image, 0.0, random.stream("noise")), image)


def test_poisson_gaussian_variance_grows_with_light():
    for light in (0.1, 0.8):
        image = np.full((300, 300), light)
        noisy = sensor.poisson_gaussian(image, 1e-3, 5e-3, random.stream("shot"))
        assert noisy.mean() == pytest.approx(light, rel=5e-3)
        assert noisy.var() == pytest.approx(1e-3 * light + 25e-6, rel=0.03)


def test_quantise_gives_every_grey_level_back():
    levels = np.arange(256)
    np.testing.assert_array_equal(sensor.quantise(levels / 255), levels)
    assert sensor.quantise(np.array([0.5, -1, 2])).tolist() == [128, 0, 255]  # 127.5: away from 0
    with pytest.raises(ValueError, match="NaN"):
        sensor.quantise(np.array([np.nan]))


@given(st.floats(-0.5, 1.5), st.floats(0.2, 5))
@settings(max_examples=40, deadline=None)
def test_power_is_pythons(value, exponent):
    image = np.full((2, 3), value)
    np.testing.assert_allclose(sensor.power(image, exponent), max(value, 0) ** exponent, rtol=1e-14)


def test_the_plain_gamma_curve_comes_back():
    levels = np.arange(256).reshape(16, 16) / 255
    back = sensor.power(sensor.power(levels, 2.2), 1 / 2.2)
    np.testing.assert_allclose(back, levels, atol=1e-14)
    np.testing.assert_array_equal(sensor.quantise(back), sensor.quantise(levels))


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=6),
    st.lists(st.floats(-3, 3), min_size=1, max_size=8),
)
@settings(max_examples=40, deadline=None)
def test_response_is_the_polynomial(values, coefficients):
    expected = [naive.response(value, coefficients) for value in values]
    curved = sensor.response(np.array(values), coefficients)
    np.testing.assert_allclose(curved, expected, atol=1e-12)


def test_response_keeps_shapes_and_clips():
    image = np.linspace(0, 1, 24).reshape(2, 4, 3)
    np.testing.assert_array_equal(sensor.response(image, (0.0, 1.0)), image)
    np.testing.assert_array_equal(sensor.response(image[::-1], (0.25,)), np.full((2, 4, 3), 0.25))
    assert sensor.response(image, (-0.5, 3.0)).min() == 0
    assert sensor.response(image, (-0.5, 3.0)).max() == 1


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 2))
@settings(max_examples=30, deadline=None)
def test_highlights_grow_where_a_channel_is_bright(seed, threshold, gain):
    linear = np.random.default_rng(seed).random((3, 4, 3))
    linear[0, 0] = 1.0
    before = linear.copy()
    boosted = sensor.boost_highlights(linear, threshold, gain)
    np.testing.assert_array_equal(boosted, naive.boost_highlights(linear, threshold, gain))
    np.testing.assert_array_equal(linear, before)
    assert boosted[0, 0].tolist() == [1.0 + gain] * 3


def test_the_threshold_itself_counts_as_lost():
    linear = np.array([[[0.1, 0.98, 0.2], [0.1, 0.979, 0.2]]])
    boosted = sensor.boost_highlights(linear, 0.98, 0.5)
    np.testing.assert_array_equal(boosted - linear > 0, [[[False, True, False], [False] * 3]])


def test_a_lost_light_stays_bright_when_blurred():
    """What the boost is for: a lamp's streak still saturates, other pixels are as they were."""
    night = np.full((1, 41, 3), 0.1)
    night[0, 20] = 1.0
    kernel = np.full((1, 11), 1 / 11)
    dull = sensor.saturate(convolution.convolve(night, kernel))
    lamp = sensor.boost_highlights(night, 0.98, 10.0)
    streak = sensor.saturate(convolution.convolve(lamp, kernel))
    assert dull.max() < 0.2
    assert (streak == 1).sum() == 11 * 3
    np.testing.assert_array_equal(streak[0, :15], dull[0, :15])


def test_bad_curves_and_boosts_are_refused():
    image = np.zeros((2, 2, 3))
    for coefficients in ((), (0.0, np.nan)):
        with pytest.raises(ValueError, match="coefficients"):
            sensor.response(image, coefficients)
    for exponent in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError, match="exponent"):
            sensor.power(image, exponent)
    with pytest.raises(ValueError, match="gain"):
        sensor.boost_highlights(image, 0.9, -1.0)


# Malvar, He and Cutler (2004), figure 2, in eighths: what a pixel is given of its neighbours.
GREEN = [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]
BESIDE = [
    [0, 0, 0.5, 0, 0],
    [0, -1, 0, -1, 0],
    [-1, 4, 5, 4, -1],
    [0, -1, 0, -1, 0],
    [0, 0, 0.5, 0, 0],
]
ACROSS = [
    [0, 0, -1.5, 0, 0],
    [0, 2, 0, 2, 0],
    [-1.5, 0, 6, 0, -1.5],
    [0, 2, 0, 2, 0],
    [0, 0, -1.5, 0, 0],
]


def demosaicked(raw, pattern, y, x, channel):
    """One colour of one pixel, by the figure."""
    colours = [["RGB".index(pattern[2 * row + column]) for column in (0, 1)] for row in (0, 1)]
    own = colours[y % 2][x % 2]
    if own == channel:
        return raw[y, x]
    filters = GREEN if channel == 1 else ACROSS
    if own == 1:
        filters = BESIDE if channel in colours[y % 2] else np.transpose(BESIDE)
    total = 0.0
    for row in range(-2, 3):
        for column in range(-2, 3):
            place = naive.mirrored(y + row, raw.shape[0]), naive.mirrored(x + column, raw.shape[1])
            total += filters[row + 2][column + 2] * raw[place]
    return total / 8


@given(st.integers(0, 2**32 - 1), st.sampled_from(sensor.PATTERNS))
@settings(max_examples=20, deadline=None)
def test_demosaicking_is_the_figure(seed, pattern):
    random = np.random.default_rng(seed)
    raw = random.normal(size=random.integers(3, 9, 2))
    found = sensor.demosaic(raw, pattern)
    expected = [demosaicked(raw, pattern, *place) for place in np.ndindex(found.shape)]
    np.testing.assert_allclose(found.reshape(-1), expected, atol=1e-12)


def test_a_mosaic_lets_one_colour_through():
    image = np.arange(4 * 6 * 3, dtype=float).reshape(4, 6, 3)
    for pattern in sensor.PATTERNS:
        raw = sensor.mosaic(image, pattern)
        for y, x in np.ndindex(raw.shape):
            assert raw[y, x] == image[y, x, "RGB".index(pattern[y % 2 * 2 + x % 2])]
        restored = sensor.demosaic(raw, pattern)
        np.testing.assert_array_equal(sensor.mosaic(restored, pattern), raw)


@given(st.tuples(*[st.floats(0, 1)] * 3), st.sampled_from(sensor.PATTERNS))
@settings(max_examples=20, deadline=None)
def test_one_colour_stays_that_colour(colour, pattern):
    image = np.broadcast_to(colour, (7, 8, 3))
    restored = sensor.demosaic(sensor.mosaic(image, pattern), pattern)
    np.testing.assert_allclose(restored, image, atol=1e-12)


def test_a_grey_ramp_comes_back_away_from_the_border():
    y, x = np.mgrid[:12, :14]
    image = np.repeat((0.03 * x - 0.02 * y + 0.5)[..., None], 3, axis=2)
    restored = sensor.demosaic(sensor.mosaic(image, "GRBG"), "GRBG")
    np.testing.assert_allclose(restored[2:-2, 2:-2], image[2:-2, 2:-2], atol=1e-12)


def test_noise_of_a_mosaic_is_shared_by_neighbours():
    grey = np.full((200, 200, 3), 0.4)
    raw = sensor.gaussian_noise(sensor.mosaic(grey, "RGGB"), 0.01, random.stream("raw"))
    red = sensor.demosaic(raw, "RGGB")[..., 0] - 0.4
    white = sensor.gaussian_noise(grey, 0.01, random.stream("white"))[..., 0] - 0.4

    def beside(noise):
        return np.corrcoef(noise[:, :-1].reshape(-1), noise[:, 1:].reshape(-1))[0, 1]

    assert abs(beside(white)) < 0.03
    assert beside(red) > 0.2


@pytest.mark.parametrize("shape", [(2, 8), (8, 2), (8, 8, 3)])
def test_what_is_no_raw_picture_is_refused(shape):
    with pytest.raises(ValueError, match="raw"):
        sensor.demosaic(np.zeros(shape), "RGGB")
    with pytest.raises(ValueError, match="pattern"):
        sensor.mosaic(np.zeros((8, 8, 3)), "RGBG")


@pytest.mark.parametrize("camera", sensor.CAMERAS.values(), ids=sensor.CAMERAS)
def test_colours_go_to_a_camera_and_back_and_white_stays_white(camera):
    there, back = sensor.colour_matrices(camera)
    image = np.random.default_rng(0).random((5, 6, 3))
    seen = sensor.recolour(image, there)
    np.testing.assert_allclose(seen, image @ there.T, atol=1e-12)
    np.testing.assert_allclose(sensor.recolour(seen, back), image, atol=1e-5)
    np.testing.assert_allclose(sensor.recolour(np.ones((1, 1, 3)), there), 1, atol=2e-6)
    assert (np.round(there, 6) == there).all()
    # The definition: sRGB to XYZ (skimage's), XYZ to the camera, up to one gain a colour.
    gains = rgb2xyz(sensor.linear_to_srgb(image)) @ np.reshape(camera, (3, 3)).T / seen
    np.testing.assert_allclose(gains, np.broadcast_to(gains[0, 0], gains.shape), rtol=1e-3)


def test_a_mixed_camera_lies_between():
    assert sensor.mixed_camera([0, 2, 0, 0]) == sensor.CAMERAS["a7r"]
    halves = np.add(sensor.CAMERAS["nexus-6p"], sensor.CAMERAS["e-m10"]) / 2
    np.testing.assert_allclose(sensor.mixed_camera([0.5, 0, 0.5, 0]), halves, atol=1e-6)


@pytest.mark.parametrize("bad", [[1.0] * 8, [0.0] * 9, [1.0] * 9, [np.nan] * 9])
def test_a_matrix_without_inverse_is_refused(bad):
    with pytest.raises(ValueError, match="colour matrix"):
        sensor.colour_matrices(bad)


@pytest.mark.parametrize("name", ["dnd", "sidd"])
def test_noise_levels_are_those_of_their_paper(name):
    levels = sensor.NOISE_LEVELS[name]
    drawn = np.array([sensor.draw_noise_levels(random.stream(n), levels) for n in range(2000)])
    shot, read = np.log(drawn).T / np.log(levels.base)
    low, high = np.log(levels.shot) / np.log(levels.base)
    assert shot.min() >= low
    assert shot.max() <= high
    assert shot.mean() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))
    rest = 2 * read - levels.slope * shot  # log of the variance
    assert rest.mean() == pytest.approx(levels.offset, abs=0.03)
    assert rest.std() == pytest.approx(levels.spread, rel=0.1)
