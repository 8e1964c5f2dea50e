"""Convolution against loops, SciPy and OpenCV."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import naive
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench_kernels import bank, convolution, uniform
from blurbench_kernels.random import stream

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


def in_whole_numbers(image, kernel, border):
    """The definition, in steps of 2^-24: nothing is rounded."""
    steps = (kernel * 2**24).astype(np.int64)
    assert (steps == kernel * 2**24).all()
    (rows, columns), (height, width) = kernel.shape, image.shape[:2]
    around = ((rows // 2, rows // 2), (columns // 2, columns // 2), (0, 0))
    mode = {"replicate": "edge", "zero": "constant"}[border]
    wide = np.pad(image.astype(np.int64), around, mode=mode)
    total = np.zeros(image.shape, np.int64)
    for i, j in np.ndindex(kernel.shape):
        top, left = rows - 1 - i, columns - 1 - j
        total += steps[i, j] * wide[top : top + height, left : left + width]
    return total / 2**24


def trial(seed, largest):
    """A picture of up to `largest` px a side and a kernel of many taps."""
    random = np.random.default_rng(seed)
    rows, columns, side = (int(each) for each in random.integers((1, 1, 6), (largest, largest, 23)))
    image = random.integers(0, 256, (rows, columns, 3), np.uint8)
    if seed % 3 == 0:  # the largest levels
        image[:] = 255
    kernels = {
        0: lambda: bank.trajectory_kernel(stream("test", seed), 2 * side + 1),
        1: lambda: bank.snap(np.ones((2 * side + 1, 2 * (28 - side) + 1))),
        2: lambda: uniform.gaussian(side / 3),
        3: lambda: bank.snap(random.random((2 * side + 1, 2 * side + 1))),
    }
    return image, kernels[seed % 4]()


@given(st.integers(0, 2**32 - 1), st.sampled_from(["replicate", "zero"]))
@settings(max_examples=15, deadline=None)
def test_sums_from_transforms_are_exact(seed, border):
    image, kernel = trial(seed, 60)
    found = convolution.convolve(image, kernel, border)
    np.testing.assert_array_equal(found, in_whole_numbers(image, kernel, border))


def test_which_kernels_are_summed_by_transforms(monkeypatch):
    used = []
    real = convolution._by_transforms
    monkeypatch.setattr(
        convolution, "_by_transforms", lambda *given: used.append(1) or real(*given)
    )

    def is_used(kernel, dtype=np.uint8):
        used.clear()
        convolution.convolve(np.ones((50, 60, 3), dtype), kernel)
        return bool(used)

    dense = bank.snap(np.ones((29, 29)))
    assert is_used(dense)
    assert not is_used(dense, np.float64)  # floats have no grid
    assert not is_used(bank.snap(np.ones((9, 9))))  # few taps are added faster
    assert not is_used(bank.snap(np.ones((47, 47))))  # transforms beyond 256 x 256
    assert not is_used(np.full((29, 29), 1 / 841))  # sums are no whole steps
    assert not is_used(dense * 2)  # more light than there was
    assert not is_used(np.where(dense == dense.max(), -dense, dense))
    peaked = np.full((29, 29), 2.0**-24)
    peaked[14, 14] = 0.5
    assert not is_used(peaked)  # the bound asks for a small 2-norm


def test_what_strays_from_the_grid_is_added_up_by_taps(monkeypatch):
    image, kernel = trial(3, 60)
    expected = in_whole_numbers(image, kernel, "replicate")
    real = cv2.filter2D
    monkeypatch.setattr(cv2, "filter2D", lambda *given, **named: real(*given, **named) + 1e-9)
    assert not convolution._settle(np.full(3, 1e-9))
    np.testing.assert_array_equal(convolution.convolve(image, kernel), expected)


# What OpenCV may find or be told to use; with Intel's IPP off its roots of unity are a hundred
# times less exact.
SURROUNDINGS = [{"OPENCV_IPP": "disabled"}, {"OPENCV_CPU_DISABLE": "AVX512_SKX,AVX2,AVX,FP16"}]


@pytest.mark.parametrize("surroundings", [*SURROUNDINGS, SURROUNDINGS[0] | SURROUNDINGS[1]])
@pytest.mark.slow
def test_sums_do_not_depend_on_opencvs_dispatch(surroundings):
    here = Path(__file__).parent
    paths = [str(here), str(here.parent / "helpers"), *sys.path]
    # With the JIT: it is OpenCV that might differ, and without it this takes a minute each.
    env = {
        **os.environ,
        **surroundings,
        "NUMBA_DISABLE_JIT": "0",
        "PYTHONPATH": os.pathsep.join(paths),
    }
    command = "import test_convolution as t; t.compare_trials()"
    subprocess.run([sys.executable, "-c", command], env=env, check=True)


def compare_trials():
    for seed in range(30):
        image, kernel = trial(seed, 500)
        found = convolution._by_transforms(image, kernel, "replicate")
        expected = convolution._by_taps(image, kernel, "replicate")  # exact in any order
        np.testing.assert_array_equal(found, expected)


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
