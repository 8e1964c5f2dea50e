"""Motion between two frames, against known motion, OpenCV's flow and a naive comparison."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config
from skimage.data import astronaut

from blurbench_kernels.frames import optical_flow

SEEDS = st.integers(0, 2**32 - 1)
# Interpreted loops take 100 times as long.
SIDE = 40 if config.DISABLE_JIT else 96


def texture(seed, side):
    """A smooth picture (side, side) float64 with detail on every scale."""
    random = np.random.default_rng(seed)
    parts = [
        np.kron(random.uniform(0, 255, (side // n, side // n)), np.ones((n, n))) for n in (4, 8)
    ]
    return cv2.GaussianBlur(sum(parts) / 2, (0, 0), 1.5)


def seen_at(image, u, v):
    """What lies at (x + u, y + v), bilinearly, by OpenCV."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    places = columns + np.float32(u), rows + np.float32(v)
    return cv2.remap(image.astype(np.float32), *places, cv2.INTER_LINEAR, borderMode=1)


@given(SEEDS, st.integers(-5, 5), st.integers(-5, 5))
@settings(max_examples=4, deadline=None)
def test_a_shift_is_found(seed, u, v):
    wide = texture(seed, SIDE + 24)
    first = wide[12 : 12 + SIDE, 12 : 12 + SIDE]
    second = wide[12 - v : 12 - v + SIDE, 12 - u : 12 - u + SIDE]
    inside = optical_flow.flow(first, second)[8:-8, 8:-8]
    np.testing.assert_allclose(np.median(inside, axis=(0, 1)), (u, v), atol=0.1)


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="a whole photograph takes minutes")
def test_a_turn_and_zoom_are_found_nearly_as_by_opencv():
    first = np.ascontiguousarray(astronaut()[:256, 100:400].mean(axis=2).astype(np.uint8))
    rows, columns = np.mgrid[:256, :300] - np.array([128, 150])[:, None, None]
    u, v = 0.03 * columns - 0.05 * rows, 0.05 * columns + 0.03 * rows + 2
    turned = np.linalg.inv(np.array([[1.03, -0.05], [0.05, 1.03]]))
    back = np.stack([columns, rows - 2], axis=-1) @ turned.T
    second = seen_at(first, back[..., 0] - columns, back[..., 1] - rows).astype(np.uint8)
    errors = []
    opencv = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for flow in (optical_flow.flow(first, second), opencv.calc(first, second, None)):
        off = flow - np.stack([u, v], axis=-1)
        errors.append(np.median(np.hypot(off[..., 0], off[..., 1])[20:-20, 20:-20]))
    # It refines its flow by a variational method, ours does not.
    assert errors[0] < 0.25
    assert errors[0] < 2 * errors[1]


def test_what_does_not_change_does_not_move():
    image = texture(3, SIDE)
    assert not optical_flow.flow(image, image).any()
    # A shutter or the sun: brightness alone.
    assert np.abs(optical_flow.flow(image, image + 20)).max() < 1e-9
    assert not optical_flow.flow(np.zeros((17, 33)), np.full((17, 33), 9.0)).any()


def test_patches_are_compared_as_the_sums_say():
    random = np.random.default_rng(1)
    first, second = random.uniform(0, 255, (2, 24, 31))
    across, down = random.uniform(-9, 9, (2, 24, 31))
    margin = optical_flow.MARGIN + 1
    around = np.pad(second, margin, mode="edge")
    for y, x, u, v in (
        (0, 0, -3.25, -2.5),
        (16, 23, 4.125, 1.75),
        (8, 5, 0.0, 0.0),
        (3, 9, 60, -60),
    ):
        found = optical_flow._compare(first, across, down, around, y, x, u, v)
        # No patch leaves the picture by more than a margin.
        row, column = np.clip(y + v, -16, 24 - 8 + 16), np.clip(x + u, -16, 31 - 8 + 16)
        off = np.array(
            [
                [
                    bilinear(around, row + i + margin, column + j + margin) - first[y + i, x + j]
                    for j in range(8)
                ]
                for i in range(8)
            ]
        )
        off -= off.mean()
        slopes = (each[y : y + 8, x : x + 8] for each in (across, down))
        expected = [(off * off).sum(), *((off * slope).sum() for slope in slopes)]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)


def bilinear(image, y, x):
    """All pixels, each by how near it is."""
    rows = np.maximum(1 - np.abs(np.arange(image.shape[0]) - y), 0)
    columns = np.maximum(1 - np.abs(np.arange(image.shape[1]) - x), 0)
    return rows @ image @ columns


def test_flow_is_twice_as_long_in_a_picture_twice_as_large():
    small = np.random.default_rng(0).uniform(-3, 3, (5, 7, 2))
    large = optical_flow._finer(small, (11, 14))
    for y, x in ((0, 0), (3, 5), (10, 13), (7, 2)):
        row, column = np.clip((y - 0.5) / 2, 0, 4), np.clip((x - 0.5) / 2, 0, 6)
        expected = [2 * bilinear(small[..., n], row, column) for n in (0, 1)]
        np.testing.assert_allclose(large[y, x], expected, atol=1e-12)


@pytest.mark.parametrize("shapes", [((40, 40), (40, 41)), ((15, 40), (15, 40)), ((40, 40, 3),) * 2])
def test_bad_frames_are_refused(shapes):
    with pytest.raises(ValueError, match="frames: expected two"):
        optical_flow.flow(*(np.zeros(shape) for shape in shapes))
