"""Trajectories and PSFs against loops and the authors' own code."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench_kernels import random, trajectory

SEEDS = st.integers(0, 2**32 - 1)


def draws(seed, steps=120):
    rng = np.random.default_rng(seed)
    shaken = rng.random(steps) < 0.05
    return shaken, math.pi + rng.random(steps) - 0.5, rng.standard_normal((steps, 2))


@given(SEEDS, st.sampled_from([0.0, 0.005, 0.1]))
@settings(max_examples=12, deadline=None)
def test_walk_is_the_written_recursion(seed, anxiety):
    scalars = (1.0, anxiety, 0.4, 7.0)
    fast = trajectory.walk(*scalars, *draws(seed), 30.0)
    np.testing.assert_allclose(fast, naive.walk(*scalars, *draws(seed), 30.0), atol=1e-9)


@given(SEEDS)
@settings(max_examples=12, deadline=None)
def test_steps_are_equal_and_add_up_to_the_length(seed):
    path = trajectory.sample(random.stream(seed), steps=300, max_length=45.0)
    assert path.shape == (300,)
    np.testing.assert_allclose(np.abs(np.diff(path)), 45 / 299)


def test_without_anxiety_the_path_is_straight():
    path = trajectory.sample(random.stream("straight"), anxiety=0.0)
    assert trajectory.extent(path) == pytest.approx(60)


@given(SEEDS)
@settings(max_examples=12, deadline=None)
def test_placement_starts_on_a_pixel_in_the_middle_of_the_canvas(seed):
    path = trajectory.sample(random.stream(seed), canvas=64, steps=200)
    assert path[0].real == pytest.approx(round(path[0].real), abs=1e-9)
    assert path[0].imag == pytest.approx(round(path[0].imag), abs=1e-9)
    for part in (path.real, path.imag):
        assert abs((part.min() + part.max()) / 2 - 32.5) < 2


def test_asking_for_an_anxiety_moves_no_other_draw():
    drawn = 0.1 * random.stream("a").random()
    path = trajectory.sample(random.stream("a"), anxiety=drawn)
    np.testing.assert_array_equal(path, trajectory.sample(random.stream("a")))


@given(SEEDS, st.floats(0.01, 1))
@settings(max_examples=12, deadline=None)
def test_psf_is_the_samples_on_their_four_pixels(seed, exposure):
    rng = np.random.default_rng(seed)
    path = rng.uniform(-1, 9, 25) + 1j * rng.uniform(-1, 9, 25)
    inside = np.clip(path.real, 1, 8) + 1j * np.clip(path.imag, 1, 8)
    psf = trajectory.rasterize_psf(inside, 8, [exposure], center=False)[0]
    np.testing.assert_allclose(psf, naive.psf(inside, 8, exposure), atol=1e-12)
    assert psf.sum() == pytest.approx(exposure)
    off_canvas = trajectory.rasterize_psf(path, 8, [1.0], center=False)[0]
    np.testing.assert_allclose(off_canvas, naive.psf(path, 8, 1.0), atol=1e-12)


def test_exposures_accumulate_and_may_end_within_one_sample():
    path = trajectory.sample(random.stream("exposures"), canvas=32, steps=50, max_length=20)
    ends = [0.005, 0.007, 0.021, 0.5, 0.507, 1.0]
    psfs = trajectory.rasterize_psf(path, 32, ends)
    np.testing.assert_allclose(psfs.sum(axis=(1, 2)), ends)
    for psf, end in zip(psfs, ends, strict=True):
        alone = trajectory.rasterize_psf(path, 32, [end])[0]
        np.testing.assert_allclose(psf, alone, atol=1e-12)


@given(SEEDS, st.sampled_from([13, 14, 29]))
@settings(max_examples=12, deadline=None)
def test_fit_fills_the_kernel_and_loses_nothing(seed, size):
    path = trajectory.fit(trajectory.sample(random.stream(seed), steps=400), size)
    psf = trajectory.rasterize_psf(path, size, [1.0])[0]
    assert psf.sum() == pytest.approx(1, abs=1e-12)
    rows, columns = np.nonzero(psf > 1e-9)
    border = min(rows.min(), columns.min(), size - 1 - rows.max(), size - 1 - columns.max())
    assert border == 0
    weights = np.arange(size) - (size - 1) / 2
    assert abs(psf.sum(axis=0) @ weights) < 1e-9
    assert abs(psf.sum(axis=1) @ weights) < 1e-9


def test_a_resting_camera_gives_a_point():
    psf = trajectory.rasterize_psf(trajectory.fit(np.full(10, 3 + 4j), 5), 5, [1.0])[0]
    expected = np.zeros((5, 5))
    expected[2, 2] = 1
    np.testing.assert_array_equal(psf, expected)


def test_extent_is_the_largest_distance():
    path = trajectory.sample(random.stream("extent"), steps=60, anxiety=0.05)
    assert trajectory.extent(path) == pytest.approx(naive.extent(path))
    assert trajectory.extent(np.array([1 + 1j, 4 + 5j])) == 5


@pytest.mark.parametrize("options", [{"steps": 1}, {"max_length": 0}, {"anxiety": -1.0}])
def test_bad_samples_are_refused(options):
    with pytest.raises(ValueError, match="trajectory"):
        trajectory.sample(random.stream(), **options)


@pytest.mark.parametrize("exposures", [[0.0], [1.5], [0.5, 0.2], [math.nan]])
def test_bad_exposures_are_refused(exposures):
    with pytest.raises(ValueError, match="exposures"):
        trajectory.rasterize_psf(np.array([1 + 1j]), 5, exposures)


@pytest.mark.parametrize("path", [[], [math.nan]])
def test_bad_paths_are_refused(path):
    with pytest.raises(ValueError, match="psf"):
        trajectory.rasterize_psf(np.array(path, complex), 5, [1.0])


def test_the_authors_psfs(shared):
    data = np.load(shared / "golden" / "trajectory_psf.npz")
    names = [name for name in data if name.startswith("matlab__")]
    assert names
    for name in names:
        case, letter, center = name.removeprefix("matlab__").rsplit("_", 2)
        path, size = data[f"{case}__x"], int(data[f"{case}__canvas"])
        psfs = trajectory.rasterize_psf(path, size, data[f"{case}__T_{letter}"], center == "c1")
        np.testing.assert_allclose(psfs, data[name], rtol=0, atol=1e-9)


def port_draws(seed, expl, steps):
    """The Python port's draws from NumPy's old generator, in the port's order."""
    rng = np.random.RandomState(seed)
    pull, shake = 0.7 * rng.uniform(), 0.2 * rng.uniform()
    impulse, angle = 10 * rng.uniform(), 2 * math.pi * rng.uniform()
    shaken, shakes, impulses = np.zeros(steps, bool), np.zeros(steps), np.zeros((steps, 2))
    for t in range(steps):
        shaken[t] = rng.uniform() < shake * expl
        if shaken[t]:
            shakes[t] = math.pi + rng.uniform() - 0.5
        impulses[t] = rng.randn(), rng.randn()
    return angle, expl, pull, impulse, shaken, shakes, impulses


def test_the_ports_trajectories(shared):
    data = np.load(shared / "golden" / "trajectory_psf.npz")
    for i in range(3):
        canvas, max_length, expl = data[f"seed{1000 + i}__par"].tolist()
        expected = data[f"seed{1000 + i}__x"]
        walk = trajectory.walk(*port_draws(1000 + i, expl, len(expected) - 1), max_length)
        placed = trajectory.place(walk, int(canvas))
        np.testing.assert_allclose(placed, expected, rtol=0, atol=1e-9)
