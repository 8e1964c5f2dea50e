"""What a shutter makes of frames: duty, frames between, rolling rows, and what rows tell."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_data
from numba import config

from blurbench.blurs.frame_average import FrameAverage
from blurbench.datasets.make import synthesize
from blurbench.datasets.pair import make_pair
from blurbench.engine import Workers
from blurbench.errors import UserError
from blurbench.sources.open import Sharp, open_for

SIDE = 40 if config.DISABLE_JIT else 64


def panned(count, step, side=SIDE):
    """A picture that moves to the right by `step` px from frame to frame; the middle one rests."""
    wide = tiny_data.picture(3, side, side + 2 * 40)
    places = [40 - step * (n - count // 2) for n in range(count)]
    return np.stack([wide[:, place : place + side] for place in places])


def pair_of(clip, **fields):
    recipe = tiny_data.flow_recipe(
        blur={"family": "frame_average", **fields}, crop__borders=False, noise__sigma=0.0
    )
    middle = clip[len(clip) // 2]
    return make_pair(recipe, 0, "a/2", "train", 0, Sharp(middle, None, "", frames=clip))


def told(pair):
    return json.loads(pair.row["parameters"])


def test_a_duty_weighs_the_first_and_last_frame():
    frames = np.random.default_rng(0).integers(0, 256, (7, 40, 40, 3), np.uint8)
    pair = pair_of(frames, frames=[7], duty=0.5)
    exact = np.average(frames[1:6].astype(float), axis=0, weights=[0.25, 1, 1, 1, 0.25])
    np.testing.assert_allclose(pair.blur, exact, atol=0.5)
    assert told(pair) == {"frames": 7, "exposure": 3.5, "averaged": 5}


def test_an_exposure_in_seconds_is_a_duty():
    frames = np.random.default_rng(0).integers(0, 256, (7, 40, 40, 3), np.uint8)
    seconds = pair_of(frames, frames=[7], exposure=3.5 / 240, fps=240.0)
    np.testing.assert_array_equal(seconds.blur, pair_of(frames, frames=[7], duty=0.5).blur)
    assert told(seconds)["exposure_s"] == pytest.approx(3.5 / 240, abs=1e-6)


def test_frames_between_close_the_gaps_of_a_fast_pan():
    step, settings = 6, {"frames": [3], "duty": 0.6}
    frames = panned(5, step)
    fine = panned(4 * step + 1, 1)  # a camera that is six times as fast
    exposure = 3 * 0.6 * step
    shares = np.clip(exposure / 2 + 0.5 - np.abs(np.arange(-2 * step, 2 * step + 1)), 0, 1)
    exact = np.average(fine.astype(float), axis=0, weights=shares)
    errors = [
        np.abs(pair_of(frames, **settings, between=n).blur - exact)[12:-12, 12:-12].mean()
        for n in (0, 5)
    ]
    assert errors[1] < errors[0] / 3


def test_rows_tell_how_far_ghosts_stand_apart():
    frames = panned(5, 4)
    coarse = told(pair_of(frames, frames=[3], between=0))
    assert coarse["step_px"] == pytest.approx(4, abs=0.6)
    assert coarse["ghosting"] > 0.8
    fine = told(pair_of(frames, frames=[3], between=7))
    assert fine["step_px"] < 0.75
    assert fine["ghosting"] < 0.1
    assert fine["averaged"] == 25
    assert "ghosting" not in told(pair_of(frames, frames=[3], duty=0.5))


@pytest.mark.parametrize("between", [0, 7])
def test_rows_tell_the_path_of_a_pixel_where_motion_is_followed(between):
    row = pair_of(panned(7, 4), frames=[5], duty=0.6, between=between).row
    assert row["severity_mean_px"] == pytest.approx(4 * 3, abs=1.2)  # px a frame, frames
    assert row["severity_mean_px"] <= row["severity_max_px"] < 16
    # Each row sees a part of the whole time.
    rolling = pair_of(panned(7, 4), frames=[5], duty=0.6, readout=0.3, between=between).row
    assert rolling["severity_mean_px"] == pytest.approx(row["severity_mean_px"], rel=0.1)
    still = pair_of(panned(7, 0), frames=[5], between=between).row
    assert (still["severity_mean_px"], still["severity_max_px"]) == (0, 0)
    assert "severity_mean_px" not in pair_of(panned(7, 4), frames=[5]).row


def test_without_a_shutter_the_row_is_as_it_was():
    assert told(pair_of(panned(3, 1), frames=[3])) == {"frames": 3}
    written = FrameAverage(family="frame_average", frames=(7, 9)).model_dump(mode="json")
    assert written == {"family": "frame_average", "frames": [7, 9], "step": None}


def test_a_rolling_shutter_reads_row_after_row():
    levels = np.arange(9) * 10
    frames = np.stack([np.full((40, 40, 3), level, np.uint8) for level in levels])
    pair = pair_of(frames, frames=[9], duty=1 / 9, readout=8 / 9)
    expected = np.linspace(0, 80, 40)  # the first row sees the first frame, the last row the last
    assert np.abs(pair.blur[:, 20, 0] - expected).max() <= 5.5
    assert (np.diff(pair.blur[:, 20, 0].astype(int)) >= 0).all()
    assert (pair.blur[[0, -1], 0, 0] == [0, 80]).all()
    still = np.stack([frames[4]] * 9)
    np.testing.assert_array_equal(pair_of(still, frames=[9], duty=0.5, readout=0.5).blur, frames[4])


def test_a_window_has_what_the_longest_average_needs():
    def window(**fields):
        return FrameAverage(family="frame_average", **fields).window

    assert window(frames=(7, 13)) == (13, None)
    assert window(frames=(5,), duty=0.8, between=15) == (5, None)
    assert window(frames=(5,), between=1, step=2) == (7, 2)
    assert window(frames=(7,), ready=3, step=8) == (9, 8)
    assert window(frames=(7,), ready=3) == (9, 12)


def test_frames_of_another_program_are_never_the_sharp_one(tmp_path):
    for number in range(33):
        cv2.imwrite(str(tmp_path / f"{number:03d}.png"), tiny_data.picture(number, 40, 40))
    blur = {"family": "frame_average", "frames": [7], "ready": 3}
    recipe = tiny_data.flow_recipe(blur=blur, crop={}, images={})
    middles = [int(item.id) for item in open_for(recipe, str(tmp_path)).items]
    assert middles == [4, 16, 28]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"exposure": 0.01}, "exposure needs fps"),
        ({"timing": "stamps", "fps": 30.0}, "leave out fps"),
        ({"exposure": 0.01, "fps": 240.0, "duty": 0.5}, "no duty"),
        ({"exposure": 0.1, "fps": 240.0}, "longer than 7 frames"),
        ({"readout": 0.2}, "longer than 7 frames"),
        ({"ready": 3, "step": 6}, "step must be a multiple of 4"),
        ({"duty": 0.0}, "duty"),
    ],
)
def test_impossible_shutters_are_refused(fields, told):
    with pytest.raises(ValueError, match=told):
        FrameAverage(family="frame_average", frames=(7,), **fields)


CHILD = """
import hashlib, sys
sys.path[:0] = sys.argv[1:]
import test_frame_average as tests
pair = tests.pair_of(tests.panned(5, 3), frames=[3], duty=0.8, between=4, readout=0.2)
print(hashlib.sha256(pair.blur.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_pixels_are_those_of_any_processor():
    if config.DISABLE_JIT:
        pytest.skip("nothing is compiled")
    pair = pair_of(panned(5, 3), frames=[3], duty=0.8, between=4, readout=0.2)
    lower = {
        "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FP16,AVX,SSE4.2,SSE4.1,SSSE3",
        "OPENCV_IPP": "disabled",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX2 FMA3 AVX512F AVX512_SKX",
        "NUMBA_CPU_NAME": "generic",
    }
    command = [sys.executable, "-W", "ignore", "-c", CHILD, str(Path(__file__).parent), *sys.path]
    found = subprocess.run(
        command, env=os.environ | lower, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == hashlib.sha256(pair.blur.tobytes()).hexdigest()


@pytest.mark.slow
def test_one_digest_for_any_number_of_workers(shared, tmp_path):
    recipe = tiny_data.flow_recipe(
        blur={"family": "frame_average", "frames": [3], "duty": 0.8, "between": 2},
        crop={},
        images={},
        pictures="*reds*/*train*/sharp/*",
        prepare={"resize": [90, 160]},
    )
    source = str(shared / "data" / "blurred_pairs")
    digests = {
        synthesize(recipe, open_for(recipe, source), tmp_path / str(n), workers=Workers(n)).digest
        for n in (1, 2)
    }
    assert len(digests) == 1


def test_a_picture_alone_is_refused():
    recipe = tiny_data.flow_recipe(blur={"family": "frame_average", "frames": [3]}, crop={})
    with pytest.raises(UserError, match="one picture alone"):
        make_pair(recipe, 0, "a", "train", 0, Sharp(panned(3, 1)[1], None, ""))
