"""Pairs of layers: what moved stands in masks, boxes and severities; one layer is its family."""

import json

import numpy as np
import pytest
import tiny_data

from blurbench.blurs.base import Scene
from blurbench.blurs.camera import Camera
from blurbench.blurs.motion_flow import MotionFlow
from blurbench.blurs.trajectory import Trajectory
from blurbench.datasets.pair import make_pair
from blurbench.errors import UserError
from blurbench.sources.open import Sharp
from blurbench_kernels import layers, random

FLOW = {
    "family": "motion_flow",
    "preset": "strong",
    "mode": "physical",
    "target": {"bins": [[6.0, 8.0]]},
}
SHAKE = {
    "family": "trajectory",
    "anxiety": [0.003, 0.01],
    "steps": 200,
    "target": {"bins": [[5.0, 9.0]]},
}
PATH = {
    "family": "camera",
    "anxiety": [0.0, 0.005],
    "rotation": 4.0,
    "target": {"bins": [[5.0, 9.0]]},
}
LAYERS = {"family": "layers", "background": FLOW, "objects": SHAKE}


def masked() -> np.ndarray:
    """Two objects and a speck on 96 x 96 px."""
    mask = np.zeros((96, 96), np.uint8)
    mask[50:70, 20:44], mask[30:60, 50:80], mask[5:8, 5:8] = 7, 2, 9
    return mask


def pair_of(mask=None, **blur):
    """The pair of one picture; whatever is cropped is 0 px."""
    recipe = tiny_data.flow_recipe(blur={**LAYERS, **blur}, crop__borders=False, labels=["mask"])
    mask = masked() if mask is None else mask
    return make_pair(recipe, 0, "a.png", "train", 0, Sharp(tiny_data.picture(0, 96, 96), mask, ""))


def test_the_row_tells_of_every_layer():
    pair = pair_of(moves=["both"])
    # The lower one is in front; the speck is background.
    np.testing.assert_array_equal(pair.mask, np.select([masked() == 7, masked() == 2], [2, 1]))
    assert pair.row["boxes"] == [[50, 30, 30, 30], [20, 50, 24, 20]]
    means, longest = pair.row["layer_severity_mean_px"], pair.row["layer_severity_max_px"]
    assert len(means) == len(longest) == 3
    # Whole px of flow against the mean that was drawn; a kernel's own length is within one, too.
    assert all(5 <= mean <= 9.5 for mean in means)
    areas = [96 * 96 - 900 - 480, 900, 480]
    assert pair.row["severity_mean_px"] == pytest.approx(np.average(means, weights=areas), abs=2e-3)
    assert pair.row["severity_max_px"] == max(longest)
    assert len(json.loads(pair.row["parameters"])["layers"]) == 3


def test_only_what_moves_is_blurred():
    far = masked() == 0
    far[20:80, 10:90] = False
    objects, background = pair_of(moves=["objects"]), pair_of(moves=["background"])
    assert (objects.row["moved"], background.row["moved"]) == ("objects", "background")
    assert objects.row["layer_severity_mean_px"][0] == 0
    assert background.row["layer_severity_mean_px"][1:] == [0, 0]
    np.testing.assert_array_equal(objects.blur[far], objects.sharp[far])
    inside = np.s_[54:66, 24:40]
    np.testing.assert_array_equal(background.blur[inside], background.sharp[inside])
    assert (objects.blur[inside] != objects.sharp[inside]).mean() > 0.5
    both = pair_of(moves=["both"])
    np.testing.assert_array_equal(both.blur[far], background.blur[far])
    # Drawn alike, whatever else moves.
    assert both.row["layer_severity_mean_px"] == [
        *background.row["layer_severity_mean_px"][:1],
        *objects.row["layer_severity_mean_px"][1:],
    ]


