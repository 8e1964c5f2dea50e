"""Camera paths, their homographies and blur, against slow oracles and plain geometry."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from blurbench_kernels import camera, convolution, random

SEEDS = st.integers(0, 2**32 - 1)
TILT = (0.3, -0.2)


def path_of(**parts):
    """A path whose named components are given and whose others rest."""
    names = ("tx", "ty", "tz", "rx", "ry", "rz")
    length = len(next(iter(parts.values())))
    return np.stack([np.array(parts.get(name, np.zeros(length))) for name in names], axis=1)


def shaken(seed, amplitude=0.02, poses=9, height=12, width=16):
    path = np.random.default_rng(seed).uniform(-amplitude, amplitude, (poses, 6))
    return camera.homographies(path, height, width, 1.2 * width, TILT, poses)


@given(SEEDS)
@settings(max_examples=8, deadline=None)
def test_a_path_is_centred_and_stays_within_its_amplitudes(seed):
    path = camera.sample_path(random.stream(seed), 0.02, 0.05)
    assert path.shape == (128, 6)
    np.testing.assert_allclose(path.mean(axis=0), 0, atol=1e-9)
    assert np.hypot(path[:, 0], path[:, 1]).max() <= 0.02
    assert np.hypot(path[:, 3], path[:, 4]).max() <= 0.05
    assert np.abs(path[:, 2]).max() <= 0.02
    assert np.abs(path[:, 5]).max() <= 0.05
    assert (np.ptp(path, axis=0) > 0).all()


def test_a_straight_path_reaches_its_amplitudes():
    path = camera.sample_path(random.stream("straight"), 0.02, 0.05, anxiety=0.0)
    for pair, amplitude in (((0, 1), 0.02), ((3, 4), 0.05)):
        assert np.hypot(*path[0, pair]) == pytest.approx(amplitude, rel=1e-6)
        assert np.hypot(*path[-1, pair]) == pytest.approx(amplitude, rel=1e-6)


def test_what_is_asked_moves_no_later_draw():
    after = set()
    for options in ((0.01, 0.02, 0.0, 128), (0.0, 0.3, None, 5), (0.5, 0.0, 0.005, 1)):
        stream = random.stream("draws")
        camera.sample_path(stream, *options)
        after.add(stream.random())
    assert len(after) == 1


def test_resampling_keeps_ends_and_mean():
    path = camera.sample_path(random.stream("resample"), 0.02, 0.05)
    np.testing.assert_array_equal(camera.resample(path, 128), path)
    np.testing.assert_allclose(camera.resample(path, 1)[0], path.mean(axis=0), atol=1e-15)
    for poses in (2, 24, 300):
        picked = camera.resample(path, poses)
        np.testing.assert_allclose(picked.mean(axis=0), path.mean(axis=0), atol=1e-15)
        np.testing.assert_allclose(picked[-1] - picked[0], path[-1] - path[0], atol=1e-12)


@given(SEEDS)
@settings(max_examples=12, deadline=None)
def test_homographies_are_the_written_formula(seed):
    path = np.random.default_rng(seed).uniform(-0.1, 0.1, (5, 6))
    project = np.array([[500, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])
    normal = np.array([math.tan(TILT[0]), math.tan(TILT[1]), 1.0])
    corners = np.array([[0, 639, 0, 639], [0, 0, 479, 479], [1, 1, 1, 1]])
    fast = camera.homographies(path, 480, 640, 500, TILT, 5)
    for pose, homography in zip(path, fast, strict=True):
        turned = Rotation.from_rotvec(pose[3:]).as_matrix() + np.outer(pose[:3], normal)
        expected = project @ turned @ np.linalg.inv(project) @ corners
        seen = homography @ corners
        np.testing.assert_allclose(seen[:2] / seen[2], expected[:2] / expected[2], atol=1e-5)


def test_the_last_digits_of_a_path_do_not_reach_its_homographies():
    path = camera.sample_path(random.stream("digits"), 0.02, 0.05)
    nearly = path * (1 + 4e-16)
    assert not np.array_equal(path, nearly)
    plain, other = (camera.homographies(p, 480, 640, 640, TILT) for p in (path, nearly))
    np.testing.assert_array_equal(plain, other)


def test_translation_is_focal_times_its_share_of_the_distance():
    warps = camera.homographies(path_of(tx=[0.01], ty=[-0.02]), 48, 64, 100, poses=1)
    np.testing.assert_allclose(warps[0], [[1, 0, 1], [0, 1, -2], [0, 0, 1]], atol=1e-6)


def test_a_tilted_plane_is_nearer_on_its_right():
    tracks = naive.camera_tracks(
        camera.homographies(path_of(tx=[-0.01, 0.01]), 48, 64, 100, (0.5, 0.0), 2), 48, 64
    )
    length = np.abs(tracks[..., 1] - tracks[..., 0])
    assert length[24, 60] > 1.3 * length[24, 3]


def test_roll_turns_about_the_middle_and_zoom_is_radial():
    middle = 31.5 + 23.5j
    still = naive.camera_tracks(np.eye(3)[None], 48, 64)[..., 0] - middle
    roll = camera.homographies(path_of(rz=[0.1]), 48, 64, 100, poses=1)
    turned = naive.camera_tracks(roll, 48, 64)[..., 0] - middle
    np.testing.assert_allclose(turned, still * np.exp(0.1j), atol=1e-5)
    zoom = camera.homographies(path_of(tz=[0.25]), 48, 64, 100, poses=1)
    grown = naive.camera_tracks(zoom, 48, 64)[..., 0] - middle
    np.testing.assert_allclose(grown, still / 1.25, atol=1e-5)


@pytest.mark.parametrize("length", [5, 40])
def test_no_pixel_jumps_between_two_poses(length):
    path = camera.sample_path(random.stream("jumps"), 0.01, 0.02)
    path = camera.scale_to(path, length, 48, 64, 64, TILT)
    warps = camera.homographies(path, 48, 64, 64, TILT)
    steps = np.abs(np.diff(naive.camera_tracks(warps, 48, 64), axis=2))
    assert steps.max() <= 1.001
    assert steps.max() > 0.5


@given(SEEDS, st.integers(1, 10), st.integers(1, 12), st.sampled_from([0.0, 0.01, 0.1]))
@settings(max_examples=20, deadline=None)
def test_blur_is_the_mean_of_the_warps(seed, height, width, amplitude):
    image = np.random.default_rng(seed).uniform(0, 255, (height, width))
    warps = shaken(seed, amplitude, 4, height, width)
    expected = naive.camera_blur(image, warps)
    np.testing.assert_allclose(camera.blur(image, warps), expected, rtol=0, atol=1e-9)


@given(SEEDS, st.sampled_from([0.0, 0.4, 2.0]))
@settings(max_examples=6, deadline=None)
def test_rows_of_a_rolling_shutter_see_their_own_poses(seed, readout):
    image = np.random.default_rng(seed).uniform(0, 255, (7, 9))
    warps = shaken(seed, 0.02, 12, 7, 9)
    count = round(12 / (1 + readout))
    rolled = camera.blur(image, warps, readout)
    for y in range(7):
        first = round(y / 6 * (12 - count))
        expected = naive.camera_blur(image, warps[first : first + count])[y]
        np.testing.assert_allclose(rolled[y], expected, atol=1e-9)
    assert (camera.blur(np.full((7, 9), 0.25), warps, readout) == 0.25).all()


def test_a_rolling_shutter_bends_and_its_lengths_are_those_of_one_exposure():
    slid = camera.homographies(path_of(tx=np.linspace(-0.2, 0.2, 41)), 40, 56, 50, poses=41)
    mean, longest = camera.lengths(slid, 40, 56, 3.0)
    assert mean == pytest.approx(20 * 9 / 40, abs=1e-6)  # 10 of 41 poses
    assert longest == pytest.approx(mean)
    line = np.zeros((40, 56))
    line[:, 28] = 1
    centres = camera.blur(line, slid, 3.0) @ np.arange(56)
    np.testing.assert_allclose(np.diff(centres[[0, -1]]), -20 * 31 / 40, atol=1e-6)
    with pytest.raises(ValueError, match="readout"):
        camera.blur(line, slid, -1.0)


def test_a_resting_camera_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
    warps = camera.homographies(np.zeros((7, 6)), 9, 14, 14, TILT)
    np.testing.assert_array_equal(warps, np.broadcast_to(np.eye(3), (8, 3, 3)))
    np.testing.assert_array_equal(camera.blur(image, warps), image)
    assert camera.lengths(warps, 9, 14) == (0, 0)
    assert camera.border(warps, 9, 14) == (0, 0)


def test_sliding_before_an_upright_plane_is_a_uniform_blur():
    offsets = np.linspace(-3.3, 4.1, 9)  # px
    warps = camera.homographies(path_of(tx=offsets / 50), 16, 24, 50, poses=9)
    kernel = np.zeros((1, 13))
    for offset in offsets:
        left = math.floor(offset)
        kernel[0, 6 + left] += (left + 1 - offset) / 9
        kernel[0, 7 + left] += (offset - left) / 9
    image = np.random.default_rng(1).uniform(0, 1, (16, 24))
    expected = convolution.correlate(image, kernel)
    np.testing.assert_allclose(camera.blur(image, warps), expected, atol=1e-6)


def test_flat_stays_flat_and_light_is_kept():
    warps = shaken(3, 0.03, 11)
    assert (camera.blur(np.full((12, 16), 255, np.uint8), warps) == 255).all()
    assert (camera.blur(np.full((12, 16), 0.25), warps) == 0.25).all()
    drawn = np.random.default_rng(2).uniform(-0.02, 0.02, (2, 8))
    slid = camera.homographies(path_of(tx=drawn[0], ty=drawn[1]), 24, 32, 100, poses=8)
    image = np.zeros((24, 32))
    image[8:16, 10:22] = np.random.default_rng(2).uniform(0, 1, (8, 12))
    assert camera.blur(image, slid).sum() == pytest.approx(image.sum(), rel=1e-9)


def test_blur_keeps_the_dtype_and_takes_colours_one_by_one():
    image = np.random.default_rng(4).integers(0, 256, (12, 16, 3), np.uint8)
    warps = shaken(4)
    exact = camera.blur(image.astype(np.float64), warps)
    for channel in range(3):
        alone = camera.blur(image[..., channel].astype(np.float64), warps)
        np.testing.assert_array_equal(exact[..., channel], alone)
    np.testing.assert_array_equal(camera.blur(image, warps), np.floor(exact + 0.5))
    assert camera.blur(image, warps).dtype == np.uint8
    single = camera.blur(image.astype(np.float32), warps)
    np.testing.assert_array_equal(single, exact.astype(np.float32))
    assert single.dtype == np.float32


def test_lengths_are_the_extents_of_the_tracks():
    warps = shaken(5, 0.03, 6, 70, 90)
    tracks = naive.camera_tracks(warps, 70, 90)
    extents = np.abs(tracks[..., :, None] - tracks[..., None, :]).max(axis=(2, 3))
    mean, longest = camera.lengths(warps, 70, 90)
    assert mean == pytest.approx(extents.mean(), rel=0.03)
    assert longest == pytest.approx(extents.max(), rel=0.01)
    assert longest > 1.1 * mean


@given(
    SEEDS,
    st.floats(0.5, 15),
    st.sampled_from([(0.01, 0.0), (0.0, 0.02), (0.01, 0.02), (1e-6, 0.3)]),
    st.sampled_from([0.0, 0.005]),
)
@settings(max_examples=12, deadline=None)
def test_a_path_is_scaled_to_its_target(seed, target, amplitudes, anxiety):
    path = camera.sample_path(random.stream(seed), *amplitudes, anxiety)
    scaled = camera.scale_to(path, target, 48, 64, 80, TILT)
    mean, _ = camera.lengths(camera.homographies(scaled, 48, 64, 80, TILT), 48, 64)
    assert mean == pytest.approx(target, rel=0.01)


@given(SEEDS, st.sampled_from([0.0, 0.01, 0.05]))
@settings(max_examples=12, deadline=None)
def test_within_the_border_nothing_beyond_it_was_seen(seed, amplitude):
    warps = shaken(seed, amplitude, 5, 40, 56)
    rows, cols = camera.border(warps, 40, 56)
    assert rows < 20
    assert cols < 28
    seen = naive.camera_tracks(warps, 40, 56)[rows : 40 - rows, cols : 56 - cols]
    assert seen.real.min() >= -1e-9
    assert seen.real.max() <= 55 + 1e-9
    assert seen.imag.min() >= -1e-9
    assert seen.imag.max() <= 39 + 1e-9


def test_the_border_is_as_narrow_as_the_motion():
    slid = camera.homographies(path_of(tx=[-0.0251, 0.01], ty=[0.0, 0.029]), 40, 56, 100, poses=2)
    assert camera.border(slid, 40, 56) == (3, 3)
    assert camera.border(slid, 4, 5) == (1, 2)


@pytest.mark.parametrize("amplitudes", [(-0.1, 0.0), (0.0, -0.1), (1.0, 0.0), (math.nan, 0.0)])
def test_bad_amplitudes_are_refused(amplitudes):
    with pytest.raises(ValueError, match="camera"):
        camera.sample_path(random.stream(), *amplitudes)


@pytest.mark.parametrize(
    ("path", "focal", "tilt", "field"),
    [
        (np.full((4, 6), math.nan), 64, TILT, "path"),
        (np.zeros((0, 6)), 64, TILT, "path"),
        (np.zeros((4, 3)), 64, TILT, "path"),
        (np.zeros((4, 6)), 0, TILT, "tilt"),
        (np.zeros((4, 6)), 64, (1.3, 0.0), "tilt"),
        (np.zeros((4, 6)), 64, (3.1, 0.0), "tilt"),
        (path_of(tz=[-1.5, 0.0]), 64, TILT, "homographies"),
        (path_of(ry=[1.5, 0.0]), 64, TILT, "homographies"),
    ],
)
def test_impossible_cameras_are_refused(path, focal, tilt, field):
    with pytest.raises(ValueError, match=field):
        camera.homographies(path, 48, 64, focal, tilt)


def test_a_path_without_length_reaches_no_target():
    with pytest.raises(ValueError, match="does not move"):
        camera.scale_to(np.zeros((8, 6)), 20, 48, 64, 64)
    with pytest.raises(ValueError, match="target"):
        camera.scale_to(np.zeros((8, 6)), 0, 48, 64, 64)


@pytest.mark.parametrize(
    ("image", "warps", "field"),
    [
        (np.zeros((8, 12), int), np.eye(3)[None], "int64"),
        (np.zeros((0, 12)), np.eye(3)[None], "image"),
        (np.zeros((8, 12)), np.eye(3), "homographies"),
        (np.zeros((8, 12)), np.zeros((0, 3, 3)), "homographies"),
        (np.zeros((8, 12)), np.full((1, 3, 3), math.nan), "behind"),
        (np.zeros((8, 12)), np.diag([5.0, 1.0, 1.0])[None], "leave"),
    ],
)
def test_bad_blurs_are_refused(image, warps, field):
    with pytest.raises(ValueError, match=field):
        camera.blur(image, warps)
