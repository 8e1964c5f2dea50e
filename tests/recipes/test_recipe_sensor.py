"""What the sensor table of a recipe takes, and what it refuses."""

from typing import get_args

import pytest
import tiny_data

from blurbench.errors import UserError
from blurbench.recipes.recipe import load_recipe, parse_recipe
from blurbench.recipes.sensor import CameraName, Raw, Sensor
from blurbench_kernels import sensor


def test_names_are_those_that_the_kernels_know():
    assert set(get_args(CameraName)) == {"mixed", *sensor.CAMERAS}
    patterns, noises = (Raw.model_fields[name].annotation for name in ("pattern", "noise"))
    assert set(get_args(patterns)) == {"any", *sensor.PATTERNS}
    assert set(get_args(noises)) == {"stated", *sensor.NOISE_LEVELS}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"raw": {"camera": "canon"}}, "sensor.raw.camera"),
        ({"raw": {"camera": [1.0] * 8}}, "sensor.raw.camera"),
        ({"raw": {"camera": [1.0] * 9}}, "no camera sees so"),
        ({"raw": {"camera": [1, 0, 0, 0, 1, 0, 0, 0, -1]}}, "no camera sees so"),
        ({"raw": {"camera": [5500, -300, -200, -6130, 13510, 2900, -1560, 2150, 7180]}}, "DNG"),
        ({"raw": {"pattern": "RGBG"}}, "sensor.raw.pattern"),
        ({"raw": {"red": [0.0, 1.0]}}, "sensor.raw.red"),
        ({"raw": {"red": [2.0, 1.0]}}, "sensor.raw.red"),
        ({"raw": {"green": [1.0, 1.0]}}, "allowed here: pattern, red, blue, camera, noise"),
        ({"raw": {"noise": "dnd"}, "shot_noise": 0.001}, "leave them out"),
        ({"raw": {}, "light": "encoded"}, 'need light = "linear"'),
    ],
)
def test_what_no_camera_has_is_refused_in_a_line(table, words):
    with pytest.raises(UserError) as error:
        parse_recipe(tiny_data.document(tiny_data.FLOW, {"sensor": table}), "own.toml")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_matrix_of_ones_own_is_taken():
    own = [0.8, -0.2, -0.1, -0.4, 1.3, 0.1, -0.1, 0.2, 0.6]
    table = {"sensor": {"raw": {"camera": own}}}
    recipe = parse_recipe(tiny_data.document(tiny_data.FLOW, table), "own.toml")
    assert list(recipe.sensor.raw.camera) == own


def test_recipes_of_before_say_what_they_said():
    assert "raw" not in load_recipe("realistic").pixels()["sensor"]
    assert "raw" not in Sensor().model_dump()
    raw, plain = (load_recipe(name) for name in ("realistic-raw", "realistic"))
    assert raw.sensor.model_copy(update={"raw": None}) == plain.sensor
    assert (raw.blur, raw.crop) == (plain.blur, plain.crop)
