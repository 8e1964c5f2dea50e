"""Disks of a lens, against drawn ones and the disk of a whole picture."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config

from blurbench_kernels import convolution, defocus, layers, uniform

SEEDS = st.integers(0, 2**32 - 1)
SIZE = (14, 17)


def drawn_disk(radius, fine=24):
    """Shares of the pixels around one: a disk of points, `fine` along each pixel's side."""
    reach = math.ceil(radius + 0.5)
    places = (np.arange((2 * reach + 1) * fine) + 0.5) / fine - reach - 0.5
    inside = places[:, None] ** 2 + places**2 <= radius * radius
    return inside.reshape(2 * reach + 1, fine, 2 * reach + 1, fine).mean(axis=(1, 3))


def slow_blur(image, radius):
    """One pixel at a time, by its own drawn disk; the edge repeated."""
    height, width = radius.shape
    out = np.zeros(image.shape)
    for y in range(height):
        for x in range(width):
            disk = drawn_disk(radius[y, x])
            reach = len(disk) // 2
            for i in range(-reach, reach + 1):
                for j in range(-reach, reach + 1):
                    row, column = min(max(y + i, 0), height - 1), min(max(x + j, 0), width - 1)
                    out[y, x] += disk[i + reach, j + reach] / disk.sum() * image[row, column]
    return out


@given(SEEDS)
@settings(max_examples=3, deadline=None)
def test_each_pixel_is_the_mean_of_its_own_disk(seed):
    random = np.random.default_rng(seed)
    image = random.uniform(0, 255, (*SIZE, 2))
    radius = random.uniform(0.6, 5, SIZE)
    error = np.abs(defocus.blur(image, radius) - slow_blur(image, radius))
    # Four strips a row here, 24 there, on white noise of 255 levels: a disk of 0.6 px has five.
    assert error.mean() < 0.5
    assert error.max() < 32


