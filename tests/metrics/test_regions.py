"""Objects and what is behind them are scored apart, by every protocol's own PSNR."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench.metrics import PROTOCOLS, compute

LABELS = np.zeros((24, 30), np.uint8)
LABELS[4:14, 3:20], LABELS[10:20, 15:28] = 1, 3


def pictures(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    sharp = random.integers(0, 256, (24, 30, 3), np.uint8)
    noise = random.normal(0, 12, sharp.shape)
    return np.clip(sharp + noise, 0, 255).astype(np.uint8), sharp


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_a_layer_is_scored_over_its_own_pixels(seed):
    restored, sharp = pictures(seed)
    for metric, inside in (("psnr-objects", LABELS > 0), ("psnr-behind", LABELS == 0)):
        wanted = naive.psnr(restored[inside][None], sharp[inside][None])
        assert compute(metric, restored, sharp, mask=LABELS) == pytest.approx(wanted)


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "pyiqa"])
def test_what_is_wrong_behind_is_not_held_against_the_objects(protocol):
    _, sharp = pictures(3)
    blur = np.where((LABELS == 0)[..., None], 255 - sharp, sharp)
    assert compute("psnr-objects", blur, sharp, protocol, mask=LABELS) == pytest.approx(100, abs=1)
    assert compute("psnr-behind", blur, sharp, protocol, mask=LABELS) < 30


def test_a_picture_without_objects_has_no_score_of_them():
    nothing = np.zeros_like(LABELS)
    assert math.isnan(compute("psnr-objects", *pictures(1), mask=nothing))
    whole = compute("psnr", *pictures(1))
    assert compute("psnr-behind", *pictures(1), mask=nothing) == pytest.approx(whole)
