"""Restorers without training."""

import tomllib

import numpy as np
import pytest
from scipy.ndimage import convolve
from skimage.filters import unsharp_mask
from small_results import write_data_set
from tiny_data import flow_recipe, picture, write_photos

from blurbench.datasets.make import synthesize
from blurbench.datasets.mean_kernel import mean_kernel
from blurbench.engine import Workers
from blurbench.errors import UserError
from blurbench.images import read_image
from blurbench.metrics import compute
from blurbench.recipes.recipe import PROSE, load_recipe
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


def mixed_set(tmp_path, *blurs):
    """A set of a recipe that mixes one recipe for each of the blurs."""
    head = "\n".join(f'{key} = "t"' for key in PROSE[:5])
    tables = ""
    for number, blur in enumerate(blurs):
        one = f'name = "one-{number}"\n{head}\n[blur]\n{blur}\n'
        (tmp_path / f"{number}.toml").write_text(one)
        tables += f'[[mix]]\nrecipe = "{number}.toml"\n'
    splits = "splits = { train = 0.0, val = 0.0, test = 1.0 }"
    (tmp_path / "whole.toml").write_text(f'name = "whole"\n{head}\n{splits}\n{tables}')
    write_photos(tmp_path / "sharp", 8)
    recipe = load_recipe(tmp_path / "whole.toml")
    synthesize(recipe, open_source(str(tmp_path / "sharp")), tmp_path / "data")
    return open_data(tmp_path / "data")


FLOW = 'family = "motion_flow"\npreset = "mild"\nseverity = [0.1, 0.5]'
DISK = 'family = "disk"\nradius = [3.0, 3.0]'


def test_each_pair_of_a_mixture_is_restored_with_the_kernel_of_its_own_recipe(tmp_path):
    data = mixed_set(tmp_path, DISK, FLOW)
    assert {row["recipe"] for row in data.rows} == {"one-0", "one-1"}
    done = evaluate(data, tmp_path / "out", restore=Wiener(), name="w", save_restored=True)
    assert not done.failed
    disk = next(row for row in data.rows if row["recipe"] == "one-0")
    kernel = mean_kernel(flow_recipe(name="one-0", blur=tomllib.loads(DISK)), disk)
    wanted = np.clip(wiener(data.picture(disk, "blur") / 255, kernel), 0, 1) * 255
    found = read_image(tmp_path / "out" / "restored" / f"{disk['id']}.png")
    np.testing.assert_allclose(found, wanted, atol=0.51)


def test_a_mixture_with_a_blur_of_no_known_mean_names_it_and_what_needs_no_kernel(tmp_path):
    data = mixed_set(tmp_path, DISK, 'family = "camera"\nanxiety = [0.0, 0.1]')
    why = "data: one-1: the kernels of family camera have no mean that is known; --identity and"
    with pytest.raises(UserError, match=f"{why} --classical unsharp need none"):
        evaluate(data, tmp_path / "out", restore=Wiener(), name="w")
    assert not (tmp_path / "out").exists()


def test_pairs_that_no_recipe_blurred_have_no_kernel(tmp_path):
    with pytest.raises(UserError, match="no kernel is known"):
        Wiener().know(open_data(write_data_set(tmp_path / "data")))
    assert Unsharp("mine").name == "mine"