@pytest.mark.parametrize("part", [MotionFlow, Trajectory])
def test_a_part_over_time_is_the_family(part):
    family = part.model_validate_json(json.dumps(FLOW if part is MotionFlow else SHAKE))
    image = tiny_data.picture(0, 96, 90).astype(float)
    scenes = [Scene("a.png", image, None, random.stream(5), 0, ()) for _ in range(2)]
    blurred, moving = family.blur(scenes[0]), family.over_time(scenes[1], np.ones((96, 90), bool))
    whole = layers.Layer(image, np.ones((96, 90)))
    np.testing.assert_allclose(layers.blur([whole], [moving.way]), blurred.image, atol=1e-10)
    assert (moving.border, moving.severity) == (blurred.border, blurred.severity)
    assert moving.drawn.items() <= blurred.drawn.items()


def test_a_camera_over_time_is_the_family_but_for_blocks():
    # A target is a mean over the layer's own pixels here, there over a grid of the picture's.
    family = Camera.model_validate_json(json.dumps({**PATH, "target": None}))
    image = tiny_data.picture(0, 96, 90).astype(float)
    scenes = [Scene("a.png", image, None, random.stream(5), 0, ()) for _ in range(2)]
    blurred, moving = family.blur(scenes[0]), family.over_time(scenes[1], np.ones((96, 90), bool))
    alone = layers.blur([layers.Layer(image, np.ones((96, 90)))], [moving.way])
    assert np.abs(alone - blurred.image).mean() < 0.5
    assert moving.severity == pytest.approx(blurred.severity, rel=0.1)


def test_cameras_move_each_layer_as_far_as_asked():
    pair = pair_of(background=PATH, objects=PATH)
    assert all(4.9 <= mean <= 9.1 for mean in pair.row["layer_severity_mean_px"])
    flows = pair_of(objects=FLOW)
    assert pair_of(background=PATH, objects=FLOW).row["boxes"] == flows.row["boxes"]


def test_joined_labels_are_one_object():
    pair = pair_of(join=True)
    np.testing.assert_array_equal(pair.mask, masked() > 0)
    assert len(pair.row["boxes"]) == 1


def test_few_objects_are_cut_out_and_any_may_be_in_front():
    assert len(pair_of(count=1).row["boxes"]) == 1
    assert len(pair_of(least=0.0005).row["boxes"]) == 3
    assert pair_of(front="random").row["boxes"] in (
        [[50, 30, 30, 30], [20, 50, 24, 20]],
        [[20, 50, 24, 20], [50, 30, 30, 30]],
    )


def test_pictures_without_objects_or_background_are_failures():
    with pytest.raises(UserError, match=r"a\.png: no object fills 0\.01 of it"):
        pair_of(np.zeros((96, 96), np.uint8))
    with pytest.raises(UserError, match=r"a\.png: its objects leave no background"):
        pair_of(np.ones((96, 96), np.uint8))
    lines = np.indices((96, 96)).sum(axis=0) % 5 > 0  # a pixel wide is what is left
    with pytest.raises(UserError, match=r"a\.png: its objects leave no background"):
        pair_of(lines.astype(np.uint8))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"objects": {**SHAKE, "target": None, "sizes": [7]}}, "needs a target"),
        ({"background": {**FLOW, "target": None, "severity_reading": "noise"}}, "moves nothing"),
        ({"objects": {"family": "disk", "radius": [2.0, 3.0]}}, "disk"),
        ({"objects": {**PATH, "readout": 0.5}}, "objects: layers have no rolling shutter"),
        ({"count": 4}, "less than or equal to 3"),
    ],
)
def test_settings_that_move_no_layer_are_refused(changes, told):
    with pytest.raises(UserError, match=told):
        pair_of(**changes)


def test_layers_need_masks_and_no_sharp_pairs():
    for changes in ({"labels": []}, {"labels": ["mask"], "identity": 0.5}):
        with pytest.raises(UserError, match="layers need labels"):
            tiny_data.flow_recipe(blur=LAYERS, **changes)
