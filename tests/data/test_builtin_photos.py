import cv2
import numpy as np
import pytest
from skimage import data as skimage_data

from blurbench.data import builtin_photos
from blurbench.data.builtin_photos import CROP, FLAT, PHOTO_SPLIT, PHOTOS, SPLIT_OF, load
from blurbench.data.sources import open_source
from blurbench.errors import UserError


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
    monkeypatch.setattr(builtin_photos, "_wheel_folder", lambda: tmp_path)
    with pytest.raises(UserError, match=r"coffee\.png: cannot be read"):
        load("coffee/03")
