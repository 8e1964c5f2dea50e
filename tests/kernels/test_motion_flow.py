"""Motion flow: fields, kernels and blur against slow oracles and the public generator's data."""

import dataclasses
import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench_kernels import motion_flow, random

PARAMETERS = (9.3, -14.7, 0.1, 0.2, 4e-3, math.pi / 80)
CENTER = (10.25, 17.5)
STRONG = motion_flow.PRESETS["strong"]


def flow_pair(rng, height, width, longest):
    return rng.uniform(-longest, longest, (2, height, width))


def test_compat_flow_is_the_written_formula():
    expected = naive.compat_flow(24, 33, *PARAMETERS, CENTER)
    np.testing.assert_allclose(
        motion_flow.compat_flow(24, 33, *PARAMETERS, CENTER), expected, atol=1e-12
    )


def test_compat_rotation_is_radial_and_physical_rotation_tangential():
    """The generator swaps the names (and so must we); the physical flow does not."""
    only_rotation = (64, 96, 0, 0, 0, 0, 0, 0.1, (32.5, 48.5))
    y, x = np.mgrid[1:65, 1:97]
    dy, dx = y - 32.5, x - 48.5
    rho = np.hypot(dy, dx)
    u, v = motion_flow.compat_flow(*only_rotation)
    np.testing.assert_allclose(np.abs(u * dx + v * dy), np.hypot(u, v) * rho, rtol=1e-9)
    u, v = motion_flow.physical_flow(*only_rotation)
    np.testing.assert_allclose(u * dx + v * dy, 0, atol=1e-9)
    np.testing.assert_allclose(np.hypot(u, v), math.tan(0.1) * rho)
    assert u[0, 48] > 0  # above the centre a clockwise turn moves right


def test_physical_zoom_is_radial_outward_linear_and_as_strong_at_the_corner():
    height, width = 64, 96
    center = ((height + 1) / 2, (width + 1) / 2)
    u, v = motion_flow.physical_flow(height, width, 0, 0, 0, 0, 5e-3, 0, center)
    y, x = np.mgrid[1 : height + 1, 1 : width + 1]
    dy, dx = y - center[0], x - center[1]
    rate = 5e-3 * math.sqrt(math.hypot(height, width) / 2)
    np.testing.assert_allclose(u, rate * dx, atol=1e-12)
    np.testing.assert_allclose(v, rate * dy, atol=1e-12)


def test_physical_and_compat_share_translation_along_x():
    motion = (20, 30, 7.5, 0, 0.3, 0, 0, 0, (10, 15))
    u, v = motion_flow.physical_flow(*motion)
    expected = 7.5 * (1 - 0.15) + np.arange(1, 31) * (0.3 * 7.5 / 30)
    np.testing.assert_allclose(u, np.broadcast_to(expected, (20, 30)))
    np.testing.assert_allclose(u, motion_flow.compat_flow(*motion)[0])
    assert not v.any()


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(0.5, 1), (-0.5, -1), (1.5, 2), (-2.5, -3), (0.49999999999999994, 0), (-0.2, 0), (3.0, 3)],
)
def test_flow_rounds_half_away_from_zero(value, rounded):
    u, v = motion_flow.round_flow(np.full((4, 4), value), np.zeros((4, 4)))
    assert (u == rounded).all()
    assert not v.any()


@given(st.integers(0, 99), st.sampled_from(["compat", "physical"]), st.floats(0, 0.5))
@settings(max_examples=20, deadline=None)
def test_a_rounded_motion_is_its_rounded_flow(seed, mode, scale):
    motion = dataclasses.replace(drawn(seed=seed), motion_scale=scale)
    u, v = motion.flow(18, 41, mode)
    rounded, longest = motion.rounded(18, 41, mode)
    np.testing.assert_array_equal(rounded, motion_flow.round_flow(u, v))
    assert longest == math.ceil(max(np.abs(u).max(), np.abs(v).max()))
    assert motion_flow.crop_border(*rounded) == motion_flow.crop_border(u, v)
    assert motion_flow.lengths(*rounded) == motion_flow.lengths(u, v)


def test_rounded_flow_is_not_rounded_again():
    flow = np.full((4, 6), -3, np.int32), np.full((4, 6), 2, np.int32)
    assert all(a is b for a, b in zip(motion_flow.round_flow(*flow), flow, strict=True))
    for bad in (7, -7, 2**31 - 1, -(2**31)):
        with pytest.raises(ValueError, match="flow: u holds NaN or a motion longer"):
            motion_flow.round_flow(np.full((4, 6), bad, np.int32), flow[1])


