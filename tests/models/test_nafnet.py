"""NAFNet against the released network, and by itself."""

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
from blurbench.models.nafnet import LayerNorm2d, NAFNet, Network
from blurbench.models.parts.losses import psnr_loss


@pytest.fixture
def tiny() -> NAFNet:
    torch.manual_seed(0)
    return build("nafnet", "tiny")


@pytest.fixture(scope="module")
def pairs() -> Batch:
    return real_pairs(32)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "width"), [("nafnet_w32", 32), ("nafnet_w64", 64)])
def test_it_gives_the_reference_outputs(shared, name, width):
    network = load_reference(Network(width), shared, name)
    for size in ("", "__b"):
        arrays = reference_arrays(shared, name + size)
        with torch.no_grad():
            found = network(arrays["x"])
        assert relative_error(found, arrays["y0"]) < 1e-10


@pytest.mark.parametrize(("name", "width"), [("nafnet_w32", 32), ("nafnet_w64", 64)])
def test_it_has_the_released_keys(shared, name, width):
    with torch.device("meta"):
        network = Network(width)
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert found == reference_shapes(shared, name)


def test_its_cost_is_the_published_one():
    assert cost("nafnet") == (67_888_835, pytest.approx(63.054979, rel=1e-6))
    assert cost("nafnet", "w32") == (17_111_907, pytest.approx(15.956027, rel=1e-6))


def test_the_loss_is_the_released_one(shared):
    arrays = reference_arrays(shared, "losses")
    values = json.loads((shared / "golden" / "forward" / "losses_values.json").read_text())
    loss = psnr_loss(arrays["mpr_restored0"], arrays["mpr_target"])
    assert float(loss) == pytest.approx(values["naf_psnrloss"], rel=1e-12)


def test_the_loss_is_the_mean_of_each_pictures_psnr():
    sharp = torch.rand(2, 3, 5, 4)
    restored = sharp + torch.tensor([0.1, 0.01])[:, None, None, None]
    assert float(psnr_loss(restored, sharp)) == pytest.approx(-(20 + 40) / 2, rel=1e-3)
    assert float(psnr_loss(sharp, sharp)) == pytest.approx(-80)


def test_normalisation_is_over_the_channels_of_each_pixel():
    norm = LayerNorm2d(5)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = torch.randn(2, 5, 3, 4)
    wanted = torch.stack(
        [F.layer_norm(p, (5,), norm.weight, norm.bias, 1e-6) for p in x.permute(0, 2, 3, 1)]
    )
    assert torch.equal(norm(x), wanted.permute(0, 3, 1, 2))
    pixel = x[1, :, 2, 3]
    spread = ((pixel - pixel.mean()).square().mean() + 1e-6).sqrt()
    by_hand = (pixel - pixel.mean()) / spread * norm.weight + norm.bias
    assert torch.allclose(norm(x)[1, :, 2, 3], by_hand, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (64, 40), (33, 130)])
def test_any_size_is_restored(tiny, size):
    blur = torch.rand(2, 3, *size)
    assert tiny.deblur(blur).shape == blur.shape
    assert tiny.network(blur).shape == blur.shape


def test_the_network_pads_with_zeros(tiny):
    blur = torch.rand(1, 3, 20, 30)
    with torch.no_grad():
        whole = tiny.network(F.pad(blur, (0, 2, 0, 12)))
        assert torch.equal(tiny.network(blur), whole[..., :20, :30])


def test_blocks_begin_as_the_identity(tiny):
    block = tiny.network.middle_blks[0]
    x = torch.rand(1, block.conv1.in_channels, 3, 3)
    assert torch.equal(block(x), x)


def test_every_parameter_is_trained(tiny, pairs):
    for name, parameter in tiny.named_parameters():
        if name.endswith(("beta", "gamma")):  # zero at first, which stops what lies before
            torch.nn.init.normal_(parameter, std=0.1)
    tiny.loss(pairs)["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tiny.parameters())


def test_optimiser_of_the_paper():
    (stage,) = build("nafnet", "w32").stages()
    (update,) = stage.updates
    assert update.decoupled
    assert (update.lr, update.betas, update.weight_decay) == (1e-3, (0.9, 0.9), 1e-3)
    assert update.clip == 0.01
    rates = [update.lr * update.schedule(t) for t in (0.0, 0.5, 1.0)]
    assert rates == pytest.approx([1e-3, (1e-3 + 1e-7) / 2, 1e-7])


@pytest.mark.slow
def test_it_halves_the_error_of_four_pairs(tiny, pairs):
    # What copying the input would give; the untrained network is worse.
    first = float(F.l1_loss(pairs["blur"], pairs["sharp"]))
    assert halves(tiny, pairs, first, 150)


@pytest.mark.parametrize(
    ("field", "told"), [({"decoder": "1,1"}, "needs 4"), ({"width": 0}, "width: .*0")]
)
def test_mistakes_are_told(field, told):
    with pytest.raises(UserError, match=told):
        build("nafnet", **field)
