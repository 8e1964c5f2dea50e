"""Kernel banks: sums, centring, slices, digests."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench_kernels import bank, convolution, random


def test_normalise_sums_to_one_each():
    kernels = np.random.default_rng(0).random((4, 5, 5), np.float32) * 7
    normal = bank.normalise(kernels)
    assert normal.dtype == np.float64
    np.testing.assert_allclose(normal.sum(axis=(1, 2)), 1)
    np.testing.assert_allclose(normal[2] / normal[2].max(), kernels[2] / kernels[2].max())


@pytest.mark.parametrize("value", [0.0, np.nan, -1.0, np.inf])
def test_kernels_without_a_sum_are_refused(value):
    with pytest.raises(ValueError, match="sum"):
        bank.normalise(np.full((3, 3), value))


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_snapped_kernels_are_close_and_exact(seed):
    rng = np.random.default_rng(seed)
    kernel = rng.random((9, 9)) * (rng.random((9, 9)) < 0.5) + np.eye(9)
    snapped = bank.snap(kernel)
    assert snapped.sum() == 1
    assert np.array_equal(snapped * 2**24, np.round(snapped * 2**24))
    np.testing.assert_allclose(snapped, bank.normalise(kernel), atol=81 / 2**24)
    np.testing.assert_array_equal(snapped, bank.snap(kernel * (1 + 1e-13)))
    # 8-bit pixels: no addition rounds, so the order of the taps cannot matter.
    image = rng.integers(0, 256, (12, 12)).astype(np.float64)
    turned = convolution.convolve(image[::-1, ::-1], snapped[::-1, ::-1])[::-1, ::-1]
    np.testing.assert_array_equal(convolution.convolve(image, snapped), turned)


def test_centre_pad_keeps_the_middle():
    padded = bank.centre_pad(np.ones((3, 3)), 7)
    assert padded.shape == (7, 7)
    assert padded[2:5, 2:5].sum() == padded.sum() == 9


@pytest.mark.parametrize(("shape", "size"), [((4, 4), 7), ((3, 3), 6), ((5, 5), 3), ((3, 5), 7)])
def test_kernels_that_cannot_be_centred_are_refused(shape, size):
    with pytest.raises(ValueError, match="middle"):
        bank.centre_pad(np.ones(shape), size)


@pytest.mark.parametrize("size", [3, 13, 29])
@pytest.mark.parametrize("exposure", [0.01, 0.3, 1.0])
def test_trajectory_kernels_fill_their_size(size, exposure):
    for seed in range(4):
        kernel = bank.trajectory_kernel(random.stream(seed), size, exposure=exposure)
        assert kernel.sum() == 1
        assert kernel.min() >= 0
        rows, columns = np.nonzero(kernel)
        margins = rows.min(), columns.min(), size - 1 - rows.max(), size - 1 - columns.max()
        assert min(margins) <= 1
        middle = (size - 1) / 2
        assert abs((kernel.sum(axis=1) @ np.arange(size)) - middle) < 1e-3
        assert abs((kernel.sum(axis=0) @ np.arange(size)) - middle) < 1e-3


def test_unfilled_kernels_keep_the_trajectorys_own_length():
    lengths = [
        bank.extent(bank.trajectory_kernel(random.stream(seed), 65, 0.005, fill=False))
        for seed in range(12)
    ]
    assert 15 < np.mean(lengths) < 28  # 19.8 px is the mean of this anxiety
    filled = bank.extent(bank.trajectory_kernel(random.stream(0), 65, 0.005))
    assert filled > lengths[0]


def test_any_slice_of_a_bank_can_be_drawn_alone():
    whole = bank.draw("bank", 3, count=6)
    np.testing.assert_array_equal(whole[2:5], bank.draw("bank", 3, count=3, start=2))
    assert whole.shape == (6, 29, 29)
    assert not np.array_equal(whole, bank.draw("bank", 4, count=6))


def test_bank_sizes_are_spread():
    kernels = bank.draw("sizes", count=40, sizes=(5, 9, 13), exposure=0.2)
    borders = [min(np.nonzero(kernel)[i].min() for i in (0, 1)) for kernel in kernels]
    assert {0, 2, 4} <= set(borders)


def test_a_pinned_kernel():
    """The identity of everything drawn: if this moves, every published digest moves."""
    kernel = bank.trajectory_kernel(random.stream("pinned"), 13)
    units = (kernel * 2**24).astype(int)
    assert units[6].tolist() == [
        0,
        0,
        35961,
        135227,
        401011,
        837376,
        941564,
        866952,
        347674,
        216685,
        31504,
        0,
        0,
    ]
    assert bank.digest(kernel) == "59131203b780d2ebbad74ce34523a9bfb7b53c9874a022b93a4218090c6b11f8"


def test_extent_of_known_kernels():
    line = np.zeros((9, 9))
    line[4, 1:8] = 1
    line[0, 0] = 1e-4  # under 1 % of the peak
    assert bank.extent(line) == 6
    assert bank.extent(np.eye(3) * [0, 1, 0]) == 0


def test_digest_is_of_shape_and_values():
    kernels = np.arange(18.0).reshape(2, 3, 3)
    expected = hashlib.sha256(b"2,3,3;" + kernels.tobytes()).hexdigest()
    assert bank.digest(kernels) == bank.digest(kernels.astype(np.float32)) == expected
    assert bank.digest(kernels.reshape(3, 2, 3)) != expected
    assert bank.digest(kernels[:, :, ::-1]) != expected


@pytest.mark.parametrize("options", [{"size": 12}, {"size": 1}, {"size": 13, "exposure": 0.0}])
def test_bad_kernels_are_refused(options):
    with pytest.raises(ValueError, match=r"size|exposure"):
        bank.trajectory_kernel(random.stream(), **options)
