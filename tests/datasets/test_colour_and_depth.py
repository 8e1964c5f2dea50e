"""Recipes that ask for sRGB, or for 16 bits; and that nothing else changes for those of before."""

import json

import numpy as np
import odd_pictures
import pytest
import tiny_data

from blurbench.datasets.dataset import BlurDataset
from blurbench.datasets.make import synthesize
from blurbench.datasets.pair import make_pair
from blurbench.errors import UserError
from blurbench.recipes.recipe import Recipe, load_any_recipe, recipe_names
from blurbench.sources.items import Sharp
from blurbench.sources.open import decoding_of, open_for

PICTURE = tiny_data.picture(0, 60, 72)
LINE = {"family": "line", "length": [3.0, 3.0]}
WIDE = odd_pictures.profile(odd_pictures.P3)


def recipe(**changes) -> Recipe:
    splits = {"train": 1.0, "val": 0.0, "test": 0.0}
    return tiny_data.flow_recipe(
        replicas={"train": 2}, blur=LINE, crop={}, splits=splits, **changes
    )


@pytest.fixture
def source(tmp_path):
    (tmp_path / "in").mkdir()
    files = {
        "plain.png": odd_pictures.saved(PICTURE, "PNG"),
        "wide.png": odd_pictures.saved(PICTURE, "PNG", icc_profile=WIDE),
        "wide.jpg": odd_pictures.saved(PICTURE, "JPEG", icc_profile=WIDE),
        "alpha.png": odd_pictures.saved(PICTURE, "PNG", "RGBA"),
        "deep.png": odd_pictures.deep(PICTURE.astype(np.uint16) * 257),
    }
    for name, data in files.items():
        (tmp_path / "in" / name).write_bytes(data)
    return tmp_path / "in"


def rows_of(out) -> dict[str, dict]:
    return {row["source_id"]: row for row in BlurDataset(out, "train").rows}


def test_profiles_are_told_once_and_in_the_row(source, tmp_path):
    old = recipe()
    summary = synthesize(old, open_for(old, str(source)), tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    read = {name: json.loads(row["parameters"]).get("read") for name, row in rows.items()}
    assert read == {
        "plain.png": None,
        "wide.png": "profile",
        "wide.jpg": "profile",
        "alpha.png": "alpha",
        "deep.png": "depth",
    }
    assert summary.told.notes == [
        "1 picture with an alpha channel, which is left out (first: alpha.png)",
        "1 picture with 16 bits, cut to 8 (first: deep.png)",
        "2 pictures with a colour profile other than sRGB, which is not applied (first: wide.png)",
    ]
    assert rows["wide.png"]["sharp_pixels"] == rows["plain.png"]["sharp_pixels"]


def test_a_recipe_that_asks_for_srgb_converts(source, tmp_path):
    new = recipe(colour="srgb")
    summary = synthesize(new, open_for(new, str(source)), tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert json.loads(rows["wide.png"]["parameters"])["read"] == "converted"
    assert rows["wide.png"]["sharp_pixels"] != rows["plain.png"]["sharp_pixels"]
    assert "from which it is converted (first: wide.png)" in summary.told.notes[-1]


def test_recipes_of_before_are_written_as_before():
    for name in recipe_names():
        document = load_any_recipe(name).model_dump(mode="json")
        assert "colour" not in document, name
        assert "depth" not in (document.get("sensor") or {}), name
    assert recipe(colour="srgb").model_dump()["colour"] == "srgb"
    assert recipe(colour="as-stored").pixels() == recipe().pixels()


def test_a_set_of_before_is_gone_on_with(source, tmp_path):
    old = recipe()
    synthesize(old, open_for(old, str(source)), tmp_path / "out", limit=2)
    again = synthesize(old, open_for(old, str(source)), tmp_path / "out", limit=2)
    assert again.made == 0
    new = recipe(colour="srgb")
    with pytest.raises(UserError, match="another recipe"):
        synthesize(new, open_for(new, str(source)), tmp_path / "out", limit=2)


def ramp(step: int) -> np.ndarray:
    """A slow ramp of 16 bits, whose light 8 bits cut into steps."""
    row = np.linspace(20_000, 24_000, 72)
    return (np.tile(row[None, :, None], (60, 1, 3)) // step * step).astype(np.uint16)


def test_sixteen_bits_reach_linear_light():
    deep = recipe(sensor={"light": "linear", "depth": 16})
    shallow = recipe(sensor={"light": "linear"})
    assert decoding_of(deep).depth == 16
    assert decoding_of(shallow).depth == 8
    image = ramp(1)
    pair = make_pair(deep, 0, "a", "train", 0, Sharp(image, None, ""))
    assert pair.sharp.dtype == pair.blur.dtype == np.uint8
    # Halves away from zero, of all 16 bits; 8 bits that were cut before are darker.
    np.testing.assert_array_equal(pair.sharp, np.floor(image / 257 + 0.5).astype(np.uint8))
    cut = make_pair(shallow, 0, "a", "train", 0, Sharp((image >> 8).astype(np.uint8), None, ""))
    inner = (slice(8, -8), slice(8, -8))
    exact = np.floor(image / 257 + 0.5)[inner]  # a blurred ramp is nearly the ramp
    errors = [np.abs(made.blur[inner] - exact).mean() for made in (pair, cut)]
    assert errors[0] < 0.1 < errors[1]


def test_eight_bits_are_the_same_for_a_recipe_that_keeps_sixteen():
    deep = recipe(sensor={"light": "linear", "depth": 16})
    shallow = recipe(sensor={"light": "linear"})
    one, other = (
        make_pair(r, 0, "a", "train", 0, Sharp(PICTURE, None, "")) for r in (deep, shallow)
    )
    np.testing.assert_array_equal(one.blur, other.blur)
    wide = Sharp(PICTURE.astype(np.uint16) * 257, None, "")
    np.testing.assert_array_equal(make_pair(deep, 0, "a", "train", 0, wide).blur, one.blur)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sensor": {"light": "encoded", "depth": 16}}, 'depth = 16 needs light = "linear"'),
        ({"sensor": {"depth": 16}, "prepare": {"resize": [64, 64]}}, "depth must be 8"),
        ({"colour": "p3"}, "colour: should be 'as-stored' or 'srgb'"),
    ],
)
def test_what_does_not_go_together_is_one_line(changes, words):
    with pytest.raises(UserError, match=words):
        recipe(**changes)


def test_a_picture_whose_pair_does_not_fit_is_a_named_failure(source, tmp_path, monkeypatch):
    from blurbench import memory

    monkeypatch.setattr(memory, "SMALL", 0)
    monkeypatch.setattr(memory, "budget", lambda: 60 * 72 * 50)
    one = recipe()
    with pytest.raises(UserError, match=r"alpha\.png: 72x60 px need 0\.5 MB of memory, 0\.2 MB"):
        synthesize(one, open_for(one, str(source)), tmp_path / "out")
