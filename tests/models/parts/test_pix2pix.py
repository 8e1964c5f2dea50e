"""The networks of pix2pix against the released ones."""

import pytest
import torch
from reference_weights import load_reference, reference_arrays, reference_shapes, relative_error
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from blurbench.models.base import parameter_count
from blurbench.models.parts.pix2pix import (
    InstanceNorm,
    PatchDiscriminator,
    SkipBlock,
    UnetGenerator,
    initialise,
    unet_128,
)

NETWORKS = {
    "pix2pix_unet256_G": UnetGenerator,
    "pix2pix_unet128_G": unet_128,
    "pix2pix_D70": PatchDiscriminator,
}
# Channels and side of the input, parameters, GMACs.
COSTS = {
    "pix2pix_unet256_G": (3, 256, 54_413_955, 6.048186),
    "pix2pix_unet128_G": (3, 128, 41_828_995, 1.505756),
    "pix2pix_D70": (6, 256, 2_768_705, 3.197141),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_they_give_the_reference_outputs(shared, name):
    network = load_reference(NETWORKS[name](), shared, name)
    cases = ("", "__batchstats") if "256" in name else ("", "__b", "__batchstats")
    for case in cases:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train(case == "__batchstats")
        arrays = reference_arrays(shared, name + case)
        given = torch.cat([arrays[key] for key in ("x", "target") if key in arrays], 1)
        with torch.no_grad():
            assert relative_error(network(given), arrays["y0"]) < 1e-10


@pytest.mark.parametrize("name", NETWORKS)
def test_they_have_the_released_keys(shared, name):
    with torch.device("meta"):
        network = NETWORKS[name]()
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert found == reference_shapes(shared, name)


@pytest.mark.parametrize("name", NETWORKS)
def test_their_cost_is_the_released_one(name):
    channels, side, parameters, gmacs = COSTS[name]
    with torch.device("meta"):
        network = NETWORKS[name]()
        with FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, channels, side, side))
    assert parameter_count(network) == parameters
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmacs, rel=1e-6)


@pytest.mark.parametrize(("downs", "layers"), [(8, 3), (7, 2), (5, 0)])
def test_dropout_is_in_the_deep_levels_but_the_innermost(downs, layers):
    with torch.device("meta"):
        network = UnetGenerator(downs)
    blocks = [m for m in network.modules() if isinstance(m, SkipBlock)]
    found = [isinstance(block.model[-1], nn.Dropout) for block in blocks]
    # From the outermost block to the innermost.
    assert found == [False] * 3 + [True] * layers + [False]


def test_instance_norm_is_batch_norm_of_one_picture():
    torch.manual_seed(0)
    batch, instance = UnetGenerator(5, 2, dropout=False), UnetGenerator(5, 2, InstanceNorm, False)
    initialise(batch)
    instance.load_state_dict(
        {k: v for k, v in batch.state_dict().items() if "running" not in k and "num_" not in k}
    )
    x = torch.rand(1, 3, 64, 64)
    assert torch.allclose(batch.train()(x), instance.eval()(x), atol=1e-6)


def test_a_residual_is_added_to_the_picture_and_kept_in_range():
    torch.manual_seed(0)
    plain, added = (
        UnetGenerator(5, 2, dropout=False),
        UnetGenerator(5, 2, dropout=False, residual=True),
    )
    added.load_state_dict(plain.state_dict())
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    plain, added = plain.eval(), added.eval()
    assert torch.equal(added(x), (x + plain(x)).clamp(-1, 1))
    assert not torch.equal(added(x), x + plain(x))  # some of it is out of range


def test_initial_weights():
    torch.manual_seed(0)
    network = UnetGenerator(5, 8, InstanceNorm)
    initialise(network)
    for name, value in network.state_dict().items():
        if value.ndim > 1:
            wanted = 0.0, 0.02
        else:
            wanted = (1.0, 0.02) if name.endswith("weight") else (0.0, 0.0)
        assert float(value.mean()) == pytest.approx(wanted[0], abs=0.015)
        assert float(value.std()) == pytest.approx(wanted[1], rel=0.6)
