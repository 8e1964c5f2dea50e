import json

import numpy as np
import pytest
import tiny_data

from blurbench.datasets.pair import make_pair, prepare
from blurbench.errors import UserError
from blurbench.sources.open import Sharp
from blurbench_kernels import motion_flow


def sharp(seed: int = 0, height: int = 60, width: int = 72) -> Sharp:
    mask = np.random.default_rng(seed).integers(0, 4, (height, width), np.uint8)
    return Sharp(tiny_data.picture(seed, height, width), mask, "0" * 64)


def pair_of(recipe, **changes):
    arguments = {"seed": 0, "item_id": "a.png", "split": "train", "replica": 0, "sharp": sharp()}
    return make_pair(recipe, **{**arguments, **changes})


def test_a_pair_is_a_function_of_its_name():
    recipe = tiny_data.flow_recipe()
    first = pair_of(recipe)
    again = pair_of(recipe)
    np.testing.assert_array_equal(first.blur, again.blur)
    assert first.row == again.row
    for change in ({"seed": 1}, {"item_id": "b.png"}, {"split": "val"}, {"replica": 1}):
        assert pair_of(recipe, **change).row["parameters"] != first.row["parameters"], change
    other = tiny_data.flow_recipe(name="other")
    assert pair_of(other).row["parameters"] != first.row["parameters"]


def test_noise_has_a_stream_of_its_own():
    still, noisy = (pair_of(tiny_data.flow_recipe(noise__sigma=sigma)) for sigma in (0.0, 0.05))
    assert still.row["parameters"] == noisy.row["parameters"]
    difference = noisy.blur.astype(float) - still.blur
    assert 0.03 * 255 < difference.std() < 0.06 * 255
    assert (still.row["noise_sigma"], noisy.row["noise_sigma"]) == (0.0, 0.05)


def test_motion_flow_pairs_are_cropped_as_the_generator_crops():
    pair = pair_of(tiny_data.flow_recipe())
    drawn = json.loads(pair.row["parameters"])
    drawn["center"] = tuple(drawn["center"])
    u, v = motion_flow.Motion(**drawn).flow(60, 72)
    rows, columns = int(abs(np.rint(v)).max()) // 2, int(abs(np.rint(u)).max()) // 2
    assert (rows, columns) == motion_flow.crop_border(u, v)
    assert rows
    assert columns
    window = np.s_[rows : 60 - rows, columns : 72 - columns]
    np.testing.assert_array_equal(pair.sharp, sharp().image[window])
    np.testing.assert_array_equal(pair.blur, motion_flow.blur(sharp().image, u, v)[window])
    longest = np.hypot(np.rint(u), np.rint(v))
    assert pair.row["severity_max_px"] == pytest.approx(longest.max(), abs=1e-3)
    assert pair.row["severity_mean_px"] == pytest.approx(longest.mean(), abs=1e-3)


def test_face_pairs_are_resized_blurred_and_cropped_with_their_mask():
    recipe = tiny_data.face_recipe(noise__sigma=0.0)
    pair = pair_of(recipe)
    assert pair.blur.shape == pair.sharp.shape == (32, 32, 3)
    assert pair.mask is not None
    assert pair.mask.shape == (32, 32)
    ready = prepare(recipe, "a.png", sharp())
    np.testing.assert_array_equal(pair.sharp, ready.image[8:40, 8:40])
    np.testing.assert_array_equal(pair.mask, ready.mask[8:40, 8:40])
    # A kernel that sums to 1 keeps the mean, but for what crosses the border of the crop.
    assert abs(pair.blur.mean() - pair.sharp.mean()) < 10
    assert pair.blur.std() < pair.sharp.std()
    assert 0 < pair.row["severity_max_px"] <= 8 * 2**0.5


def test_preparing_twice_is_preparing_once():
    recipe = tiny_data.face_recipe()
    once = prepare(recipe, "a.png", sharp())
    assert prepare(recipe, "a.png", once) is once
    assert set(np.unique(once.mask)) <= {0, 1, 2, 3}
    np.testing.assert_array_equal(
        pair_of(recipe).blur, pair_of(recipe, sharp=once).blur, strict=True
    )


def test_flat_pictures_stay_as_they_are():
    flat = Sharp(np.full((60, 72, 3), 77, np.uint8), None, "0" * 64)
    pair = pair_of(tiny_data.flow_recipe(), sharp=flat)
    np.testing.assert_array_equal(pair.blur, pair.sharp)


@pytest.mark.parametrize(
    ("recipe", "size"),
    [
        (tiny_data.flow_recipe(prepare__min_size=61), (60, 72)),
        (tiny_data.flow_recipe(crop__center=70), (60, 72)),
        (tiny_data.flow_recipe(blur__severity=[0.9, 1.0]), (34, 34)),
        (tiny_data.flow_recipe(blur__preset="strong", blur__severity=[1, 1]), (33, 500)),
    ],
)
def test_too_small_names_the_item_and_the_size_needed(recipe, size):
    with pytest.raises(UserError, match=r"^a.png: too small with \d+x\d+ px; .*at least \d+"):
        pair_of(recipe, sharp=sharp(0, *size))


def test_a_missing_mask_is_told():
    bare = Sharp(tiny_data.picture(0), None, "")
    with pytest.raises(UserError, match=r"a.png: has no mask"):
        pair_of(tiny_data.face_recipe(), sharp=bare)
