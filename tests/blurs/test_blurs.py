import json
from collections import Counter

import numpy as np
import pytest
import tiny_data
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench.blurs.trajectory import trim
from blurbench.datasets.pair import make_pair
from blurbench.errors import UserError
from blurbench.sources.open import Sharp

SHAKE = {"family": "trajectory", "sizes": [7, 9], "anxiety": [0.003, 0.01], "steps": 200}
LINE = {"family": "line", "length": [5.0, 9.0]}


def target(low: float, high: float, unit: str = "px") -> dict:
    return {"bins": [[low, high]], "unit": unit}


FAMILIES = {
    "motion_flow": {"family": "motion_flow", "preset": "mild", "severity": [0.1, 0.5]},
    "motion_flow to 8 px": {
        "family": "motion_flow",
        "preset": "strong",
        "mode": "physical",
        "target": target(8, 8),
    },
    "trajectory": SHAKE,
    "trajectory to 9 px": {
        "family": "trajectory",
        "anxiety": [0.005, 0.005],
        "steps": 200,
        "target": target(9, 9),
    },
    "camera": {"family": "camera", "anxiety": [0.003, 0.01], "target": target(6, 6)},
    "line": LINE,
    "line to an eighth of the width": {"family": "line", "target": target(1 / 8, 1 / 8, "width")},
    "gaussian": {"family": "gaussian", "sigma": [1.0, 2.0]},
    "gaussian to 9 px": {"family": "gaussian", "target": target(8.5, 9.5)},
    "disk": {"family": "disk", "radius": [2.0, 4.0]},
    "disk to 9 px": {"family": "disk", "target": target(8.5, 9.5)},
    "shot": {"family": "shot", "type": "horizontal", "size": 7},
    "mixture": {"family": "mixture", "parts": [LINE, SHAKE], "weights": [0.5, 0.5]},
}


def pair_of(blur: dict, replica: int = 0, item: str = "a.png", image=None, **changes):
    recipe = tiny_data.flow_recipe(blur=blur, crop__borders=False, **changes)
    picture = tiny_data.picture(0, 96, 96) if image is None else image
    return make_pair(recipe, 0, item, "train", replica, Sharp(picture, None, "0" * 64))


@pytest.mark.parametrize("blur", FAMILIES.values(), ids=FAMILIES)
def test_a_pair_is_a_function_of_its_name(blur):
    first, again, other = pair_of(blur), pair_of(blur), pair_of(blur, replica=1)
    np.testing.assert_array_equal(first.blur, again.blur, strict=True)
    assert first.row == again.row
    assert first.blur.shape == first.sharp.shape
    assert first.blur.dtype == np.uint8
    assert (first.blur != first.sharp).any()
    if blur["family"] != "shot":
        assert first.row["parameters"] != other.row["parameters"]


@pytest.mark.parametrize("blur", FAMILIES.values(), ids=FAMILIES)
def test_a_flat_picture_stays_as_it_is(blur):
    flat = np.full((96, 96, 3), 77, np.uint8)
    np.testing.assert_array_equal(pair_of(blur, image=flat).blur, flat)


@pytest.mark.parametrize(
    ("name", "px", "slack"),
    [
        ("motion_flow to 8 px", 8, 0.5),
        ("trajectory to 9 px", 9, 1.5),  # taps lie on whole pixels
        ("camera", 6, 0.4),
        ("line to an eighth of the width", 12, 1.5),
        ("gaussian to 9 px", 9, 2.0),
        ("disk to 9 px", 9, 2.0),
    ],
)
def test_a_target_is_reached(name, px, slack):
    for replica in range(5):
        row = pair_of(FAMILIES[name], replica=replica).row
        assert abs(row["severity_mean_px"] - px) <= slack, row


def test_each_bin_of_a_target_gets_its_share():
    bins = [[4.0, 6.0], [16.0, 18.0]]
    blur = {"family": "line", "target": {"bins": bins}}
    lengths = [pair_of(blur, replica=n).row["severity_mean_px"] for n in range(60)]
    short = sum(length < 11 for length in lengths)
    assert 15 < short < 45
    assert not [length for length in lengths if 7.5 < length < 14.5]


