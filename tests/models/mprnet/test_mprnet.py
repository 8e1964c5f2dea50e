"""MPRNet against the released network, and by itself."""

import json

import pytest
import torch
from reference_weights import (
    load_reference,
    reference_arrays,
    reference_shapes,
    relative_error,
)
from small_training import halves, real_pairs
from torch.nn import functional as F

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.base import Batch
from blurbench.models.cost import cost
from blurbench.models.mprnet import FirstStage, MPRNet, Network
from blurbench.models.mprnet.network import COLUMNS, ROWS, join, split
from blurbench.models.parts.losses import charbonnier_loss, edge_loss, laplacian


@pytest.fixture
def tiny() -> MPRNet:
    torch.manual_seed(0)
    return build("mprnet", "tiny")


@pytest.fixture(scope="module")
def pairs() -> Batch:
    return real_pairs(16)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["", "__b"])
def test_it_gives_the_reference_outputs(shared, size):
    network = load_reference(Network(), shared, "mprnet")
    arrays = reference_arrays(shared, f"mprnet{size}")
    with torch.no_grad():
        restored = network(arrays["x"])
    for number, found in enumerate(restored):
        assert relative_error(found, arrays[f"y{number}"]) < 1e-10


@pytest.mark.parametrize(("name", "kind"), [("mprnet", Network), ("mprnet_s1", FirstStage)])
def test_it_has_the_released_keys(shared, name, kind):
    with torch.device("meta"):
        network = kind()
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert found == reference_shapes(shared, name)


def test_its_cost_is_the_published_one():
    assert cost("mprnet") == (20_127_073, pytest.approx(759.411072, rel=1e-6))
    assert cost("mprnet", "stage1") == (5_754_817, pytest.approx(108.565518, rel=1e-6))


def test_one_slope_serves_the_whole_network(tiny):
    slopes = [m.weight for m in tiny.modules() if isinstance(m, torch.nn.PReLU)]
    assert len({id(s) for s in slopes}) == 1
    names = [name for name, value in tiny.state_dict().items() if value.shape == (1,)]
    assert len(names) == 3 + 2 * 14 + 3 * tiny.config.original_blocks


def test_the_losses_are_the_released_ones(shared):
    arrays = reference_arrays(shared, "losses")
    values = json.loads((shared / "golden" / "forward" / "losses_values.json").read_text())
    sharp = arrays["mpr_target"]
    restored = [arrays[f"mpr_restored{number}"] for number in range(3)]
    for number, image in enumerate(restored):
        found = float(charbonnier_loss(image, sharp)), float(edge_loss(image, sharp))
        assert found == pytest.approx(
            (values[f"mpr_char{number}"], values[f"mpr_edge{number}"]), rel=1e-12
        )
    assert relative_error(laplacian(sharp), arrays["mpr_laplacian_target"]) < 1e-12
    model = build("mprnet", "tiny")
    model.network = torch.nn.Module()
    model.network.forward = lambda _: restored
    losses = model.loss({"blur": sharp, "sharp": sharp})
    assert float(losses["loss"]) == pytest.approx(values["mpr_total"], rel=1e-12)


def test_losses_by_hand():
    sharp = torch.rand(1, 3, 6, 8)
    assert float(charbonnier_loss(sharp + 0.3, sharp)) == pytest.approx(0.3, rel=1e-4)
    assert float(charbonnier_loss(sharp, sharp)) == pytest.approx(1e-3)
    flat = torch.full((1, 3, 6, 8), 0.5)
    # One even pixel in four, times four, and the same filter again: nothing is left of a flat area.
    assert laplacian(flat)[..., 2:-2, 2:-2].abs().max() < 1e-6


def test_mixed_precision_leaves_the_edge_loss_as_it_is():
    torch.manual_seed(0)
    restored, sharp = torch.rand(2, 1, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = edge_loss(restored, sharp)
        assert edge_loss(restored.bfloat16(), sharp).dtype == torch.float32
    assert torch.equal(mixed, edge_loss(restored, sharp))


def test_patches_come_back_to_their_places():
    x = torch.rand(3, 2, 8, 12)
    halves = split(x, ROWS)
    quarters = split(halves, COLUMNS)
    # All images' first quarters, second below, then the right sides.
    assert torch.equal(quarters[0], x[0, :, :4, :6])
    assert torch.equal(quarters[4], x[1, :, 4:, :6])
    assert torch.equal(quarters[8], x[2, :, :4, 6:])
    assert torch.equal(quarters[11], x[2, :, 4:, 6:])
    assert torch.equal(join(quarters, COLUMNS), halves)
    assert torch.equal(join(halves, ROWS), x)


def test_images_of_a_batch_do_not_mix(tiny):
    blur = torch.rand(3, 3, 16, 24)
    with torch.no_grad():
        together = tiny.network(blur)
        for number in range(3):
            alone = tiny.network(blur[number : number + 1])
            for whole, one in zip(together, alone, strict=True):
                assert torch.allclose(whole[number], one[0], atol=1e-5)


@pytest.mark.parametrize("network", ["full", "stage1"])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (33, 20)])
def test_any_size_is_restored(network, size):
    model = build("mprnet", "tiny", network=network)
    blur = torch.rand(2, 3, *size)
    assert model.deblur(blur).shape == blur.shape


@pytest.mark.parametrize("network", ["full", "stage1"])
def test_every_parameter_is_trained(network, pairs):
    torch.manual_seed(0)
    model = build("mprnet", "tiny", network=network)
    model.loss(pairs)["loss"].backward()
    idle = {n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    # The four units of a narrow attention may all be off for four pictures.
    assert all("CA.conv_du" in name for name in idle)
    assert len(idle) < 10


def test_optimiser_of_the_paper():
    with torch.device("meta"):
        (stage,) = build("mprnet").stages()
    (update,) = stage.updates
    assert not update.decoupled
    assert (update.lr, update.betas, update.weight_decay) == (2e-4, (0.9, 0.999), 0.0)
    rates = [update.lr * update.schedule(t) for t in (0.001, 0.5, 1.0)]
    assert rates == pytest.approx([2e-4, (2e-4 + 1e-6) / 2, 1e-6], rel=1e-5)


@pytest.mark.slow
def test_it_halves_the_error_of_four_pairs(tiny, pairs):
    # What copying the input would give; the untrained network is worse.
    first = float(F.l1_loss(pairs["blur"], pairs["sharp"]))
    assert halves(tiny, pairs, first, 400)


@pytest.mark.parametrize(
    ("field", "told"),
    [({"width": 90}, "width: .*90"), ({"network": "stage4"}, "network: .*stage4")],
)
def test_mistakes_are_told(field, told):
    with pytest.raises(UserError, match=told):
        build("mprnet", **field)
