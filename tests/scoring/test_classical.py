"""Restorers without training."""

import numpy as np
import pytest
from scipy.ndimage import convolve
from skimage.filters import unsharp_mask
from small_results import write_data_set
from tiny_data import flow_recipe, picture, write_photos

from blurbench.datasets.make import synthesize
from blurbench.engine import Workers
from blurbench.errors import UserError
from blurbench.metrics import compute
from blurbench.scoring.classical import CLASSICAL, Unsharp, Wiener, unsharp, wiener
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.result_folder import read_pictures, read_summary
from blurbench.sources.open import open_source

KERNEL = np.array([[0.2, 0.7, 0.1]])


def data_set(tmp_path):
    write_photos(tmp_path / "sharp", 12)
    synthesize(flow_recipe(), open_source(str(tmp_path / "sharp")), tmp_path / "data")
    return open_data(tmp_path / "data")


def test_the_mask_is_that_of_scikit_image():
    image = picture(1) / 255
    wanted = unsharp_mask(image, radius=2.0, amount=0.5, channel_axis=2, preserve_range=True)
    np.testing.assert_allclose(unsharp(image, 2.0, 0.5), wanted, atol=1e-12)


def test_without_noise_wiener_is_the_inverse_up_to_the_sides():
    image = picture(2) / 255
    blur = convolve(image, KERNEL[..., None], mode="reflect")
    restored = wiener(blur, KERNEL, 1e-9)
    np.testing.assert_allclose(restored[:, 12:-12], image[:, 12:-12], atol=1e-3)


def test_wiener_of_one_pixel_scales_as_the_formula_does():
    image = picture(3) / 255
    np.testing.assert_allclose(wiener(image, np.ones((1, 1)), 0.25), image / 1.25, atol=1e-9)


def test_a_kernel_that_is_no_mirror_of_itself_is_undone_and_not_repeated():
    kernel = np.zeros((5, 5))
    kernel[2, 4] = 1.0  # moves the picture by 2 px to the right
    image = picture(4) / 255
    moved = np.roll(image, 2, axis=1)
    restored = wiener(moved, kernel, 1e-9)
    np.testing.assert_allclose(restored[8:-8, 8:-8], image[8:-8, 8:-8], atol=1e-6)


def test_a_result_says_what_was_done(tmp_path):
    data = data_set(tmp_path)
    for name, kind in CLASSICAL.items():
        restore = kind()
        done = evaluate(data, tmp_path / name, restore=restore, name=restore.name)
        assert done.failed == 0
        summary = read_summary(tmp_path / name)
        assert summary.restored_by == "classical"
        assert summary.provenance["method"] == name
    assert read_summary(tmp_path / "unsharp").provenance["amount"] == 0.5
    assert "oracle kernel" in read_summary(tmp_path / "wiener").model
    assert any("an oracle, no rival" in note for note in done.notes)


def test_wiener_scores_the_same_in_workers(tmp_path):
    data = data_set(tmp_path)
    for count in (1, 2):
        restore = Wiener()
        workers = Workers(count, apart=count > 1)
        evaluate(data, tmp_path / str(count), restore=restore, name="w", workers=workers)
    one, two = (
        {each.id: each.metrics for _, each in read_pictures(tmp_path / str(count))}
        for count in (1, 2)
    )
    assert one == two


def test_the_true_kernel_helps_where_there_is_one_for_the_picture(tmp_path):
    write_photos(tmp_path / "sharp", 12)
    recipe = flow_recipe(blur={"family": "disk", "radius": [3.0, 3.0]})
    synthesize(recipe, open_source(str(tmp_path / "sharp")), tmp_path / "data")
    data, restore = open_data(tmp_path / "data"), Wiener()
    restore.know(data)
    for row in data.rows:
        blur, sharp = (data.picture(row, role) for role in ("blur", "sharp"))
        restored = restore.restore(blur, row).image
        assert compute("psnr", restored, sharp) > compute("psnr", blur, sharp)


def test_pairs_that_no_recipe_blurred_have_no_kernel(tmp_path):
    with pytest.raises(UserError, match="no kernel is known"):
        Wiener().know(open_data(write_data_set(tmp_path / "data")))
    assert Unsharp("mine").name == "mine"