def test_a_bank_of_counted_kernels_is_shared_by_pairs_and_not_by_splits():
    blur = {**SHAKE, "count": 4, "order": "replica"}
    kernels = [json.loads(pair_of(blur, replica=n).row["parameters"]) for n in range(6)]
    names = [each["kernel"] for each in kernels]
    assert [each["index"] for each in kernels] == [0, 1, 2, 3, 0, 1]
    assert names[:2] == names[4:]
    assert len(set(names)) == 4
    # Each size has its share: two of 7 px, two of 9.
    assert [each["size"] for each in kernels[:4]] == [7, 7, 9, 9]
    other = json.loads(pair_of(blur, replica=1, item="b.png").row["parameters"])
    assert other == kernels[1]
    recipe = tiny_data.flow_recipe(blur=blur, crop__borders=False)
    picture = Sharp(tiny_data.picture(0, 96, 96), None, "")
    test = json.loads(make_pair(recipe, 0, "a.png", "test", 0, picture).row["parameters"])
    assert test["kernel"] not in names


def test_kernels_drawn_at_random_come_from_the_bank():
    blur = {**SHAKE, "count": 3}
    drawn = [json.loads(pair_of(blur, replica=n).row["parameters"])["index"] for n in range(40)]
    assert set(drawn) == {0, 1, 2}


def test_exposures_are_drawn_from_their_set():
    blur = {**SHAKE, "exposure": [0.1, 1.0]}
    drawn = Counter(
        json.loads(pair_of(blur, replica=n).row["parameters"])["exposure"] for n in range(40)
    )
    assert set(drawn) == {0.1, 1.0}
    assert min(drawn.values()) > 8


def test_a_mixture_draws_by_weight_or_takes_turns():
    parts = [LINE, {"family": "disk", "radius": [2.0, 4.0]}, SHAKE]
    by_weight = {"family": "mixture", "parts": parts, "weights": [0.7, 0.2, 0.1]}
    drawn = Counter(pair_of(by_weight, replica=n).row["kernel_family"] for n in range(100))
    assert drawn["line"] > drawn["disk"] > drawn["trajectory"] > 0
    in_turn = {"family": "mixture", "parts": parts, "order": "replica"}
    families = [pair_of(in_turn, replica=n).row["kernel_family"] for n in range(6)]
    assert families == ["line", "disk", "trajectory"] * 2


def test_the_literal_reading_of_severity_is_noise():
    motion = {"family": "motion_flow", "preset": "mild"}
    literal = {**motion, "severity": [0.5, 1.0], "severity_reading": "noise"}
    rows = [pair_of(literal, replica=n).row for n in range(8)]
    plain = [pair_of(motion, replica=n).row for n in range(8)]
    assert [row["parameters"] for row in rows] == [row["parameters"] for row in plain]
    sigmas = [255 * row["noise_sigma"] for row in rows]
    assert 0.5 <= min(sigmas) < max(sigmas) <= 1.0


def test_shots_say_which_blur_theirs_is():
    parts = [
        {"family": "shot", "type": "median", "size": 3},
        {"family": "shot", "type": "resizing", "factor": 2.0},
    ]
    blur = {"family": "mixture", "parts": parts, "order": "replica"}
    rows = [pair_of(blur, replica=n).row for n in range(2)]
    assert [row["blur_type"] for row in rows] == ["median", "resizing"]
    assert "blur_type" not in pair_of(LINE).row


def test_a_share_of_pairs_stays_sharp():
    pairs = [pair_of(LINE, replica=n, identity=0.3) for n in range(60)]
    kept = [pair for pair in pairs if pair.row["kernel_family"] == "identity"]
    assert 8 < len(kept) < 30
    for pair in kept:
        np.testing.assert_array_equal(pair.blur, pair.sharp)
        assert pair.row["severity_mean_px"] == 0.0
    # The others are blurred as they would be without it.
    others = [n for n, pair in enumerate(pairs) if pair.row["kernel_family"] == "line"]
    assert pairs[others[0]].row["parameters"] == pair_of(LINE, others[0]).row["parameters"]


