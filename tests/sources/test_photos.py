import cv2
import numpy as np
import pytest
from skimage import data as skimage_data

from blurbench.errors import UserError
from blurbench.recipes.recipe import CaptionRules, load_recipe
from blurbench.sources import photos
from blurbench.sources.labels.attach import WantedLabels
from blurbench.sources.labels.shots import SHOT_TYPES
from blurbench.sources.open import open_for, open_source
from blurbench.sources.photos import CROP, FLAT, PHOTO_SPLIT, PHOTOS, SPLIT_OF, load


def gradient(image: np.ndarray) -> float:
    """Mean absolute difference of horizontal neighbours, in grey levels."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(float)
    return float(np.abs(np.diff(grey)).mean())


def test_every_split_has_crops_and_no_photograph_is_in_two():
    splits = {
        split: {id.split("/")[0] for id in SPLIT_OF if SPLIT_OF[id] == split}
        for split in ("train", "val", "test")
    }
    assert all(splits.values())
    assert sum(map(len, splits.values())) == len(PHOTOS)
    assert PHOTO_SPLIT["motorcycle_left"] == PHOTO_SPLIT["motorcycle_right"]


def test_source_lists_every_crop():
    source = open_source("builtin:photos")
    assert [item.id for item in source.items] == sorted(SPLIT_OF)
    assert {item.id: item.split for item in source.items} == SPLIT_OF
    assert source.description["train"] == "33"


def test_crops_are_sharp_enough_to_lose_something():
    for id in SPLIT_OF:
        image, mask = load(id)
        assert image.shape == (CROP, CROP, 3)
        assert image.dtype == np.uint8
        assert mask is None
        assert gradient(image) > 2, id
    assert all(gradient(load(id)[0]) < 2 for id in FLAT)


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_crops_lie_side_by_side_in_the_middle(name):
    rows, columns = PHOTOS[name][1]
    crops = [load(f"{name}/{index:02d}")[0] for index in range(rows * columns)]
    mosaic = np.vstack([np.hstack(crops[r * columns : (r + 1) * columns]) for r in range(rows)])
    photo = getattr(skimage_data, name)()
    top, left = ((photo.shape[axis] - mosaic.shape[axis]) // 2 for axis in (0, 1))
    window = photo[top : top + mosaic.shape[0], left : left + mosaic.shape[1]]
    np.testing.assert_array_equal(mosaic, window)


def test_hash_is_of_the_pixels():
    first, second = (open_source("builtin:photos").items[0].load() for _ in range(2))
    assert first.sha256 == second.sha256
    assert first.sha256 != open_source("builtin:photos").items[1].load().sha256


def test_photographs_have_no_face_labels():
    with pytest.raises(UserError, match="has no face labels; use builtin:procedural-faces"):
        open_source("builtin:photos", masks=True)


def test_wheel_without_the_file_is_a_readable_line(monkeypatch, tmp_path):
    monkeypatch.setattr(photos, "_wheel_folder", lambda: tmp_path)
    with pytest.raises(UserError, match=r"coffee\.png: cannot be read"):
        load("coffee/03")


def test_every_crop_has_five_captions_and_a_shot_type():
    wanted = WantedLabels(shots=True, captions=CaptionRules(count=5))
    for item in photos.items(wanted):
        assert item.labels["shot_type"] in SHOT_TYPES, item.id
        sentences = item.labels["captions"]
        assert len(set(sentences)) == 5, item.id
        for sentence in sentences:
            assert sentence[0].isupper(), sentence
            assert sentence.endswith("."), sentence
            assert 4 <= len(sentence.split()) <= 14, sentence


def test_labels_come_only_when_a_recipe_asks_for_them():
    assert not any(item.labels for item in open_source("builtin:photos").items)
    assert "labels_sha256" not in open_source("builtin:photos").description
    captioned = open_for(load_recipe("sev-blurdata"), "builtin:photos")
    assert {tuple(item.labels) for item in captioned.items} == {("captions",)}
    stills = open_for(load_recipe("concert"), "builtin:photos")
    assert {tuple(item.labels) for item in stills.items} == {("shot_type",)}
    assert stills.description["labels_sha256"] != captioned.description["labels_sha256"]


def test_no_more_captions_than_there_are():
    with pytest.raises(UserError, match="has 5 captions of each, not 6"):
        photos.items(WantedLabels(captions=CaptionRules(count=6)))
