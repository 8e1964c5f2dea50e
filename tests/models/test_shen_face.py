"""Semantic face deblurring: layers, losses, learning."""

import pytest
import torch
from small_training import real_pairs, start, step
from torch.nn import functional as F

from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.models.cost import cost
from blurbench.models.shen_face import PARTS, ShenFace


@pytest.fixture
def tiny() -> ShenFace:
    torch.manual_seed(0)
    return build("shen-face", "tiny")


@pytest.fixture
def batch():
    corners = torch.arange(32) // 16
    labels = 2 * corners[:, None] + corners
    masks = F.one_hot(labels, 4).permute(2, 0, 1).float().expand(4, -1, -1, -1)
    return {**real_pairs(32), "mask": masks}


def test_the_count_follows_from_the_layers():
    def conv(inputs: int, outputs: int, size: int) -> int:
        return inputs * outputs * size**2 + outputs

    def scale(inputs: int) -> int:
        return conv(inputs, 64, 11) + 14 * conv(64, 64, 5) + conv(64, 3, 5)

    deblurring = scale(7) + scale(10) + conv(3, 3, 4)
    with torch.device("meta"):
        model = build("shen-face")
    assert parameter_count(model.network) == deblurring
    kernels = [
        module.kernel_size[0]
        for module in model.parsing.modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    assert kernels == [3, 3, 5, 3, 3, 3] + 5 * [3] + [3]  # six down, five up, the classes
    assert cost("shen-face") == (4_060_317, pytest.approx(125.131031, rel=1e-6))


@pytest.mark.parametrize("size", [(1, 1), (33, 50)])
def test_any_size_is_restored(tiny, size):
    blur = torch.rand(2, 3, *size)
    assert tiny.deblur(blur).shape == blur.shape


def test_the_maps_guide(tiny):
    blur = torch.rand(1, 3, 32, 32)
    before = tiny.deblur(blur)
    tiny.parsing.classify.bias.data += torch.tensor([5.0, 0, 0, -5])
    assert not torch.equal(tiny.deblur(blur), before)
    maps = tiny.explain(torch.rand(1, 3, 33, 50))
    assert {picture.shape for picture in maps.values()} == {(3, 33, 50)}


def full(tiny_changes: dict) -> ShenFace:
    torch.manual_seed(0)
    return build("shen-face", "tiny", perceptual_weights="random", **tiny_changes)


def test_losses_are_the_sum_of_their_parts(batch):
    model = full({"perceptual_weight": 0.1, "adversarial_weight": 0.2, "parts_weight": 3.0})
    model.prepare()
    with torch.no_grad():
        found = model.generator_losses(batch)
        restored, _ = model.network(batch["blur"], model.maps(batch["blur"]))
    inside = batch["mask"][:, PARTS : PARTS + 1] * (restored - batch["sharp"]).abs()
    assert found["parts"].item() == pytest.approx(inside.mean().item(), rel=1e-5)
    weights = {"parts": 3.0, "perceptual": 0.1, "adversarial": 0.2}
    wanted = sum(weights.get(k, 1.0) * v.item() for k, v in found.items() if k != "loss")
    assert found["loss"].item() == pytest.approx(wanted, rel=1e-5)


def test_stages_train_what_they_name(batch):
    model = full({"adversarial_weight": 0.2, "shares": (1, 1, 1)})
    names = [[update.name for update in stage.updates] for stage in model.stages()]
    assert names == [["parsing"], ["content"], ["critic", "generator"]]
    before = {name: value.clone() for name, value in model.named_parameters()}
    stage, optimisers = start(model, 2)
    step(stage, optimisers, batch)
    moved = {
        name for name, value in model.named_parameters() if not torch.equal(value, before[name])
    }
    unmoved = before.keys() - moved
    # Batch norm takes these biases out again; a residual branch starts at zero.
    assert all("0.bias" in name or "conv1" in name for name in unmoved), unmoved
    assert {name.split(".")[0] for name in moved} == {"parsing", "network", "critic"}


@pytest.mark.slow
def test_tiny_halves_its_error_on_four_pictures(tiny, batch):
    stage, optimisers = start(tiny, 1)
    history = [float(step(stage, optimisers, batch)["generator"]["l1"]) for _ in range(60)]
    assert min(history[-5:]) < history[0] / 2


def test_without_a_discriminator_there_is_none(tiny):
    assert not hasattr(tiny, "critic")
    assert [stage.name for stage in tiny.stages()] == ["parsing", "all"]
