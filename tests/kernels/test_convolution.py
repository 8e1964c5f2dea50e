"""Convolution against loops, SciPy and OpenCV."""

import cv2
import naive
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench_kernels import convolution

ODD = st.sampled_from([1, 3, 5, 9])


@given(st.integers(0, 2**32 - 1), ODD, ODD, st.sampled_from(["replicate", "zero"]))
@settings(max_examples=20, deadline=None)
def test_convolve_is_the_definition(seed, rows, columns, border):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=rng.integers(1, 10, 2))
    kernel = rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < 0.6)
    expected = naive.convolve(image, kernel, border)
    np.testing.assert_allclose(convolution.convolve(image, kernel, border), expected, atol=1e-12)


def test_zero_border_is_scipy_same_and_replicate_is_opencv():
    rng = np.random.default_rng(0)
    image, kernel = rng.random((40, 53, 3)), rng.random((7, 11))
    zero = convolution.convolve(image, kernel, "zero")
    edge = convolution.convolve(image, kernel, "replicate")
    for c in range(3):
        expected = scipy.signal.convolve(image[..., c], kernel, mode="same", method="direct")
        np.testing.assert_allclose(zero[..., c], expected, atol=1e-10)
    flipped = np.ascontiguousarray(kernel[::-1, ::-1])
    expected = cv2.filter2D(image, -1, flipped, borderType=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(edge, expected, atol=1e-10)


def test_correlate_does_not_turn_the_kernel():
    image, kernel = np.zeros((5, 5)), np.arange(9.0).reshape(3, 3)
    image[2, 2] = 1
    np.testing.assert_array_equal(convolution.convolve(image, kernel)[1:4, 1:4], kernel)
    np.testing.assert_array_equal(
        convolution.correlate(image, kernel)[1:4, 1:4], kernel[::-1, ::-1]
    )


def test_any_dtype_is_summed_in_float64():
    image = np.full((6, 7, 3), 255, np.uint8)
    out = convolution.convolve(image, np.full((3, 3), 1.0))
    assert out.dtype == np.float64
    assert (out == 9 * 255).all()


def test_a_kernel_of_zeros_gives_zeros():
    assert not convolution.convolve(np.ones((4, 5)), np.zeros((3, 3))).any()


@pytest.mark.parametrize("shape", [(2, 3), (3, 4), (3,), (3, 3, 1)])
def test_even_kernels_are_refused(shape):
    with pytest.raises(ValueError, match="kernel"):
        convolution.convolve(np.ones((4, 5)), np.ones(shape))


@pytest.mark.parametrize("shape", [(4,), (0, 5), (1, 2, 3, 4)])
def test_wrong_images_are_refused(shape):
    with pytest.raises(ValueError, match="image"):
        convolution.convolve(np.ones(shape), np.ones((3, 3)))


def test_the_face_deblurring_papers_blur(shared):
    data = np.load(shared / "golden" / "umsn_uniform_blur.npz")
    blurred = convolution.convolve(data["img_m1_p1"], data["kernel"], "zero")
    np.testing.assert_allclose(blurred, data["blur_same_175"], atol=1e-9)
    start = int(data["crop_start"])
    crop = blurred[start : start + 128, start : start + 128]
    np.testing.assert_allclose(crop, data["blur_crop_128"], atol=1e-9)
