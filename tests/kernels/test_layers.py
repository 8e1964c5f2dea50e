"""Layers that move on ways of their own, against naive moments and the families themselves."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench_kernels import bank, convolution, layers, motion_flow, random

SEEDS = st.integers(0, 2**32 - 1)
SIZE = (24, 30)


def scene(seed, size=SIZE):
    """A picture (H, W, 3) and labels of two objects that touch."""
    image = np.random.default_rng(seed).uniform(0, 255, (*size, 3))
    labels = np.zeros(size, np.uint8)
    labels[8:15, 6:14] = 1
    labels[10:18, 14:20] = 2
    return image, labels


def flow(seed, longest=8, size=SIZE):
    u, v = np.random.default_rng(seed).uniform(-longest, longest, 2)
    slope = np.linspace(0.5, 1, size[1])
    return np.full(size, u) * slope, np.full(size, v) * slope


def listed(way):
    """A way as the oracle wants it."""

    def of(y, x):
        k = way.lists[y, x]
        moments = slice(way.first[k], way.first[k + 1])
        places = list(zip(way.rows[moments], way.columns[moments], strict=True))
        return places, way.spans[moments]

    return of


def whole(image):
    return [layers.Layer(image, np.ones(image.shape[:2]))]


@pytest.mark.parametrize("how", ["inpaint", "edge"])
def test_layers_at_rest_are_the_picture(how):
    image, labels = scene(1)
    parts = layers.cut(image, labels, how)
    assert len(parts) == 3
    rest = layers.blur(parts, [layers.still(*SIZE)] * 3)
    np.testing.assert_allclose(rest, image, atol=1e-12)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_one_layer_is_its_family(seed):
    image, _ = scene(seed)
    u, v = flow(seed)
    alone = layers.blur(whole(image), [layers.along_flow(u, v)])
    np.testing.assert_allclose(alone, motion_flow.blur(image, u, v), atol=1e-10)
    kernel = bank.trajectory_kernel(random.stream(seed), 7)
    shares = np.array([0.25, 0.75])[:, None, None] * kernel
    alone = layers.blur(whole(image), [layers.along_kernels(shares, *SIZE)])
    np.testing.assert_allclose(alone, convolution.convolve(image, kernel), atol=1e-10)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_layers_that_move_alike_are_one_picture(seed):
    image, labels = scene(seed)
    u, v = flow(seed)
    alike = layers.blur(layers.cut(image, labels), [layers.along_flow(u, v)] * 3)
    # At the seam too: the mean over all pixels would hide it.
    np.testing.assert_allclose(alike, motion_flow.blur(image, u, v), atol=1e-10)
    kernel = bank.trajectory_kernel(random.stream(seed), 9)
    way = layers.along_kernels(np.array([0.5, 0.5])[:, None, None] * kernel, *SIZE)
    alike = layers.blur(layers.cut(image, labels), [way] * 3)
    np.testing.assert_allclose(alike, convolution.convolve(image, kernel), atol=1e-10)


def crowd(seed, size=SIZE):
    """Labels of three objects that touch, overlap and hide each other, at random."""
    drawn = np.random.default_rng(seed)
    labels = np.zeros(size, np.uint8)
    for n in (1, 2, 3):
        top, left = drawn.integers(0, size[0] - 4), drawn.integers(0, size[1] - 4)
        height, width = drawn.integers(1, 14, 2)
        labels[top : top + height, left : left + width] = n
    return labels


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_what_is_shown_of_every_layer_sums_to_one(seed):
    labels = crowd(seed)
    parts = layers.cut(np.zeros((*SIZE, 3)), labels)
    expected = naive.shown_shares(labels, len(parts))
    left = np.ones(SIZE)
    for part, share in zip(parts[::-1], expected[::-1], strict=True):
        np.testing.assert_allclose(left * part.cover, share, atol=1e-12)
        left = left - share
    np.testing.assert_allclose(left, 0, atol=1e-12)


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_objects_that_move_alike_are_one_object_at_their_seam_too(seed):
    image, _ = scene(seed)
    labels = crowd(seed)
    behind, way = layers.still(*SIZE), layers.along_flow(*flow(seed))
    parts = layers.cut(image, labels)
    apart = layers.blur(parts, [behind, *[way] * (len(parts) - 1)])
    joined = layers.blur(layers.cut(image, (labels > 0).astype(np.uint8)), [behind, way])
    # A quarter of the background would show through where two touch: 25 of 255 grey levels.
    np.testing.assert_allclose(apart, joined, atol=1e-10)


def test_nothing_behind_a_seam_shows_through_it():
    image = np.zeros((*SIZE, 1))
    labels = np.zeros(SIZE, np.uint8)
    labels[4:20, 5:15], labels[4:20, 15:25] = 1, 2
    image[labels == 0] = 255
    parts = layers.cut(image, labels)
    u, v = np.full(SIZE, 7.0), np.zeros(SIZE)
    ways = [layers.still(*SIZE), *[layers.along_flow(v, u)] * 2]
    # Black objects before a white wall, moved along their seam.
    assert np.abs(layers.blur(parts, ways)[9:15, 8:22]).max() < 1e-10


def test_what_is_behind_a_seam_is_the_object_and_not_the_wall():
    labels = np.zeros(SIZE, np.uint8)
    labels[4:20, 5:15], labels[4:20, 15:25] = 1, 2
    colours = np.array([250.0, 100.0, 20.0])
    parts = layers.cut(colours[labels][..., None], labels)
    away = layers.Way(
        np.zeros(SIZE, np.int32), np.array([0, 1]), np.full(1, 12), np.zeros(1, int), np.ones(1)
    )
    seen = layers.blur(parts, [*[layers.still(*SIZE)] * 2, away])[12, :, 0]
    np.testing.assert_allclose(seen[7:16], 100, atol=1e-10)  # a pixel wider than it was seen
    np.testing.assert_allclose(seen[17:28], 250, atol=1e-10)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_constants_stay(seed):
    _, labels = scene(seed)
    image = np.full((*SIZE, 3), 77.0)
    ways = [layers.along_flow(*flow(seed + n)) for n in range(3)]
    np.testing.assert_allclose(layers.blur(layers.cut(image, labels), ways), 77, atol=1e-10)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_spans_of_every_list_sum_to_one_and_run_with_the_motion(seed):
    u, v = flow(seed, longest=30)
    way = layers.along_flow(u, v)
    sums = np.add.reduceat(way.spans, way.first[:-1])
    np.testing.assert_allclose(sums, 1, atol=1e-12)
    y, x = 3, 7
    places, spans = listed(way)(y, x)
    along = [row * np.rint(v[y, x]) + column * np.rint(u[y, x]) for row, column in places]
    assert along == sorted(along, reverse=True)
    assert spans.min() > 0


def test_moments_are_integrated_as_by_the_naive_sum():
    size = (10, 13)
    image = np.random.default_rng(4).uniform(0, 255, (*size, 2))
    labels = np.zeros(size, np.uint8)
    labels[3:7, 3:7] = 1
    labels[4:8, 7:11] = 2
    parts = layers.cut(image, labels)
    ways = [layers.along_flow(*flow(n, 6, size)) for n in (5, 6, 7)]
    slow = naive.layered_blur(
        [(part.light, part.cover) for part in parts], [listed(way) for way in ways], 128
    )
    # Sixty changes a pixel fall between 128 moments, each off by half of one at the most.
    fast = layers.blur(parts, ways)
    assert np.abs(fast - slow).mean() < 0.5
    assert np.abs(fast - slow).max() < 255 * 60 / 256


def test_a_half_covered_edge_is_that_of_256_drawn_frames():
    width, length = 32, 11
    back = np.linspace(0, 100, width)[None]
    cover = np.clip(16.5 - np.arange(width), 0, 1)[None]  # pixel 16 is half covered
    frames = []
    for moment in range(256):
        gone = ((moment + 0.5) / 256 - 0.5) * length  # a line of n px weighs n pixels alike
        seen = naive.shifted(cover, 0, gone)
        frames.append(200 * seen + (1 - seen) * naive.shifted(back, 0, -gone))
    parts = [
        layers.Layer(back[..., None], np.ones((1, width))),
        layers.Layer(200 * cover[..., None], cover),
    ]
    right, zero = np.full((1, width), float(length)), np.zeros((1, width))
    ways = [layers.along_flow(-right, zero), layers.along_flow(right, zero)]
    blurred = layers.blur(parts, ways)[..., 0]
    error = np.abs(blurred - np.mean(frames, axis=0))[:, 7:25]
    # Whole px against all between them: an eighth of one, 1.8 levels, where the edge comes or goes.
    assert error.mean() < 0.5
    assert error.max() < 2.5


def test_what_rests_before_a_moving_background_stays_sharp_inside():
    image, labels = scene(2, (40, 60))
    labels = (labels > 0).astype(np.uint8)
    u, v = flow(3, 12, (40, 60))
    ways = [layers.along_flow(u, v), layers.still(40, 60)]
    blurred = layers.blur(layers.cut(image, labels), ways)
    inside = np.zeros(labels.shape, bool)
    inside[9:14, 7:13] = True
    np.testing.assert_allclose(blurred[inside], image[inside], atol=1e-10)
    assert np.abs(blurred - image)[labels == 0].mean() > 10


def test_the_front_hides_what_is_behind():
    image = np.zeros((*SIZE, 3))
    labels = np.zeros(SIZE, np.uint8)
    labels[8:16, 4:12], labels[8:16, 16:24] = 1, 2
    image[labels == 1], image[labels == 2] = 100, 200
    parts = layers.cut(image, labels)
    onto = layers.Way(
        np.zeros(SIZE, np.int32), np.array([0, 1]), np.zeros(1, int), np.full(1, -12), np.ones(1)
    )
    still = layers.still(*SIZE)
    assert layers.blur(parts, [still, onto, still])[12, 20, 0] == 200
    assert layers.blur([parts[0], parts[2], parts[1]], [still, still, onto])[12, 20, 0] == 100


def test_sizes_that_differ_are_refused():
    image, _ = scene(1)
    with pytest.raises(ValueError, match="1 layers and 1 ways of sizes"):
        layers.blur(whole(image), [layers.still(9, 9)])
