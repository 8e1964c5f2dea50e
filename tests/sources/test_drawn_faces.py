import hashlib
import itertools
import pickle

import numpy as np
import pytest

from blurbench.recipes.recipe import load_recipe
from blurbench.sources.faces import PICTURES, SIZE, SPLIT_OF, draw, load
from blurbench.sources.faces.brush import Canvas, Texture, blob, box, ellipse, lens
from blurbench.sources.faces.parameters import draw_identity
from blurbench.sources.labels.masks import CLASS_COUNT, HAIR, SKIN
from blurbench.sources.open import open_for, open_source
from blurbench_kernels import random

SOME = [*range(0, 200, 9)]


@pytest.fixture(scope="module")
def faces() -> dict[int, tuple[np.ndarray, np.ndarray]]:
    return {index: draw(index) for index in SOME}


def canvas(roll: float = 0.0, turn: float = 0.0) -> Canvas:
    return Canvas(200, 50.0, (3.0, -2.0), roll, np.array([turn, 0], np.float32))


def test_source_is_named_synthetic_and_split_once():
    source = open_source("builtin:procedural-faces", masks=True)
    assert "synthetic" in source.description["kind"]
    counts = {split: list(SPLIT_OF.values()).count(split) for split in ("train", "val", "test")}
    assert counts == {"train": 160, "val": 20, "test": 20}
    assert [(item.id, item.split) for item in source.items] == sorted(SPLIT_OF.items())


def test_masks_come_only_when_asked_for():
    for masks in (False, True):
        item = pickle.loads(pickle.dumps(open_source("builtin:procedural-faces", masks=masks)))
        sharp = item.items[7].load()
        image, labels = load("face/0007")
        np.testing.assert_array_equal(sharp.image, image)
        assert sharp.sha256 == hashlib.sha256(image.tobytes()).hexdigest()
        assert (sharp.mask is not None) == masks
        if sharp.mask is not None:
            np.testing.assert_array_equal(sharp.mask, labels)


def test_pixels_are_these_for_ever():
    """Other pixels make other data sets: raise the version of the recipes that use them."""
    image, labels = draw(0)
    digest = hashlib.sha256(image.tobytes() + labels.tobytes()).hexdigest()
    assert digest == "855b39fd69a139f5050e767f1683f3b2ea7bcf20e343cc48295715837adeef00"


def test_a_face_does_not_depend_on_what_was_drawn_before(faces):
    before = np.random.get_state()[1].copy()
    for index in reversed(SOME[:3]):
        for ours, first in zip(draw(index), faces[index], strict=True):
            np.testing.assert_array_equal(ours, first)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_every_face_has_all_four_classes(faces):
    for index, (image, labels) in faces.items():
        assert image.shape == (SIZE, SIZE, 3)
        assert image.dtype == labels.dtype == np.uint8
        shares = np.bincount(labels.ravel(), minlength=CLASS_COUNT) / labels.size
        assert len(shares) == CLASS_COUNT, index
        assert shares[0] > 0.2, index
        assert shares[1] > 0.08, index
        assert 0.015 < shares[2] < 0.08, index
        assert shares[3] > 0.03, index


def test_labels_lie_on_what_they_name(faces):
    """Under its label, skin and hair have the hue that the identity says."""
    for index, (image, labels) in faces.items():
        who = draw_identity(random.stream("procedural-faces", "identity", index))
        for label, colour in ((SKIN, who.skin), (HAIR, who.hair_colour)):
            mean = image[labels == label].mean(axis=0) / 255
            share, expected = mean / mean.sum(), colour / colour.sum()
            assert np.abs(share - expected).max() < 0.05, (index, label)


def test_faces_differ_and_are_rich_in_edges(faces):
    images = [image for image, _ in faces.values()]
    for first, second in itertools.pairwise(images):
        assert np.abs(first.astype(int) - second).mean() > 10
    for image in images:
        assert np.abs(np.diff(image.mean(axis=2), axis=1)).mean() > 3


def test_another_picture_of_a_face_keeps_the_person():
    first, second = (draw(4, picture)[0] for picture in (0, 1))
    assert np.abs(first.astype(int) - second).mean() > 5
    hues = []
    for picture in (0, 1):
        image, labels = draw(4, picture)
        mean = image[labels == HAIR].mean(axis=0)
        hues.append(mean / mean.sum())
    np.testing.assert_allclose(*hues, atol=0.03)


