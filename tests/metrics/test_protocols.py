"""Each protocol against its source or a slow oracle."""

import os
from pathlib import Path

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from blurbench.images import read_image
from blurbench.metrics import PROTOCOLS, compute
from blurbench.metrics.variants import LUMA, WANG
from blurbench.metrics.windows import STRIP, gaussian, mean_ssim


def noisy_pair(height, width, seed=0, strength=20.0):
    rng = np.random.default_rng(seed)
    sharp = rng.integers(0, 256, (height, width, 3), np.uint8)
    noise = rng.normal(0, strength, sharp.shape)
    return np.clip(np.rint(sharp + noise), 0, 255).astype(np.uint8), sharp


@settings(max_examples=8, deadline=None)
@given(st.integers(11, 17), st.integers(11, 17), st.integers(0, 2**16))
def test_the_volume_window_equals_the_plain_oracle(height, width, seed):
    restored, sharp = noisy_pair(height, width, seed)
    found = compute("ssim", restored, sharp, "gopro-matlab")
    assert found == pytest.approx(naive.volume_ssim(restored, sharp), abs=1e-9)


def test_the_volume_window_takes_any_size_of_picture():
    restored, sharp = noisy_pair(3, 2)
    found = compute("ssim", restored, sharp, "gopro-matlab")
    assert found == pytest.approx(naive.volume_ssim(restored, sharp), abs=1e-9)


@settings(max_examples=8, deadline=None)
@given(st.integers(7, 30), st.integers(7, 30), st.integers(0, 2**16))
def test_skimage_default_equals_skimage(height, width, seed):
    restored, sharp = noisy_pair(height, width, seed)
    theirs = structural_similarity(sharp, restored, channel_axis=2, data_range=255)
    assert compute("ssim", restored, sharp, "skimage-default") == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=8, deadline=None)
@given(st.integers(11, 30), st.integers(11, 30), st.integers(0, 2**16))
def test_luma_equals_skimage_on_the_luma(height, width, seed):
    restored, sharp = noisy_pair(height, width, seed)
    x, y = (image @ LUMA + 16 for image in (restored, sharp))
    theirs = structural_similarity(
        y, x, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert compute("ssim", restored, sharp, "wang-y") == pytest.approx(theirs, abs=1e-9)
    theirs = peak_signal_noise_ratio(y, x, data_range=255)
    assert compute("psnr", restored, sharp, "wang-y") == pytest.approx(theirs, abs=1e-9)


def test_luma_runs_from_16_to_235():
    assert LUMA.sum() * 255 + 16 == pytest.approx(235)


def test_a_black_border_equals_the_plain_oracle():
    restored, sharp = noisy_pair(12, 13)
    padded = [np.pad(image, ((5, 5), (5, 5), (0, 0))) for image in (restored, sharp)]
    found = compute("ssim", restored, sharp, "deblurgan-v2")
    assert found == pytest.approx(naive.ssim(*padded), abs=1e-9)


def test_levels_are_rounded_truncated_or_left_alone():
    sharp = np.full((16, 16, 3), 100, np.uint8)
    restored = np.full(sharp.shape, 100.6 / 255)
    error = {"wang-rgb": 1.0, "deblurgan-v2": 0.0, "mimo-float": 0.36}
    for protocol, square in error.items():
        wanted = 100 if square == 0 else 10 * np.log10(255**2 / square)
        assert compute("psnr", restored, sharp, protocol) == pytest.approx(wanted, abs=1e-6)


def test_exact_pictures_of_whole_levels_score_as_rounded_ones():
    restored, sharp = noisy_pair(20, 21)
    for metric in ("psnr", "ssim"):
        exact = compute(metric, restored / 255, sharp, "mimo-float")
        assert exact == pytest.approx(compute(metric, restored, sharp), abs=1e-6)


def test_strips_add_up_to_the_picture(monkeypatch):
    restored, sharp = noisy_pair(60, 20)
    whole = mean_ssim(restored, sharp, WANG, 255)
    monkeypatch.setattr("blurbench.metrics.windows.STRIP", 7)
    assert STRIP != 7
    assert mean_ssim(restored, sharp, WANG, 255) == pytest.approx(whole, abs=1e-12)


def test_a_mask_chooses_the_windows():
    restored, sharp = noisy_pair(40, 20)
    restored[20:] = sharp[20:]
    lower, upper = np.zeros((40, 20)), np.zeros((40, 20))
    lower[26:], upper[:15] = 1, 1
    assert mean_ssim(restored, sharp, WANG, 255, lower) == pytest.approx(1, abs=1e-12)
    assert mean_ssim(restored, sharp, WANG, 255, upper) < 0.99
    with pytest.raises(ValueError, match="no pixel"):
        mean_ssim(restored, sharp, WANG, 255, np.zeros((40, 20)))


def test_the_gaussian_window_is_that_of_the_paper():
    weights = gaussian()
    assert weights.sum() == pytest.approx(1)
    assert weights[5] / weights[0] == pytest.approx(np.exp(25 / 4.5))


def test_real_pairs_differ_between_protocols_as_measured():
    """3-D windows lie far above, whatever the picture; everything else within 0.05."""
    pairs = real_pairs()
    wang = np.mean([compute("ssim", *pair) for pair in pairs])
    gap = {
        name: np.mean([compute("ssim", *pair, name) for pair in pairs]) - wang
        for name in PROTOCOLS
        if name not in ("pyiqa", "realblur", "kohler")
    }
    assert 0.01 < gap.pop("gopro-matlab") < 0.3
    assert max(map(abs, gap.values())) < 0.06


def real_pairs():
    root = os.environ.get("BLURBENCH_SHARED")
    if not root:
        pytest.skip("BLURBENCH_SHARED does not name a folder of reference data")
    sharp = sorted(Path(root, "data/blurred_pairs/reds_320x180").rglob("sharp/*.png"))[:6]
    assert sharp
    return [(read_image(p.parents[1] / "blur" / p.name), read_image(p)) for p in sharp]


def test_pyiqa_agrees_with_the_protocol_of_its_name():
    pyiqa = pytest.importorskip("pyiqa")
    torch = pytest.importorskip("torch")
    restored, sharp = noisy_pair(64, 48)
    x, y = (torch.from_numpy(i.transpose(2, 0, 1)[None] / 255).float() for i in (restored, sharp))
    for name in ("psnr", "ssim"):
        theirs = float(pyiqa.create_metric(name, device=torch.device("cpu"))(x, y))
        assert compute(name, restored, sharp, "pyiqa") == pytest.approx(theirs, abs=1e-6)
    theirs = float(pyiqa.create_metric("ssimc", device=torch.device("cpu"))(x, y))
    assert compute("ssim", restored, sharp) == pytest.approx(theirs, abs=5e-3)
