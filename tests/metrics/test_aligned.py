import cv2
import numpy as np
import pytest
from skimage import data

from blurbench.metrics import compute
from blurbench.metrics.aligned import homography, matched, shift


@pytest.fixture(scope="module")
def sharp():
    return np.ascontiguousarray(data.astronaut()[100:260, 120:320])


def moved(image, matrix):
    size = image.shape[1::-1]
    return cv2.warpPerspective(
        image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )


def test_a_shift_costs_nothing_under_either(sharp):
    restored = moved(sharp, np.array([[1, 0, 2.3], [0, 1, -1.6], [0, 0, 1.0]]))
    plain = compute("psnr", restored, sharp)
    for protocol in ("kohler", "realblur"):
        assert compute("psnr", restored, sharp, protocol) > plain + 6
        assert compute("ssim", restored, sharp, protocol) > 0.97


def test_the_shift_is_found_to_a_tenth_of_a_pixel(sharp):
    restored = moved(sharp, np.array([[1, 0, 5.0], [0, 1, -3.0], [0, 0, 1.0]]))
    pair = shift(restored, sharp)
    inner = (slice(10, -10), slice(10, -10))
    # Matching the brightness before the shift leaves one factor near 1.
    factor = np.vdot(pair.restored[inner], pair.sharp[inner]) / np.vdot(
        pair.restored[inner], pair.restored[inner]
    )
    assert factor == pytest.approx(1, abs=0.1)
    assert np.abs(factor * pair.restored[inner] - pair.sharp[inner]).max() < 2 / 255
    assert pair.covered.sum() == (160 - 3) * (200 - 5)


def test_noise_in_a_blurred_picture_does_not_move_it(sharp):
    """The phases of what blur left of the detail are those of the noise: they gave (2, 0)."""
    noise = np.random.default_rng(0).normal(0, 5, sharp.shape)
    blurred = np.clip(cv2.GaussianBlur(sharp, None, 4) + noise, 0, 255).astype(np.uint8)
    assert compute("psnr", blurred, sharp, "kohler") > compute("psnr", blurred, sharp) - 0.01
    away = np.roll(blurred, (3, -2), axis=(0, 1))
    assert compute("psnr", away, sharp, "kohler") > compute("psnr", away, sharp) + 1


def test_a_homography_is_undone(sharp):
    matrix = np.array([[1.01, 0.01, -2.0], [-0.008, 0.99, 1.5], [1e-5, -1e-5, 1.0]])
    restored = moved(sharp, matrix)
    assert compute("psnr", restored, sharp, "realblur") > compute("psnr", restored, sharp) + 8
    assert compute("psnr", restored, sharp, "kohler") < compute("psnr", restored, sharp, "realblur")
    pair = homography(restored, sharp)
    assert not pair.restored[pair.covered == 0].any()
    assert 0.9 < pair.covered.mean() < 1


def test_brightness_is_matched_by_least_squares(sharp):
    darker = (sharp * 0.5).astype(np.uint8)
    assert compute("psnr", darker, sharp, "kohler") > 40
    bright, target = matched(darker, sharp)
    factors = [0.99, 1.0, 1.01]
    errors = [np.sum((factor * bright - target) ** 2) for factor in factors]
    assert np.argmin(errors) == 1


def test_black_pictures_are_told(sharp):
    black = np.zeros_like(sharp)
    with pytest.raises(ValueError, match="cannot be laid"):
        compute("psnr", black, sharp, "realblur")
    assert np.isfinite(compute("psnr", black, sharp, "kohler"))