def test_identities_come_with_ten_pictures_each():
    source = open_for(load_recipe("umsn-recognition"), "builtin:procedural-faces")
    assert len(source.items) == 200 * PICTURES
    assert [item.id for item in source.items[:2]] == ["face/0000/00", "face/0000/01"]
    for item in source.items:
        assert item.labels == {"identity": item.group}
        assert item.split == SPLIT_OF[item.group]
    np.testing.assert_array_equal(load("face/0004/00")[0], load("face/0004")[0])
    np.testing.assert_array_equal(load("face/0004/03")[0], draw(4, 3)[0])


def test_ellipse_covers_its_area():
    brush = canvas(roll=0.07)
    area = brush.cover(ellipse(brush.x, brush.y, (1.2, 0.7))).sum() / brush.scale**2
    assert area == pytest.approx(np.pi * 1.2 * 0.7, rel=0.02)


def test_box_covers_its_area():
    brush = canvas()
    area = brush.cover(box(brush.x, brush.y, (0.5, 1.1))).sum() / brush.scale**2
    assert area == pytest.approx(4 * 0.5 * 1.1, rel=0.02)


def test_lens_is_empty_beyond_its_corners():
    brush = canvas()
    arch = np.maximum(1 - brush.x * brush.x, 0)
    inside = lens(brush.x, brush.y, -arch, arch)
    assert (brush.cover(inside)[np.abs(brush.x) >= 1] == 0).all()
    # Two parabolas enclose 2 * 4/3.
    assert brush.cover(inside).sum() / brush.scale**2 == pytest.approx(8 / 3, rel=0.02)


def test_blob_is_one_in_the_middle_and_ends():
    values = blob(np.array([0.0, 0.5, 1.0, 3.0]), np.zeros(4), (1.0, 2.0))
    assert values.tolist() == [1.0, 0.5625, 0.0, 0.0]


def test_roll_turns_and_keeps_lengths():
    straight, rolled = canvas(), canvas(roll=0.1)
    radius = straight.x**2 + straight.y**2
    np.testing.assert_allclose(rolled.x**2 + rolled.y**2, radius, atol=1e-4)
    angle = 2 * np.arctan(0.1)
    turned = straight.x * np.cos(angle) + straight.y * np.sin(angle)
    np.testing.assert_allclose(rolled.x, turned, atol=1e-5)


def test_turned_head_moves_its_middle_most():
    brush = canvas(turn=0.2)
    shift = brush.x - brush.u
    middle, rim = np.abs(brush.x) + np.abs(brush.y) < 0.05, np.abs(brush.x) > 1.5
    np.testing.assert_allclose(shift[middle], 0.2, atol=0.01)
    assert (shift[rim] == 0).all()


def test_paint_blends_and_labels_what_is_half_covered():
    brush = canvas()
    cover = np.zeros((200, 200), np.float32)
    cover[0, :3] = 0.25, 0.75, 1
    brush.paint(cover, (1.0, 0.5, 0.0), 2)
    assert brush.image[0, :4, 0].tolist() == [0.25, 0.75, 1.0, 0.0]
    assert brush.labels[0, :4].tolist() == [0, 2, 2, 0]


def test_window_paints_the_picture_it_was_cut_from():
    brush = canvas()
    part = brush.window(0.5, 0.5, 0.4)
    assert part.image.shape == (40, 40, 3)
    part.paint(np.ones((40, 40), np.float32), (1.0, 1.0, 1.0), 3)
    assert brush.image[..., 0].sum() == 40 * 40
    painted = brush.labels == 3
    np.testing.assert_allclose(brush.u[painted].mean(), 0.5, atol=0.02)


def test_clouds_pass_through_their_grid():
    smooth = Texture(random.stream("test"), 64).clouds(8)
    grid = random.stream("test").random((10, 10), np.float32)
    np.testing.assert_array_equal(smooth[::8, ::8], grid[:8, :8])
    assert smooth.min() >= 0
    assert smooth.max() <= 1


def test_strands_are_linear_between_their_knots():
    across = np.array([[0.0, 1.0, 1.25, 1023.0, 1024.0, -1.0]], np.float32)
    values = Texture(random.stream("test"), 64).strands(across)[0]
    table = random.stream("test").random(Texture.TABLE, np.float32)
    middle = table[1] + np.float32(0.25) * (table[2] - table[1])
    expected = [table[0], table[1], middle, table[1023], table[0], table[1023]]
    np.testing.assert_allclose(values, expected, rtol=1e-6)
