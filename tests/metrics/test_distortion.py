import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from blurbench.errors import UserError
from blurbench.images import read_image
from blurbench.metrics import PROTOCOLS, compute

BOTH = ["psnr", "ssim"]


@st.composite
def pairs(draw, smallest=11, largest=19):
    """A random picture, and it again with noise of any strength."""
    height, width = draw(st.integers(smallest, largest)), draw(st.integers(smallest, largest))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sharp = rng.integers(0, 256, (height, width, 3), np.uint8)
    noise = rng.normal(0, draw(st.sampled_from([0.3, 5, 100])), sharp.shape)
    return np.clip(np.rint(sharp + noise), 0, 255).astype(np.uint8), sharp


def skimage_ssim(restored, sharp):
    return structural_similarity(
        sharp,
        restored,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )


@settings(max_examples=15, deadline=None)
@given(pairs())
def test_both_equal_the_plain_oracle(pair):
    assert compute("ssim", *pair) == pytest.approx(naive.ssim(*pair), abs=1e-10)
    assert compute("psnr", *pair) == pytest.approx(naive.psnr(*pair), abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(pairs(smallest=11, largest=40))
def test_both_equal_skimage(pair):
    assert compute("ssim", *pair) == pytest.approx(skimage_ssim(*pair), abs=1e-10)
    if not np.array_equal(*pair):
        expected = peak_signal_noise_ratio(pair[1], pair[0], data_range=255)
        assert compute("psnr", *pair) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_ssim_equals_skimage_on_photographs(name):
    sharp = getattr(data, name)()[100:164, 150:230]
    restored = np.roll(sharp, 3, axis=1)
    assert compute("ssim", restored, sharp) == pytest.approx(
        skimage_ssim(restored, sharp), abs=1e-9
    )


def test_both_equal_skimage_on_real_pairs(shared):
    clip = shared / "data" / "blurred_pairs" / "reds_320x180" / "test_000"
    for sharp_file in sorted((clip / "sharp").iterdir())[:2]:
        blur_file = clip / "blur" / sharp_file.name
        blur, sharp = (read_image(path)[:96, :96] for path in (blur_file, sharp_file))
        assert compute("ssim", blur, sharp) == pytest.approx(skimage_ssim(blur, sharp), abs=1e-9)


@pytest.mark.parametrize("level", [0, 128, 254])
def test_flat_pictures_one_level_apart_stay_exact(level):
    """The case where float32 variances cancel: off by 4e-4."""
    sharp = np.full((12, 12, 3), level, np.uint8)
    restored = sharp + np.uint8(1)
    c1 = (0.01 * 255) ** 2
    expected = (2 * level * (level + 1) + c1) / (level**2 + (level + 1) ** 2 + c1)
    assert compute("ssim", restored, sharp) == pytest.approx(expected, abs=1e-12)


def test_identical_pictures_score_the_best_finite_value():
    sharp = data.astronaut()[:24, :24]
    assert compute("psnr", sharp, sharp.copy()) == 100.0
    assert compute("ssim", sharp, sharp.copy()) == pytest.approx(1, abs=1e-12)


def test_one_sample_off_by_one_is_the_largest_honest_psnr_of_a_small_picture():
    sharp = np.zeros((11, 11, 3), np.uint8)
    restored = sharp.copy()
    restored[5, 5, 1] = 1
    expected = 10 * math.log10(255**2 * sharp.size)
    assert compute("psnr", restored, sharp) == pytest.approx(expected, abs=1e-9)


def test_views_are_scored_like_copies():
    sharp = data.astronaut()[:40:2, 60:20:-2]
    restored = np.ascontiguousarray(sharp)[..., ::-1]
    for metric in BOTH:
        assert compute(metric, restored, sharp) == compute(metric, restored.copy(), sharp.copy())


@pytest.mark.parametrize(
    ("restored", "message"),
    [
        (np.zeros((12, 13, 3), np.uint8), "restored is 13x12, sharp is 12x12 px"),
        (np.zeros((12, 12, 3), np.int16), "must be .* uint8"),
        (np.zeros((12, 12), np.uint8), r"must be \(H, W, 3\)"),
    ],
)
@pytest.mark.parametrize("metric", BOTH)
def test_pictures_that_cannot_be_compared_are_refused(metric, restored, message):
    with pytest.raises(ValueError, match=message):
        compute(metric, restored, np.zeros((12, 12, 3), np.uint8))


def test_ssim_names_the_smallest_picture_it_takes():
    small = np.zeros((10, 30, 3), np.uint8)
    with pytest.raises(ValueError, match="at least 11x11 px, got 30x10"):
        compute("ssim", small, small)
    assert compute("psnr", small, small) == 100.0


def test_unknown_names_are_told_with_the_known_ones():
    image = np.zeros((11, 11, 3), np.uint8)
    with pytest.raises(UserError, match=r"unknown metric 'pnsr' \(did you mean psnr\?\); known"):
        compute("pnsr", image, image)
    with pytest.raises(UserError, match=f"unknown protocol 'x'; known: {', '.join(PROTOCOLS)}"):
        compute("psnr", image, image, protocol="x")
