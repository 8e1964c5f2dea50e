import json

import cv2
import numpy as np
import pytest
import tiny_data
from skimage.metrics import peak_signal_noise_ratio

from blurbench.datasets import sensor as sensing
from blurbench.datasets.make import synthesize
from blurbench.datasets.pair import make_pair
from blurbench.engine import Workers
from blurbench.images import jpeg
from blurbench.recipes.recipe import Noise
from blurbench.recipes.sensor import Raw, Sensor
from blurbench.sources.open import Sharp, open_source
from blurbench_kernels.sensor import CAMERAS, PATTERNS

KEY = ("tiny", 0, "train", "a.png", 0)
PICTURE = tiny_data.picture(0)


def light_of(sensor: Sensor | None, picture: np.ndarray, key=KEY) -> np.ndarray:
    return sensing.expose(sensor, sensing.draw(sensor, key), picture)


def developed(sensor: Sensor | None, light: np.ndarray, sigma: float = 0.0, key=KEY) -> np.ndarray:
    return sensing.develop(sensor, sensing.draw(sensor, key), sigma, light, key)


def through(sensor: Sensor | None, sigma: float = 0.0, key=KEY) -> np.ndarray:
    return developed(sensor, light_of(sensor, PICTURE, key), sigma, key)


@pytest.mark.parametrize(
    "sensor",
    [None, Sensor(light="encoded"), Sensor(), Sensor(curve="gamma-2.2")],
    ids=["none", "encoded", "srgb", "gamma"],
)
def test_what_is_not_blurred_comes_back_as_it_was(sensor):
    np.testing.assert_array_equal(through(sensor), PICTURE)
    np.testing.assert_array_equal(sensing.develop_sharp(sensor, PICTURE), PICTURE)


def test_linear_light_blurs_towards_the_brighter_side():
    half = np.zeros((1, 2, 3), np.uint8)
    half[:, 1] = 255
    light = light_of(Sensor(), half)
    average = light.mean(axis=1, keepdims=True)
    mixed = developed(Sensor(), average)
    assert mixed.max() == mixed.min() == 188  # sRGB of half the light


def test_highlights_are_brighter_than_white_before_the_blur_and_white_after_it():
    sensor = Sensor(highlights=(1.0, 1.0))
    picture = np.full((4, 4, 3), 20, np.uint8)
    picture[1, 1] = 255
    light = light_of(sensor, picture)
    assert light[1, 1].tolist() == pytest.approx([510] * 3)
    assert light[0, 0].max() < 255
    np.testing.assert_array_equal(developed(sensor, light), picture)


def test_shot_noise_grows_with_the_light():
    sensor = Sensor(shot_noise=1e-3, read_noise=1e-4)
    spread = []
    for grey in (20, 200):
        flat = np.full((100, 100, 3), grey, np.uint8)
        light = light_of(sensor, flat)
        noisy = developed(sensor, light)
        linear = light_of(Sensor(), noisy) / 255
        spread.append((linear.std(), light.mean() / 255))
    for deviation, mean in spread:
        assert deviation == pytest.approx(np.sqrt(1e-3 * mean + 1e-8), rel=0.15)


def test_noise_factors_have_a_stream_for_each_pair():
    sensor = Sensor(read_noise=0.02, noise_factor=(0.1, 2.0))
    spreads = {
        round(float((through(sensor, key=(*KEY[:4], n)).astype(int) - PICTURE).std()), 1)
        for n in range(6)
    }
    assert len(spreads) > 3


def test_the_symmetric_range_is_twice_as_long():
    unit, symmetric = Noise(sigma=0.05), Noise(sigma=0.1, range="symmetric")
    assert unit.of_unit == symmetric.of_unit


def test_a_response_makes_both_pictures():
    sensor = Sensor(response=(0.0, 0.5))
    sharp = sensing.develop_sharp(sensor, PICTURE)
    np.testing.assert_array_equal(through(sensor), sharp)
    assert sharp.max() <= 128


def test_jpeg_of_a_drawn_quality_touches_the_blur_alone():
    recipe = tiny_data.flow_recipe(sensor={"light": "encoded", "jpeg": [30, 30]})
    plain = tiny_data.flow_recipe()
    sharp = Sharp(PICTURE, None, "")
    with_jpeg, without = (make_pair(each, *_key(), sharp) for each in (recipe, plain))
    np.testing.assert_array_equal(with_jpeg.sharp, without.sharp)
    np.testing.assert_array_equal(with_jpeg.blur, jpeg(without.blur, 30))
    assert (with_jpeg.blur != without.blur).any()


def _key() -> tuple:
    _, seed, split, item_id, replica = KEY
    return seed, item_id, split, replica


def test_better_jpeg_is_closer():
    smooth = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    close = [peak_signal_noise_ratio(smooth, jpeg(smooth, quality)) for quality in (10, 60, 95)]
    assert close == sorted(close)


