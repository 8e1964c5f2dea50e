"""Sensor effects: curves, noise statistics, 8 bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2xyz, xyz2rgb

from blurbench_kernels import random, sensor


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