@given(st.integers(-40, 40), st.integers(-40, 40))
@settings(max_examples=60, deadline=None)
def test_line_kernel_is_the_generators(u, v):
    kernel = motion_flow.line_kernel(u, v)
    expected = naive.line_kernel(u, v)
    margin = (len(expected) - len(kernel)) // 2
    assert margin >= 0  # the oracle keeps rows of zeros
    np.testing.assert_allclose(np.pad(kernel, margin), expected, atol=1e-12)
    assert kernel.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_array_equal(kernel, kernel[::-1, ::-1])


def test_line_kernel_keeps_the_end_cap_bug():
    """(1, 1) is a purely horizontal kernel of three taps there; (1, 0) and (0, 1) do nothing."""
    np.testing.assert_allclose(motion_flow.line_kernel(1, 1)[1], [0.106, 0.789, 0.106], atol=1e-3)
    assert motion_flow.line_kernel(1, 1)[0].max() < 1e-12
    for unit in ((1, 0), (0, 1), (0, 0), (-1, 0)):
        assert motion_flow.line_kernel(*unit).tolist() == [[1.0]]


def test_v_points_down():
    kernel = motion_flow.line_kernel(9, 9)
    assert np.trace(kernel) > 3 * np.trace(kernel[::-1])


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 12))
@settings(max_examples=12, deadline=None)
def test_blur_is_each_pixels_own_kernel(seed, height, width):
    rng = np.random.default_rng(seed)
    image = rng.uniform(0, 255, (height, width))
    u, v = flow_pair(rng, height, width, min(6, max(height, width)))
    expected = naive.motion_blur(image, u, v)
    np.testing.assert_allclose(motion_flow.blur(image, u, v), expected, atol=1e-10)


def test_blur_of_colour_is_the_blur_of_each_channel():
    rng = np.random.default_rng(1)
    image, (u, v) = rng.uniform(0, 1, (20, 30, 3)), flow_pair(rng, 20, 30, 9)
    blurred = motion_flow.blur(image, u, v)
    for channel in range(3):
        alone = motion_flow.blur(image[..., channel], u, v)
        np.testing.assert_array_equal(blurred[..., channel], alone)


def test_blur_keeps_the_dtype():
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (24, 31, 3), np.uint8)
    u, v = flow_pair(rng, 24, 31, 5)
    exact = motion_flow.blur(image.astype(np.float64), u, v)
    assert exact.dtype == np.float64
    blurred = motion_flow.blur(image, u, v)
    assert blurred.dtype == np.uint8
    np.testing.assert_array_equal(blurred, np.clip(np.trunc(exact + 0.5), 0, 255))
    single = motion_flow.blur(image.astype(np.float32), u, v)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, exact.astype(np.float32))