def test_rows_state_every_draw():
    recipe = tiny_data.flow_recipe(
        sensor={
            "highlights": [0.25, 1.75],
            "shot_noise": 1e-3,
            "noise_factor": [0.5, 1.5],
            "jpeg": [60, 90],
        }
    )
    pairs = [make_pair(recipe, 0, "a.png", "train", n, Sharp(PICTURE, None, "")) for n in (0, 1)]
    first, second = (json.loads(pair.row["parameters"]) for pair in pairs)
    for name in ("highlights", "shot_noise", "jpeg"):
        assert first[name] != second[name]
    assert 60 <= first["jpeg"] <= 90
    assert 0.5e-3 <= first["shot_noise"] <= 1.5e-3


def raw_sensor(**raw) -> Sensor:
    return Sensor(raw=Raw(**raw))


SMOOTH = cv2.GaussianBlur(PICTURE, (0, 0), 6)


@pytest.mark.parametrize("camera", ["mixed", "a7r", tuple(CAMERAS["e-m10"])])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_mosaic_without_noise_keeps_a_smooth_picture(camera, pattern):
    sensor = raw_sensor(camera=camera, pattern=pattern)
    found = developed(sensor, light_of(sensor, SMOOTH))
    difference = found[2:-2, 2:-2].astype(int) - SMOOTH[2:-2, 2:-2]
    assert abs(difference).max() <= 4
    assert abs(difference.mean(axis=(0, 1))).max() < 0.2
    np.testing.assert_array_equal(sensing.develop_sharp(sensor, PICTURE), PICTURE)


def test_colours_beyond_a_cameras_gamut_stay():
    blue = np.zeros((40, 40, 3), np.uint8)
    blue[..., 2] = 255
    sensor = raw_sensor(camera="nexus-6p")  # sees blue as less than no red
    assert abs(developed(sensor, light_of(sensor, blue)).astype(int) - blue).max() <= 1


def test_what_clips_is_white_and_free_of_noise():
    sensor = Sensor(highlights=(1.75, 1.75), shot_noise=1e-3, read_noise=1e-3, raw=Raw())
    white = np.full((40, 40, 3), 255, np.uint8)
    np.testing.assert_array_equal(developed(sensor, light_of(sensor, white)), white)


def test_noise_on_a_mosaic_is_shared_by_neighbours_and_white_on_pixels():
    grey = np.full((120, 120, 3), 90, np.uint8)

    def beside(sensor: Sensor) -> float:
        noise = developed(sensor, light_of(sensor, grey))[..., 0].astype(float) - 90
        return float(np.corrcoef(noise[:, 1:].reshape(-1), noise[:, :-1].reshape(-1))[0, 1])

    assert abs(beside(Sensor(shot_noise=1e-2))) < 0.05
    assert beside(Sensor(shot_noise=1e-2, raw=Raw(camera="a7r"))) > 0.15


def test_each_part_of_a_mosaic_has_a_stream_of_its_own():
    def drawn(n: int, **raw):
        return sensing.draw(Sensor(raw=Raw(**raw)), (*KEY[:4], n))

    whole = [drawn(n, noise="sidd") for n in range(40)]
    assert {each.raw.pattern for each in whole} == set(PATTERNS)
    for name in ("shot_noise", "read_noise"):
        assert len({getattr(each, name) for each in whole}) == 40
    assert len({each.raw.camera for each in whole}) == 40
    assert all(1.9 <= each.raw.red <= 2.4 and 1.5 <= each.raw.blue <= 1.9 for each in whole)
    fixed = drawn(3, noise="sidd", pattern="RGGB", camera="a7r")
    assert fixed.raw.camera == CAMERAS["a7r"]
    assert (fixed.raw.red, fixed.raw.blue) == (whole[3].raw.red, whole[3].raw.blue)
    assert (fixed.shot_noise, fixed.read_noise) == (whole[3].shot_noise, whole[3].read_noise)


def test_rows_state_what_a_mosaic_drew():
    recipe = tiny_data.flow_recipe(sensor={"raw": {"noise": "dnd"}})
    row = make_pair(recipe, *_key(), Sharp(PICTURE, None, "")).row
    stated = json.loads(row["parameters"])
    assert set(stated["raw"]) == {"pattern", "red", "blue", "camera"}
    assert 1e-4 <= stated["shot_noise"] <= 1.2e-2
    assert stated["read_noise"] > 0


@pytest.mark.slow
def test_one_digest_for_one_and_two_workers(photos, tmp_path):
    recipe = tiny_data.flow_recipe(sensor={"raw": {"noise": "dnd"}, "jpeg": [85, 98]})
    digests = {
        synthesize(
            recipe, open_source(str(photos)), tmp_path / str(count), workers=Workers(count)
        ).digest
        for count in (1, 2)
    }
    assert len(digests) == 1
