"""Every table has a suite, and every cell is measured or says why not."""

import pytest

from blurbench.datasets.splits import list_tasks
from blurbench.metrics import PROTOCOLS
from blurbench.models import build
from blurbench.ranking.printed import tables
from blurbench.recipes.recipe import load_any_recipe
from blurbench.reproduce.planned import fields
from blurbench.reproduce.scales import DEMO, SP, Scale
from blurbench.reproduce.stand_ins import STAND_INS, pictures, stand_in
from blurbench.reproduce.suites import (
    SUITES,
    VARIANTS,
    Cell,
    Training,
    cells,
    metric_of,
    rows,
    trainings,
)

NAMES = list(tables())


def one(table: str, method: str, metric: str, data: str) -> Cell:
    (found,) = [
        cell
        for cell in cells(table)
        if (cell.printed.method, cell.printed.metric, cell.printed.data) == (method, metric, data)
    ]
    return found


def test_every_table_has_a_suite_and_is_listed():
    assert list(SUITES) == NAMES
    assert [row["name"] for row in rows()] == NAMES
    assert all(suite.protocol in PROTOCOLS for suite in SUITES.values())


def test_variants_are_of_methods_that_are_printed():
    for name, method in VARIANTS:
        assert method in {cell.method for cell in tables()[name].cells}, (name, method)


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_is_accounted_for(name):
    found = cells(name)
    assert [cell.printed for cell in found] == list(tables()[name].cells)
    for cell in found:
        if cell.scoring:
            assert not cell.reason
            assert cell.scoring.recipe, cell
        else:
            assert cell.reason.startswith(("printed only: ", "not available: ")), cell
    # Whatever has a model of ours is measured; but for a gain over a baseline that is printed only.
    left = [cell.printed.metric for cell in found if cell.printed.model and not cell.scoring]
    assert left == (["psnr-gain"] if name == "sp-3" else [])


def test_tables_that_test_on_other_data_than_they_learn_from():
    hide = one("sp-2", "UNet+SP", "psnr", "HIDE").scoring
    gopro, realblur = SP["gopro"], SP["realblur-j"]
    assert hide.recipe == "hide"
    assert hide.restored_by == Training("sp", "paper", "gopro", samples=gopro)
    real = one("sp-2", "UNet+SP", "psnr", "RealBlur-J").scoring
    assert real.restored_by == Training("sp", "paper", "realblur-j", samples=realblur)
    face = one("umsn-3", "UMSN", "psnr", "Helen").scoring.restored_by
    assert (face.model, face.recipe) == ("umsn", "umsn-faces")
    severe = one("s3e-2", "U-Deconv", "ssim", "Severely blurred GoPro").scoring.restored_by
    assert (severe.model, severe.recipe) == ("udeconv", "sev-blurdata")
    assert SUITES["sp-4"].repeats == 10


def test_a_gain_is_over_the_row_before():
    gain = one("sp-3", "Ours-MPRNet+SP", "psnr-gain", "GoPro")
    assert gain.baseline == one("sp-3", "Ours-MPRNet", "psnr", "GoPro").scoring
    assert metric_of(gain) == "psnr"
    others = one("sp-3", "MIMO-UNet+MIMO+AFF+MSFR", "psnr-gain", "GoPro")
    assert "baseline is printed only" in others.reason


def test_masks_are_found_by_networks_of_their_own():
    sharp, blurred, tuned = (
        cell.scoring for cell in cells("umsn-2") if cell.printed.metric == "f-score-skin"
    )
    assert (sharp.restored_by, blurred.restored_by) == ("sharp", "blur")
    assert sharp.tool == blurred.tool != tuned.tool
    assert sharp.tool[1].steps == 60_000
    assert sharp.name != blurred.name


def test_pictures_themselves_need_no_model():
    assert one("umsn-5", "Clear images", "top-1", "CelebA").scoring.restored_by == "sharp"
    assert one("umsn-5", "Blurred images", "top-1", "CelebA").scoring.restored_by == "blur"
    assert "printed only" in one("umsn-5", "Pan et al.", "top-1", "CelebA").reason


def test_every_recipe_has_a_stand_in_that_says_so():
    wanted = {
        recipe
        for name in NAMES
        for cell in cells(name)
        if cell.scoring
        for recipe in (cell.scoring.recipe, *(t.recipe for t in trainings([cell])))
    }
    assert wanted <= set(STAND_INS)
    for name in STAND_INS:
        load_any_recipe(name)
        recipe, made = stand_in(name)
        assert recipe.name == f"{name}-stand-in"
        assert recipe.title.startswith(f"Stand-in for {name}: ")
        assert made.describe() in recipe.title


@pytest.mark.parametrize("all_there_are", [False, True])
def test_no_stand_in_is_tested_on_a_picture_or_person_that_one_trains_on(all_there_are):
    shown: dict[str, set[str]] = {"train": set(), "test": set()}
    for name in STAND_INS:
        made, of = stand_in(name, all_there_are)
        for task in list_tasks(made, pictures(made, of)):
            # "face/0007/03" is a picture of "face/0007".
            shown[task.split].add("/".join(task.source_id.split("/")[:2]))
    assert min(map(len, shown.values())) > 8
    assert not shown["train"] & shown["test"]


def test_a_method_that_is_fine_tuned_begins_with_the_run_of_its_seed():
    found = one("sp-1", "MIMO-UNetPlus+SP", "psnr", "GoPro").scoring.seeded(2).restored_by
    assert (found.init.model, found.init.preset, found.init.seed) == ("mimo-unet-plus", "paper", 2)
    assert found.init.samples == found.samples
    names = [training.name for training in trainings(cells("sp-1"))]
    assert names.index("mimo-unet-plus") < names.index("sp_paper-mimo-unet-plus")
    assert names.count("mimo-unet-plus") == 1


def test_what_is_printed_as_unet_has_the_loss_of_its_rival():
    found = [one(f"sp-{n}", f"{own}UNet", "psnr", "GoPro") for n, own in ((1, ""), (3, "Ours-"))]
    names = {cell.scoring.restored_by.name for cell in found}
    assert names == {"sp_net0"}
    assert one("sp-4", "Net0", "psnr", "GoPro").scoring.restored_by.name in names


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_training_has_a_tiny_one(name):
    for training in trainings(cells(name)):
        preset, settings = fields(training, DEMO)
        model = build(training.model, preset, **settings)
        assert preset == "tiny"
        assert (model.config.crop_size or 64) % model.multiple == 0
        for key, value in training.settings:
            assert getattr(model.config, key) == value
    names = [(training.recipe, training.name) for training in trainings(cells(name))]
    assert len(set(names)) == len(names)


def test_a_tiny_one_keeps_what_its_preset_is_about():
    _, settings = fields(Training("sp", "net3", "gopro"), DEMO)
    assert (settings["cross_level"], settings["aggregation"]) == (False, False)
    _, settings = fields(Training("umsn", "no-confidence", "umsn-faces"), DEMO)
    assert settings["confidence"] is False
    assert fields(Training("sp", "net3", "gopro"), Scale("paper")) == ("net3", {})