def test_two_banks_in_a_mixture_have_kernels_of_their_own():
    counted = {**SHAKE, "count": 2, "order": "replica"}
    blur = {"family": "mixture", "parts": [counted, counted], "order": "replica"}
    rows = [json.loads(pair_of(blur, replica=n).row["parameters"]) for n in range(4)]
    assert [row["part"] for row in rows] == [0, 1, 0, 1]
    assert len({row["kernel"] for row in rows}) == 4


def test_pairs_that_stay_sharp_have_no_blurred_box():
    pairs = [pair_of(LINE, n, identity=0.5, region={"kind": "box", "side": 32}) for n in range(12)]
    boxes = {pair.row["kernel_family"]: pair.row["box"][2] for pair in pairs}
    assert boxes == {"identity": 0, "line": 32}


def test_frames_are_averaged_around_the_middle_one():
    frames = np.random.default_rng(0).integers(0, 256, (5, 40, 40, 3), np.uint8)
    recipe = tiny_data.flow_recipe(
        blur={"family": "frame_average", "frames": [3]}, crop__borders=False
    )
    pair = make_pair(recipe, 0, "a/2", "train", 0, Sharp(frames[2], None, "", frames=frames))
    np.testing.assert_array_equal(pair.sharp, frames[2])
    exact = frames[1:4].astype(float).mean(axis=0)
    np.testing.assert_array_equal(pair.blur, np.floor(exact + 0.5))
    assert "severity_mean_px" not in pair.row
    with pytest.raises(UserError, match=r"a/2: one picture alone"):
        make_pair(recipe, 0, "a/2", "train", 0, Sharp(frames[2], None, ""))


def test_frames_can_be_averaged_in_linear_light():
    frames = np.stack([np.full((40, 40, 3), value, np.uint8) for value in (0, 0, 255)])
    recipe = tiny_data.flow_recipe(
        blur={"family": "frame_average", "frames": [3]},
        crop__borders=False,
        sensor={"light": "linear", "curve": "gamma-2.2"},
    )
    pair = make_pair(recipe, 0, "a/1", "train", 0, Sharp(frames[1], None, "", frames=frames))
    assert set(np.unique(pair.blur)) == {round(255 * (1 / 3) ** (1 / 2.2))}


def test_a_box_alone_is_blurred():
    region = {"kind": "box", "side": 32}
    whole, partly = pair_of(LINE), pair_of(LINE, region=region)
    left, top, width, height = partly.row["box"]
    assert (width, height) == (32, 32)
    box = np.s_[top : top + 32, left : left + 32]
    np.testing.assert_array_equal(partly.blur[box], whole.blur[box])
    outside = np.ones((96, 96), bool)
    outside[box] = False
    np.testing.assert_array_equal(partly.blur[outside], partly.sharp[outside])
    assert pair_of(LINE, replica=1, region=region).row["box"] != partly.row["box"]
    with pytest.raises(UserError, match=r"at least 97x97"):
        pair_of(LINE, region={"kind": "box", "side": 97})


def test_one_class_alone_is_blurred():
    changes = {"region": {"kind": "class"}, "noise__sigma": 0.0}
    mask = np.random.default_rng(0).integers(1, 4, (48, 48), np.uint8)
    sharp = Sharp(tiny_data.picture(0, 48, 48), mask, "")
    recipe = tiny_data.face_recipe(**changes)
    seen = set()
    for replica in range(20):
        pair = make_pair(recipe, 0, "a.png", "train", replica, sharp)
        chosen = pair.row["blurred_class"]
        changed = (pair.blur != pair.sharp).any(axis=2)
        assert set(np.unique(pair.mask[changed])) == {chosen}
        seen.add(chosen)
    assert seen == {1, 2, 3}  # never a class that is not there


def test_too_small_for_the_kernel_is_told():
    with pytest.raises(UserError, match=r"a.png: too small"):
        pair_of({"family": "disk", "radius": [40.0, 40.0]}, image=tiny_data.picture(0, 36, 36))


@given(st.integers(0, 3), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_trimming_keeps_every_tap(inner, rings):
    kernel = np.pad(np.ones((2 * inner + 1,) * 2), rings)
    np.testing.assert_array_equal(trim(kernel), np.ones((2 * inner + 1,) * 2))