@pytest.mark.parametrize(("radius", "off"), [(0.8, 0.04), (2.5, 0.02), (6.0, 0.02)])
def test_one_radius_is_the_disk_of_a_whole_picture(radius, off):
    side = 24 if config.DISABLE_JIT else 40
    image = np.zeros((side, side, 1))
    image[side // 2, side // 2] = 1
    seen = defocus.blur(image, np.full((side, side), radius))[..., 0]
    expected = convolution.convolve(image, uniform.disk(radius))[..., 0]
    assert np.abs(seen - expected).sum() < off
    assert seen.sum() == pytest.approx(1, abs=1e-9)  # energy, away from the border


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_constants_stay(seed):
    radius = np.random.default_rng(seed).uniform(0, 9, SIZE)
    np.testing.assert_allclose(defocus.blur(np.full((*SIZE, 3), 77.0), radius), 77, atol=1e-9)


def test_what_is_in_focus_is_as_it_was():
    image = np.random.default_rng(0).uniform(0, 255, (*SIZE, 3))
    radius = np.zeros(SIZE)
    radius[:, 9:] = 3
    np.testing.assert_array_equal(defocus.blur(image, radius)[:, :9], image[:, :9])


def test_radii_follow_the_thin_lens():
    # Focal length f, f-number N, focus at d: f / N * f / (d - f) * |z - d| / z is the diameter.
    f, number, d = 0.05, 2.0, 2.0
    infinite = f / number * f / (d - f)
    for z in (0.5, 1.0, 2.0, 8.0):
        diameter = infinite * abs(z - d) / z
        found = defocus.radii(np.array([[d / z]]), 1.0, infinite / 2)
        assert 2 * found[0, 0] == pytest.approx(diameter)


def test_a_tilted_plane_is_nearer_on_its_right_and_below():
    near = defocus.plane(41, 61, 60, (0.5, 0.2))
    assert near[20, 30] == pytest.approx(1)
    assert near[20, 60] == pytest.approx(1 + math.tan(0.5) * 0.5)
    assert near[40, 30] == pytest.approx(1 + math.tan(0.2) / 3)
    with pytest.raises(ValueError, match="passes behind"):
        defocus.plane(41, 61, 10, (0.5, 0.2))


def test_a_sharp_front_keeps_its_edge_and_nothing_of_it_leaks():
    image = np.full((40, 40, 3), 50.0)
    image[:, 20:] = 200
    labels = np.zeros((40, 40), np.uint8)
    labels[:, 20:] = 1
    parts = layers.cut(image, labels)
    still, wide = np.zeros((40, 40)), np.full((40, 40), 6.0)
    sharp = defocus.blur_layers(parts, [wide, still])
    np.testing.assert_allclose(sharp, image, atol=1e-9)
    veiled = defocus.blur_layers(parts, [still, wide])[20, :, 0]
    assert veiled[16] > 55
    assert veiled[24] < 195
    np.testing.assert_allclose(veiled[[5, 35]], [50, 200], atol=1e-9)


def test_layers_with_one_radius_are_one_picture_inside_and_out():
    image = np.random.default_rng(1).uniform(0, 255, (24, 24, 3))
    whole = [layers.Layer(image, np.ones((24, 24)))]
    radius = np.full((24, 24), 2.5)
    expected = defocus.blur(image, radius)
    np.testing.assert_allclose(defocus.blur_layers(whole, [radius]), expected, atol=1e-12)


def seen_over_a_map(image, near, radius):
    """(H, W, C): of each pixel the disks of what is nearer, then its own disk of what is not."""

    def soft_disk(own):
        reach = math.ceil(own) + 1
        off = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
        return np.clip(own + 0.5 - off, 0, 1) if own > 0.5 else (off == 0) * 1.0

    height, width = radius.shape
    reach = math.ceil(radius.max()) + 2
    out = np.zeros(image.shape)
    for y in range(height):
        for x in range(width):
            veil, share, behind, total = 0.0, 0.0, 0.0, 0.0
            for i in range(-reach, reach + 1):
                for j in range(-reach, reach + 1):
                    q = min(max(y + i, 0), height - 1), min(max(x + j, 0), width - 1)
                    disk = soft_disk(radius[q] if near[q] > near[y, x] else radius[y, x])
                    half = len(disk) // 2
                    seen = disk[half + i, half + j] if max(abs(i), abs(j)) <= half else 0.0
                    if near[q] > near[y, x]:
                        veil = veil + seen / disk.sum() * image[q]
                        share += seen / disk.sum()
                    else:
                        behind = behind + seen * image[q]
                        total += seen
            over = max(share, 1)
            out[y, x] = veil / over + (1 - share / over) * behind / total
    return out


@given(SEEDS)
@settings(max_examples=3, deadline=None)
def test_a_map_is_seen_disk_by_disk(seed):
    random = np.random.default_rng(seed)
    image, near = random.uniform(0, 255, (9, 11, 2)), random.integers(1, 4, (9, 11)) / 4
    radius = np.rint(random.uniform(0, 3, (9, 11)) * 16) / 16
    seen = defocus.blur_map(image, near, radius)
    np.testing.assert_allclose(seen, seen_over_a_map(image, near, radius), atol=1e-9)


@pytest.mark.parametrize(("radius", "off"), [(0.8, 0.15), (2.5, 0.05), (6.0, 0.03)])
def test_a_flat_map_is_one_disk(radius, off):
    side = 24 if config.DISABLE_JIT else 40
    image = np.zeros((side, side, 1))
    image[side // 2, side // 2] = 1
    seen = defocus.blur_map(image, np.ones((side, side)), np.full((side, side), radius))[..., 0]
    expected = convolution.convolve(image, uniform.disk(radius))[..., 0]
    assert np.abs(seen - expected).sum() < off  # an edge of a px against one of none
    assert seen.sum() == pytest.approx(1, abs=1e-9)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_a_slope_is_the_disk_of_its_middle(seed):
    """Half of a disk is nearer, half farther: put over each other they are the disk again."""
    image = np.random.default_rng(seed).uniform(0, 255, (24, 24, 3))
    slope = 1 + 1e-4 * np.arange(24)[None] + 1e-6 * np.arange(24)[:, None]
    near = np.broadcast_to(slope, (24, 24))
    radius = np.full((24, 24), 4.0)
    flat = defocus.blur_map(image, np.ones((24, 24)), radius)
    np.testing.assert_allclose(defocus.blur_map(image, near, radius), flat, atol=8)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_constants_stay_over_a_map(seed):
    random = np.random.default_rng(seed)
    near, radius = random.uniform(0.1, 4, SIZE), random.uniform(0, 6, SIZE)
    seen = defocus.blur_map(np.full((*SIZE, 3), 77.0), near, radius)
    np.testing.assert_allclose(seen, 77, atol=1e-9)


@pytest.mark.parametrize("sharp", ["front", "behind"])
def test_an_edge_of_a_map_is_sharp_or_veils(sharp):
    image = np.full((24, 40, 3), 50.0)
    image[:, 20:] = 200
    front = np.zeros((24, 40), bool)
    front[:, 20:] = True
    still, wide = np.zeros(front.shape), np.full(front.shape, 5.0)
    radius = np.where(front, still, wide) if sharp == "front" else np.where(front, wide, still)
    seen = defocus.blur_map(image, np.where(front, 2.0, 1.0), radius)
    if sharp == "front":
        np.testing.assert_allclose(seen, image, atol=1e-9)
    else:
        assert seen[12, 17, 0] == pytest.approx(50 + 150 * 0.1955, abs=1)  # 2.5 px off, of the disk
        np.testing.assert_allclose(seen[:, [8, 33]], image[:, [8, 33]], atol=1e-9)


def test_a_map_of_another_size_is_refused():
    with pytest.raises(ValueError, match="near: expected"):
        defocus.blur_map(np.zeros((*SIZE, 3)), np.zeros((3, 3)), np.zeros(SIZE))


@pytest.mark.parametrize("radius", [np.zeros((3, 3)), np.full(SIZE, -1.0), np.full(SIZE, math.nan)])
def test_bad_radii_are_refused(radius):
    with pytest.raises(ValueError, match="radius: expected"):
        defocus.blur(np.zeros((*SIZE, 3)), radius)
