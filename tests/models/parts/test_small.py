"""Presets `small`: rivals of a printed table cost about the same, and see the same crops."""

import pytest
import torch

from blurbench.models import MODELS, build, model_class
from blurbench.models.base import parameter_count
from blurbench.models.cost import cost
from blurbench.ranking.printed import tables
from blurbench.reproduce.planned import planned
from blurbench.reproduce.scales import Scale
from blurbench.reproduce.suites import Training, cells, trainings
from blurbench.testing import check_model
from blurbench.training.schedule import largest_crop

SMALL = Scale("small")
GMACS = {
    "unet": 7.54,
    "nafnet": 7.81,
    "restormer": 8.14,
    "mimo-unet": 8.73,
    "mimo-unet-plus": 10.54,
    "mprnet": 7.53,
    "mssnet": 7.53,
    "udeconv": 7.92,
    "deblurgan": 7.94,
    "deepdeblur": 9.00,
    "igan": 6.22,
    "s3e": 8.75,
    "umsn": 13.21,
    "bn": 11.91,
    "shen-face": 9.28,
}
# They hold a rival as it is, and cost what they add: BRMR its discriminator and pGAN to `igan`, the
# semantic prior its student to each backbone (5 GMACs; `sp-4` and study-sp have controls for that).
MORE = {"brmr", "sp"}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_one(name):
    config = model_class(name).PRESETS["small"]
    assert config.precision == "auto"
    with torch.device("meta"):
        model = build(name, "small")
    assert (largest_crop(config) or model.multiple) % model.multiple == 0
    assert all(crop % model.multiple == 0 for crop in config.crops)


@pytest.mark.parametrize("name", GMACS)
def test_what_it_costs(name):
    assert cost(name, "small")[1] == pytest.approx(GMACS[name], abs=0.01)


@pytest.mark.parametrize("name", tables())
def test_rivals_of_a_table_cost_about_the_same(name):
    found = {each.model for each in trainings(cells(name)) if model_class(each.model).RESTORES}
    costs = {model: GMACS[model] for model in found - MORE} or {"": 1.0}
    assert max(costs.values()) <= 1.5 * min(costs.values()), costs


@pytest.mark.parametrize("name", tables())
def test_rivals_of_a_table_see_the_same_crops(name):
    seen: dict[str, set] = {}
    for each in trainings(cells(name)):
        c = planned(each, SMALL).model.config
        shown = (c.batch_size, c.crop_size, c.crops, c.batches, c.flip, c.turns, c.ema)
        seen.setdefault(each.recipe, set()).add(shown)
    assert seen
    assert all(len(kinds) == 1 for kinds in seen.values()), seen


@pytest.mark.parametrize("preset", ["maps", "nested", "no-confidence", "paper"])
def test_the_ablation_of_umsn_has_equal_parameters(preset):
    bn = parameter_count(planned(Training("bn", "paper", "umsn-faces"), SMALL).model)
    umsn = planned(Training("umsn", preset, "umsn-faces"), SMALL).model
    assert parameter_count(*umsn.network.restoring_modules()) == pytest.approx(bn, rel=0.005)


def test_brmr_begins_with_the_igan_of_its_rival():
    brmr, igan = (model_class(name).PRESETS["small"].model_dump() for name in ("brmr", "igan"))
    assert {key for key in igan if igan[key] != brmr[key]} == {"steps"}
    assert brmr["steps"] == 2 * igan["steps"]


@pytest.mark.parametrize("name", GMACS)
@pytest.mark.slow
def test_it_keeps_the_contract(name):
    check_model(name, "small", crops=(), batches=(), crop_size=64, batch_size=2)
