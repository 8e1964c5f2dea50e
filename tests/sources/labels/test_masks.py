from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_data

from blurbench.datasets import make
from blurbench.errors import UserError
from blurbench.images import BadImage
from blurbench.sources.labels.masks import BACKGROUND, CELEBAMASK, HAIR, HELEN, PARTS, SKIN
from blurbench.sources.open import open_for, open_source


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def face(size: tuple[int, int] = (19, 40)) -> np.ndarray:
    return np.full((*size, 3), 128, np.uint8)


def stripes(labels: int, size: tuple[int, int] = (19, 40)) -> np.ndarray:
    """(H, W) uint8: row y has label y % labels."""
    return np.repeat((np.arange(size[0]) % labels).astype(np.uint8)[:, None], size[1], axis=1)


def load_only(root: Path):
    (item,) = open_source(str(root), masks=True).items
    return item.load()


# Class of label 0, 1, 2, ... as the two data sets number them, written out by hand.
CELEBAMASK_CLASSES = [0, 1, 2, 2, 2, 2, 2, 2, 0, 0, 2, 2, 2, 3, 0, 0, 0, 0, 0]
HELEN_CLASSES = [0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3]


def test_classes_of_umsn():
    assert (BACKGROUND, SKIN, PARTS, HAIR) == (0, 1, 2, 3)
    assert list(CELEBAMASK.values()) == CELEBAMASK_CLASSES
    assert list(HELEN.values()) == HELEN_CLASSES


def test_palette_is_grouped(tmp_path):
    write(tmp_path / "train" / "images" / "f.1.jpg", face())
    write(tmp_path / "train" / "masks" / "f.1.png", stripes(19))
    sharp = load_only(tmp_path)
    assert sharp.mask.dtype == np.uint8
    assert sharp.mask.shape == sharp.image.shape[:2]
    assert sharp.mask[:, 7].tolist() == CELEBAMASK_CLASSES


def test_helen_takes_the_strongest_plane(tmp_path):
    write(tmp_path / "images" / "a" / "1.jpg", face((11, 40)))
    for index in range(11):
        plane = np.full((11, 40), 100, np.uint8)
        plane[index] = 101
        write(tmp_path / "labels" / "a" / "1" / f"1_lbl{index:02d}.png", plane)
    assert load_only(tmp_path).mask[:, 3].tolist() == HELEN_CLASSES


def test_celebamask_parts_lie_over_one_another(tmp_path):
    write(tmp_path / "CelebA-HQ-img" / "2001.jpg", face((8, 8)))
    anno = tmp_path / "CelebAMask-HQ-mask-anno" / "1"
    for part, rows in {"skin": slice(1, 7), "nose": slice(3, 5), "hair": slice(0, 2)}.items():
        drawn = np.zeros((8, 8, 3), np.uint8)
        drawn[rows] = 255
        write(anno / f"02001_{part}.png", drawn)
    assert load_only(tmp_path).mask[:, 0].tolist() == [3, 3, 1, 2, 2, 1, 1, 0]


def test_smaller_mask_of_the_same_shape_is_enlarged(tmp_path):
    write(tmp_path / "images" / "f.jpg", face((38, 80)))
    write(tmp_path / "masks" / "f.png", stripes(19))
    mask = load_only(tmp_path).mask
    assert mask.shape == (38, 80)
    assert mask[:, 0].tolist() == list(np.repeat(CELEBAMASK_CLASSES, 2))


def test_mask_of_another_shape_is_named(tmp_path):
    write(tmp_path / "images" / "f.jpg", face((40, 19)))
    write(tmp_path / "masks" / "f.png", stripes(19))
    with pytest.raises(BadImage, match=r"masks/f: labels of another shape \(40x19"):
        load_only(tmp_path)


def test_label_out_of_range_is_named(tmp_path):
    write(tmp_path / "images" / "f.jpg", face())
    write(tmp_path / "masks" / "f.png", stripes(19) + 1)
    with pytest.raises(BadImage, match=r"f\.png: label 19 is outside 0\.\.18"):
        load_only(tmp_path)


def test_colour_mask_is_refused(tmp_path):
    write(tmp_path / "images" / "f.jpg", face())
    write(tmp_path / "masks" / "f.png", face())
    with pytest.raises(BadImage, match=r"f\.png: labels must be a palette or grey image"):
        load_only(tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            "images/f.jpg",
            "masks/g.png",
            r"f\.jpg: no face labels, looked for masks/f\.png$",
        ),
        ("images/f.jpg", "labels/f/f_lbl00.png", r"f_lbl01\.png: cannot be read"),
        (
            "CelebA-HQ-img/7.jpg",
            "CelebAMask-HQ-mask-anno/0/00008_skin.png",
            "no face labels, looked for CelebAMask-HQ-mask-anno/0/00007_skin.png",
        ),
        ("CelebA-HQ-img/x.jpg", "CelebAMask-HQ-mask-anno/0/00008_skin.png", "images by number"),
    ],
)
def test_face_without_labels_fails_alone(tmp_path, images, labels, message):
    write(tmp_path / images, face())
    write(tmp_path / labels, stripes(2))
    with pytest.raises(BadImage, match=message) as error:
        load_only(tmp_path)
    assert "\n" not in str(error.value)


def test_plan_tells_faces_without_labels(tmp_path):
    tiny_data.write_faces(tmp_path, 4)
    (tmp_path / "train" / "masks" / "001.png").unlink()
    recipe = tiny_data.face_recipe()
    plan = make.plan(recipe, open_for(recipe, str(tmp_path)))
    assert not plan.complete
    assert str(plan).splitlines()[-2:] == [
        "1 input failed",
        "  train/images/001.png: no face labels, looked for masks/001.png",
    ]


def test_linked_masks_and_folders_of_masks_are_read(tmp_path):
    write(tmp_path / "store" / "f.png", stripes(19))
    write(tmp_path / "in" / "images" / "f.jpg", face())
    (tmp_path / "in" / "masks").mkdir()
    (tmp_path / "in" / "masks" / "f.png").symlink_to(tmp_path / "store" / "f.png")
    one = load_only(tmp_path / "in").mask
    (tmp_path / "in" / "masks" / "f.png").unlink()
    (tmp_path / "in" / "masks").rmdir()
    (tmp_path / "in" / "masks").symlink_to(tmp_path / "store")
    np.testing.assert_array_equal(load_only(tmp_path / "in").mask, one)


def test_without_masks_only_the_images_are_pictures(tmp_path):
    for split in ("train", "test"):
        write(tmp_path / split / "images" / "f.jpg", face())
        write(tmp_path / split / "masks" / "f.png", stripes(19))
    source = open_source(str(tmp_path))
    assert [item.id for item in source.items] == ["test/images/f.jpg", "train/images/f.jpg"]
    assert source.items[0].load().mask is None


def test_folder_without_labels_says_what_is_understood(tmp_path):
    write(tmp_path / "a.jpg", face())
    with pytest.raises(UserError, match="no face labels here; understood are images/ beside masks"):
        open_source(str(tmp_path), masks=True)


def test_real_faces(shared):
    source = open_source(str(shared / "data" / "faces" / "celebamask"), masks=True)
    shares = np.zeros(4)
    for item in source.items[:12]:
        sharp = item.load()
        assert sharp.mask.shape == sharp.image.shape[:2]
        shares += np.bincount(sharp.mask.ravel(), minlength=4) / sharp.mask.size / 12
    # A face picture is mostly background, skin and hair; the parts are a few per cent.
    assert 0.03 < shares[2] < 0.12
    assert min(shares[[0, 1, 3]]) > 0.15
