"""Kernels from pairs: their equations and solver against slow ones, and kernels that are known."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config
from scipy.io import loadmat
from scipy.optimize import nnls

from blurbench_kernels import bank, convolution, estimate

SEEDS = st.integers(0, 2**32 - 1)
SIZE = 9
# No symmetry: any turn, flip or swap of it is another kernel. Its barycentre is in the middle.
ARROW = bank.snap(np.array([[0, 4, 0, 0, 1], [0, 0, 4, 0, 0], [0, 0, 3, 2, 4]]).astype(float))


def scene(seed=0, height=44, width=52):
    """Soft spots: (H, W, 3) uint8 with gradients in every direction."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    soft = cv2.GaussianBlur(noise, (0, 0), 1.2)
    return np.rint(128 + 50 * soft / soft.std()).clip(0, 255).astype(np.uint8)


def blurred(image, kernel, shift=(0, 0)):
    """The blurred picture as it is stored, moved down and right by `shift`."""
    made = convolution.convolve(image.astype(float), kernel)
    return np.roll(np.rint(made).clip(0, 255).astype(np.uint8), shift, (0, 1))


def of_pair(sharp, blur, size=SIZE):
    inner = slice(size // 2, -(size // 2))
    return estimate.estimate(sharp, blur[inner, inner], size)


def middled(kernel, side):
    top, left = ((side - length) // 2 for length in kernel.shape)
    padded = np.zeros((side, side))
    padded[top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel
    return padded


def naive_equations(sharp, blur, size):
    """Every row of the least squares, one place and direction at a time."""
    _, height, width = blur.shape
    rows, right = [], []
    for direction in (0, 1):
        for y in range(height):
            for x in range(width):
                rows.append(sharp[direction, y : y + size, x : x + size].ravel())
                right.append(blur[direction, y, x])
    return np.array(rows), np.array(right)


def integers(random, *shape):
    return random.integers(-765, 766, shape).astype(float)


@given(SEEDS, st.sampled_from([3, 5]), st.integers(3, 6), st.integers(3, 6))
@settings(max_examples=10, deadline=None)
def test_equations_are_those_of_every_pixel(seed, size, height, width):
    random = np.random.default_rng(seed)
    sharp = integers(random, 2, height + size - 1, width + size - 1)
    blur = integers(random, 2, height, width)
    rows, right = naive_equations(sharp, blur, size)
    found = estimate.equations(sharp, blur, size)
    np.testing.assert_array_equal(found.gram, rows.T @ rows)
    np.testing.assert_array_equal(found.right, rows.T @ right)
    assert found.energy == right @ right
    taps = random.random(size * size)
    assert estimate.error(found, taps) == pytest.approx(((rows @ taps - right) ** 2).sum())


@given(SEEDS, st.sampled_from(estimate.RIDGES))
@settings(max_examples=10, deadline=None)
def test_the_solver_is_that_of_scipy(seed, ridge):
    random = np.random.default_rng(seed)
    sharp, blur = integers(random, 2, 10, 10), integers(random, 2, 8, 8)
    rows, right = naive_equations(sharp, blur, 3)
    weight = ridge * (rows**2).sum() / 9
    wanted, _ = nnls(
        np.vstack([rows, np.sqrt(weight) * np.eye(9)]), np.concatenate([right, np.zeros(9)])
    )
    found = estimate.solve(estimate.equations(sharp, blur, 3), ridge)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("shift", [(0, 0), (1, -2)])
def test_a_known_kernel_is_found_as_it_lies(shift):
    sharp = scene()
    found = of_pair(sharp, blurred(sharp, ARROW, shift))
    wanted = middled(ARROW, 5)
    rows, columns = np.indices(ARROW.shape)
    assert [round((each * ARROW).sum()) for each in (rows, columns)] == [1, 2]
    assert found.kernel.shape == (5, 5)
    assert np.abs(found.kernel - wanted).sum() < 0.1
    assert found.shift == shift
    assert found.kernel.sum() == 1
    assert found.kernel.min() == 0
    assert found.unexplained < 0.01
    assert found.agreement > 0.98
    assert not found.cut


def test_more_light_or_grey_pictures_change_nothing():
    sharp = scene(1, 36, 36) // 2
    blur = blurred(sharp, ARROW)
    found = of_pair(sharp, blur)
    np.testing.assert_array_equal(of_pair(sharp + 100, blur + 100).kernel, found.kernel)
    grey = of_pair(sharp[..., 0], blur[..., 0])
    same = of_pair(np.repeat(sharp[..., :1], 3, axis=2), np.repeat(blur[..., :1], 3, axis=2))
    np.testing.assert_allclose(grey.kernel, same.kernel, atol=1e-6)
    assert grey.residual == pytest.approx(same.residual)


def test_where_nothing_can_be_told_there_is_no_kernel():
    plain = np.full((44, 44, 3), 90, np.uint8)
    edges = np.tile(scene()[:1, :44], (44, 1, 1))
    faint = plain + np.random.default_rng(0).integers(0, 3, plain.shape, np.uint8)
    for sharp in (plain, edges, edges.transpose(1, 0, 2), faint):
        assert estimate.texture(sharp) < estimate.TEXTURE
        assert of_pair(sharp, sharp) is None
    assert estimate.texture(scene()) > 10 * estimate.TEXTURE
    assert of_pair(scene(width=44), plain) is None  # nothing of it is left


def test_halves_that_moved_otherwise_do_not_agree():
    sharp = scene()
    across, down = np.full((1, 5), 0.2), np.full((5, 1), 0.2)
    blur = blurred(sharp, across)
    blur[:, 26:] = blurred(sharp, down)[:, 26:]
    found = of_pair(sharp, blur)
    assert found.agreement < 0.5
    assert found.unexplained > 0.3


def test_a_kernel_that_leaves_the_window_is_told():
    sharp = scene()
    assert of_pair(sharp, blurred(sharp, np.full((1, 11), 1 / 11))).cut
    assert not of_pair(sharp, blurred(sharp, np.full((1, 5), 1 / 5))).cut


def test_specks_are_cut_and_the_rest_is_centred():
    kernel = np.zeros((11, 11))
    kernel[2, 2:5] = 1.0
    kernel[9, 9] = 0.1  # alone
    kernel[3, 3] = 0.04  # faint
    found, shift, cut = estimate.settled(kernel)
    np.testing.assert_allclose(found, [[0, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0, 0, 0]], atol=1e-7)
    assert shift == (-3, -2)
    assert not cut
    # Two parts of equal weight both stay, however many there are.
    kernel = np.zeros((11, 11))
    kernel[::2, ::2] = 1.0
    assert np.count_nonzero(estimate.settled(kernel)[0]) == 36


@pytest.mark.parametrize(("size", "height"), [(8, 36), (1, 36), (9, 37), (43, 2)])
def test_other_shapes_are_refused(size, height):
    with pytest.raises(ValueError, match="does not suit a size"):
        estimate.estimate(scene(width=44), scene(height=height, width=36), size)


@pytest.mark.skipif(
    bool(config.DISABLE_JIT), reason="eight whole kernels take a quarter of an hour"
)
@pytest.mark.slow
def test_the_kernels_of_levin_et_al_are_found(shared):
    """Cosine of at least .95 and a difference of at most .40 in 6 of 8; here all have both.

    Blurred again with the estimate, a sharp picture is as near to the blurred one, within 1 dB.
    """
    for path in sorted((shared / "data" / "blurred_pairs" / "levin09" / "mat").iterdir()):
        contents = loadmat(path)
        sharp, blur = (np.rint(contents[name] * 255).astype(np.uint8) for name in "xy")
        known = contents["f"][::-1, ::-1]  # theirs is for correlation
        found = of_pair(sharp, blur, 41)
        alike, apart = best_place(found.kernel, known)
        assert alike >= 0.96, path.name
        assert apart <= 0.33, path.name
        assert bank.extent(found.kernel) == pytest.approx(bank.extent(known), abs=1)
        assert best_psnr(sharp, blur, found.kernel) > best_psnr(sharp, blur, known) - 1


def best_place(kernel, known):
    """Cosine and summed absolute difference where the two lie best on each other."""
    side = known.shape[0]
    wide = np.pad(kernel, side)
    down, right = (length - side for length in wide.shape)
    moved = [
        np.pad(known, ((y, down - y), (x, right - x)))
        for y in range(down + 1)
        for x in range(right + 1)
    ]
    best = max(moved, key=lambda each: float((each * wide).sum()))
    return estimate.cosine(best, wide), np.abs(best - wide).sum()


def best_psnr(sharp, blur, kernel):
    """dB, at the shift of up to 6 px that suits best."""
    made = convolution.convolve(sharp.astype(float), kernel)
    inner = blur[24:-24, 24:-24].astype(float)
    height, width = inner.shape
    errors = [
        np.mean((made[y : y + height, x : x + width] - inner) ** 2)
        for y in range(18, 31)
        for x in range(18, 31)
    ]
    return 10 * np.log10(255**2 / min(errors))
