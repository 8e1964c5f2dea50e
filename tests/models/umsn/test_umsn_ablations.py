"""The networks of Table VI, and BN by itself."""

import pytest
import torch
from small_training import real_pairs, start, step

from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.models.umsn.bn import BN
from blurbench.models.umsn.config import INNER_SMALL

OFF = {"streams": False, "confidence": False}


def deblurring_parameters(name: str, preset: str, **settings: object) -> int:
    with torch.device("meta"):
        model = build(name, preset, **settings)
    if name == "bn":
        return parameter_count(*model.inference_modules())
    return parameter_count(*model.network.restoring_modules())


TABLE_6 = (
    ("bn", "paper", 7_611_744),
    ("umsn", "maps", 7_639_462),
    ("umsn", "nested", 7_640_934),
    ("umsn", "no-confidence", 7_615_342),
    ("umsn", "paper", 7_615_342),
)


@pytest.mark.parametrize(("name", "preset", "count"), TABLE_6)
def test_rows_of_the_ablation_are_of_one_size(name, preset, count):
    found = deblurring_parameters(name, preset)
    assert found == count
    assert found == pytest.approx(deblurring_parameters("umsn", "paper"), rel=0.005)


# On `tiny`, whose networks are those of `small`.
TINY_TABLE_6 = (
    ("bn", {"inner": INNER_SMALL["bn"]}, 434_714),
    ("umsn", {"inner": INNER_SMALL["maps"], **OFF, "nested": False}, 432_808),
    ("umsn", {"inner": INNER_SMALL["nested"], **OFF}, 433_544),
    ("umsn", {"confidence": False}, 434_982),
    ("umsn", {}, 434_982),
)


@pytest.mark.parametrize(("name", "settings", "count"), TINY_TABLE_6)
def test_rows_of_the_ablation_are_of_one_size_on_tiny_too(name, settings, count):
    found = deblurring_parameters(name, "tiny", **settings)
    assert found == count
    assert found == pytest.approx(deblurring_parameters("umsn", "tiny"), rel=0.005)


def test_unwidened_bn_is_a_sixth_smaller():
    assert deblurring_parameters("bn", "narrow") == 6_361_786


@pytest.mark.parametrize(
    ("preset", "streams", "nested", "confidence"),
    [
        ("maps", False, False, False),
        ("nested", False, True, False),
        ("no-confidence", True, True, False),
        ("paper", True, True, True),
    ],
)
def test_presets_add_one_thing_at_a_time(preset, streams, nested, confidence):
    with torch.device("meta"):
        model = build("umsn", preset)
    names = {name.split(".")[0] for name, _ in model.network.named_parameters()}
    assert ("deblur_class1" in names, "conv_refin_in" in names, "conf_ker" in names) == (
        streams,
        nested,
        confidence,
    )
    stages = [stage.name for stage in model.stages()]
    assert ("f-nets" in stages) == streams
    assert stages[-1] == "network"


@pytest.mark.parametrize(
    "off",
    [
        {"streams": False, "nested": False, "confidence": False},
        {"streams": False, "confidence": False},
        {"confidence": False},
    ],
)
def test_every_parameter_of_an_ablation_is_trained(off):
    model = build("umsn", "tiny", identity_start=False, **off)
    *_, stage = model.stages()
    (update,) = stage.updates
    batch = {**real_pairs(32), "mask": torch.ones(4, 4, 32, 32)}
    found = update.loss(batch)
    found["loss"].backward()
    assert set(found) == {"loss", "l1"}
    for module in update.modules:
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
    assert model.deblur(torch.rand(1, 3, 24, 40)).shape == (1, 3, 24, 40)


def test_unused_tensors_belong_to_the_whole_network_alone():
    from blurbench.errors import UserError

    with pytest.raises(UserError, match="unused_tensors"):
        build("umsn", "code", nested=False)


@pytest.fixture
def bn() -> BN:
    torch.manual_seed(0)
    return build("bn", "tiny")


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (33, 50)])
def test_bn_restores_any_size(bn, size):
    assert bn.deblur(torch.rand(2, 3, *size)).shape == (2, 3, *size)


def test_bn_needs_no_masks_and_trains_all_of_itself(bn):
    model = build("bn", "tiny", identity_start=False)
    stage, _ = start(model)
    found = stage.updates[0].loss(real_pairs(32))
    found["loss"].backward()
    assert found["loss"].item() > found["l1"].item()  # and half a size, and gradients
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert bn.NEEDS == ()


@pytest.mark.slow
def test_tiny_bn_halves_its_error_on_four_pictures(bn):
    stage, optimisers = start(bn)
    batch = real_pairs(32)
    history = [float(step(stage, optimisers, batch)["network"]["l1"]) for _ in range(60)]
    assert min(history[-5:]) < history[0] / 2
