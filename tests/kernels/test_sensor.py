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
