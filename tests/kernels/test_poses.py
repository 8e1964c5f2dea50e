"""A camera path as the way of a layer, against camera.blur and the poses themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench_kernels import camera, layers, poses, random

SEEDS = st.integers(0, 2**32 - 1)
SIZE = (30, 44)


def drawn(seed, target=8.0, rotation=0.1):
    path = camera.sample_path(random.stream(seed), translation=0.02, rotation=rotation)
    path = camera.scale_to(path, target, *SIZE, focal=44.0)
    return camera.homographies(path, *SIZE, focal=44.0)


def whole(image):
    return [layers.Layer(image, np.ones(image.shape[:2]))]


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_one_layer_is_the_blur_of_its_camera(seed):
    image = np.random.default_rng(seed).uniform(0, 255, (*SIZE, 3))
    warps = drawn(seed)
    alone = layers.blur(whole(image), [poses.along_poses(warps, *SIZE)])
    # A quarter of a pixel at the corners of blocks, of noise: less on any photograph.
    assert np.abs(alone - camera.blur(image, warps)).mean() < 1.0


def test_a_shift_is_exact():
    image = np.random.default_rng(1).uniform(0, 255, (*SIZE, 3))
    warps = np.repeat(np.eye(3)[None], 9, axis=0)
    warps[:, 0, 2], warps[:, 1, 2] = np.linspace(-3, 4.5, 9), np.linspace(2, -1.25, 9)
    alone = layers.blur(whole(image), [poses.along_poses(warps, *SIZE)])
    np.testing.assert_allclose(alone, camera.blur(image, warps), atol=1e-10)


@given(SEEDS, st.floats(0.02, 0.5))
@settings(max_examples=10, deadline=None)
def test_pixels_see_at_most_a_quarter_beside_their_poses(seed, rotation):
    warps = drawn(seed, rotation=rotation)
    way = poses.along_poses(warps, *SIZE)
    assert way.spans.min() > 0
    np.testing.assert_allclose(np.add.reduceat(way.spans, way.first[:-1]), 1, atol=1e-12)
    for y, x in ((0, 0), (29, 43), (14, 20), (5, 33)):
        k = way.lists[y, x]
        moments = slice(way.first[k], way.first[k + 1])
        spans = way.spans[moments]
        seen = warps @ [x, y, 1.0]
        middle = (seen[:, :2] / seen[:, 2:]).mean(axis=0) - (x, y)
        found = spans @ way.columns[moments], spans @ way.rows[moments]
        np.testing.assert_allclose(found, middle, atol=poses.NEAR)


@given(SEEDS)
@settings(max_examples=3, deadline=None)
def test_layers_before_one_camera_are_one_picture(seed):
    image = np.random.default_rng(seed).uniform(0, 255, (*SIZE, 3))
    labels = np.zeros(SIZE, np.uint8)
    labels[6:20, 8:24], labels[14:26, 22:38] = 1, 2
    way = poses.along_poses(drawn(seed), *SIZE)
    alike = layers.blur(layers.cut(image, labels), [way] * 3)
    np.testing.assert_allclose(alike, layers.blur(whole(image), [way]), atol=1e-10)


def test_lengths_are_those_of_the_tracks():
    warps = drawn(4)
    inside = np.zeros(SIZE, bool)
    inside[5:9, 36:40] = True
    lengths = []
    for y, x in np.argwhere(inside):
        seen = warps @ [x, y, 1.0]
        places = seen[:, :2] / seen[:, 2:]
        lengths.append(max(np.hypot(*(a - b)) for a in places for b in places))
    wanted = np.mean(lengths), np.max(lengths)
    assert poses.lengths_inside(warps, inside) == pytest.approx(wanted)
    everywhere = poses.lengths_inside(warps, np.ones(SIZE, bool))
    assert everywhere == pytest.approx(camera.lengths(warps, *SIZE), rel=0.1)