@given(st.integers(0, 2**32 - 1), st.integers(8, 14), st.integers(24, 40), st.integers(1, 9))
@settings(max_examples=12, deadline=None)
def test_uint8_is_the_float64_sum_rounded_however_near_to_a_half(seed, height, width, longest):
    """Two levels 1 or 2 apart under symmetric kernels: many sums lie on a half, or 1e-14 beside."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 254) + rng.integers(1, 3) * rng.integers(0, 2, (height, width, 3))
    image = image.astype(np.uint8)
    cells = np.kron(rng.integers(-longest, longest + 1, (2, 4, 2)), np.ones((1, 4, 20), int))
    u, v = cells[:, :height, :width].astype(np.float64)
    exact = motion_flow.blur(image.astype(np.float64), u, v)
    whole = np.floor(exact)
    expected = whole + (exact - whole >= 0.5)
    np.testing.assert_array_equal(motion_flow.blur(image, u, v), expected)


def test_blur_leaves_its_input_alone_and_takes_views():
    rng = np.random.default_rng(3)
    image = rng.uniform(0, 1, (12, 16, 3))
    u, v = flow_pair(rng, 12, 16, 4)
    before = image.copy(), u.copy()
    mirrored = motion_flow.blur(image[:, ::-1], u[:, ::-1], v[:, ::-1])
    copied = motion_flow.blur(*(np.ascontiguousarray(a[:, ::-1]) for a in (image, u, v)))
    np.testing.assert_array_equal(mirrored, copied)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(u, before[1])


def test_zero_flow_changes_nothing_and_flat_stays_flat():
    rng = np.random.default_rng(4)
    image = rng.integers(0, 256, (8, 9, 3), np.uint8)
    still = np.zeros((8, 9))
    np.testing.assert_array_equal(motion_flow.blur(image, still, still), image)
    u, v = flow_pair(rng, 8, 9, 8)
    assert (motion_flow.blur(np.full((8, 9), 255, np.uint8), u, v) == 255).all()


def test_border_and_lengths_use_the_rounded_flow():
    u, v = np.full((30, 40), 8.6), np.full((30, 40), -12.4)
    u[3, 5] = -18.5
    assert motion_flow.crop_border(u, v) == (6, 9)
    mean, longest = motion_flow.lengths(u, v)
    assert longest == math.hypot(19, 12)
    assert mean == pytest.approx((1199 * math.hypot(9, 12) + math.hypot(19, 12)) / 1200)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 13.0, -1e300])
def test_absurd_flow_is_refused(bad):
    u = np.zeros((8, 12))
    u[2, 3] = bad
    with pytest.raises(ValueError, match="flow: v"):
        motion_flow.blur(np.zeros((8, 12)), np.zeros((8, 12)), u)


def test_wrong_shapes_and_dtypes_are_refused():
    flow = np.zeros((8, 12))
    with pytest.raises(ValueError, match="differ"):
        motion_flow.blur(np.zeros((12, 8)), flow, flow)
    with pytest.raises(ValueError, match="share"):
        motion_flow.blur(np.zeros((8, 12)), flow, flow[:4])
    with pytest.raises(ValueError, match="int64"):
        motion_flow.blur(np.zeros((8, 12), int), flow, flow)


def drawn(severity=None, reading="magnitude", seed=0):
    return motion_flow.draw(random.stream("draw", seed), STRONG, 480, 640, severity, reading)


def test_readings_share_their_draws():
    plain, scaled, factor = drawn(), drawn((0.5, 1.0)), drawn((0.5, 1.0), "motion_scale")
    assert dataclasses.replace(factor, motion_scale=1.0) == plain
    assert 0.5 <= factor.motion_scale <= 1
    assert plain.motion_scale == scaled.motion_scale == 1
    r, s = abs(plain.tx) / 27, abs(scaled.tx) / 27
    assert s == pytest.approx(0.5 + 0.5 * r)
    assert scaled.center == plain.center
    assert drawn((0.0, 1.0)) == plain


def test_draws_stay_in_their_range_with_both_signs():
    motions = [drawn((0.2, 0.5), seed=seed) for seed in range(60)]
    for name, largest in (("tx", 27), ("ty_acc", 0.3), ("tz", 5e-3), ("rot_z", math.pi / 70)):
        values = np.array([getattr(motion, name) for motion in motions]) / largest
        assert np.all((np.abs(values) >= 0.2) & (np.abs(values) <= 0.5))
        assert 10 < (values > 0).sum() < 50
        assert np.ptp(np.abs(values)) > 0.2
    centers = np.array([motion.center for motion in motions])
    assert np.abs(centers - (240, 320)).max() <= 15


def test_published_severities_have_the_published_lengths():
    """Means over many draws at 640x480: 15.3 px for [0.2, 0.5], 31.5 px for [0.5, 1]."""
    for severity, low, high in (((0.2, 0.5), 14, 17), ((0.5, 1.0), 29, 34)):
        flows = [drawn(severity, seed=seed).flow(480, 640) for seed in range(8)]
        assert low < np.mean([motion_flow.lengths(u, v)[0] for u, v in flows]) < high


def test_a_motion_survives_its_metadata_row():
    motion = drawn((0.5, 1.0), "motion_scale")
    again = motion_flow.Motion(**dataclasses.asdict(motion))
    assert again == motion
    u, v = again.flow(20, 30)
    plain = dataclasses.replace(motion, motion_scale=1.0).flow(20, 30)
    np.testing.assert_array_equal(u, plain[0] * motion.motion_scale)
    assert not np.array_equal(v, motion.flow(20, 30, "physical")[1])


@pytest.mark.parametrize(
    ("severity", "reading", "field"),
    [
        ((0.5, 0.2), "magnitude", "severity"),
        ((0, 1.5), "magnitude", "severity"),
        (None, "sigma", "reading"),
    ],
)
def test_bad_draws_are_refused(severity, reading, field):
    with pytest.raises(ValueError, match=field):
        drawn(severity, reading)


def test_the_public_generators_data(shared):
    files = sorted((shared / "golden").glob("motion_flow_*.npz"))
    assert files
    for path in files:
        data = np.load(path)
        height, width = data["img"].shape[:2]
        names = ("tx", "ty", "tx_acc", "ty_acc", "tz", "rot_z")
        values = [data[name].item() for name in names]
        center = tuple(data["cen_z"].reshape(-1).tolist())
        u, v = motion_flow.compat_flow(height, width, *values, center)
        np.testing.assert_allclose(u, data["u"], atol=1e-9)
        np.testing.assert_allclose(v, data["v"], atol=1e-9)
        np.testing.assert_array_equal(motion_flow.round_flow(u, v)[0], data["u_round"])
        np.testing.assert_array_equal(motion_flow.round_flow(u, v)[1], data["v_round"])
        assert motion_flow.crop_border(u, v) == tuple(data["crop_hw"].reshape(-1).tolist())
        blurred = motion_flow.blur(data["img"].astype(np.float64), u, v)
        tolerance = 2e-5 if data["blur"].dtype == np.float32 else 1e-6
        np.testing.assert_allclose(blurred, data["blur"], rtol=0, atol=tolerance)
