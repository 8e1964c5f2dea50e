"""Restormer against the released network, and by itself."""

import pytest
import torch
from reference_weights import load_reference, reference_arrays, reference_shapes, relative_error
from small_training import halves, real_pairs
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from blurbench.models.base import Batch, parameter_count
from blurbench.models.restormer import Attention, Network, Restormer


@pytest.fixture
def tiny() -> Restormer:
    torch.manual_seed(0)
    return Restormer(Restormer.PRESETS["tiny"]).eval()


@pytest.fixture(scope="module")
def pairs() -> Batch:
    return real_pairs(32)


@pytest.mark.slow
def test_it_gives_the_reference_outputs(shared):
    network = load_reference(Network(), shared, "restormer")
    for size in ("", "__b"):
        arrays = reference_arrays(shared, "restormer" + size)
        with torch.no_grad():
            assert relative_error(network(arrays["x"]), arrays["y0"]) < 1e-10


def test_it_has_the_released_keys_and_cost(shared):
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = Network()
        network(torch.zeros(1, 3, 256, 256))
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert found == reference_shapes(shared, "restormer")
    assert parameter_count(network) == 26_126_644
    assert counter.get_total_flops() / 2e9 == pytest.approx(154.882032, rel=1e-6)


def test_attention_is_between_the_channels_of_a_head():
    torch.manual_seed(0)
    attention = Attention(6, 2)
    x = torch.randn(2, 6, 4, 3)
    with torch.no_grad():
        torch.nn.init.normal_(attention.temperature)
        q, k, v = attention.qkv_dwconv(attention.qkv(x)).flatten(2).chunk(3, 1)
        mixed = torch.empty_like(v)
        for n, head in ((n, head) for n in range(2) for head in range(2)):
            own = slice(3 * head, 3 * head + 3)
            directions = F.normalize(q[n, own], dim=1) @ F.normalize(k[n, own], dim=1).T
            mixed[n, own] = (directions * attention.temperature[head]).softmax(1) @ v[n, own]
        wanted = attention.project_out(mixed.view_as(x))
        assert torch.allclose(attention(x), wanted, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (20, 70)])
def test_any_size_is_restored(tiny, size):
    blur = torch.rand(2, 3, *size)
    assert tiny.deblur(blur).shape == blur.shape


def test_every_parameter_is_trained(tiny, pairs):
    tiny.loss(pairs)["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tiny.parameters())


def test_the_rate_is_constant_and_then_falls(tiny):
    (update,) = tiny.stages()[0].updates
    rates = [update.lr * update.schedule(t) for t in (0, 92 / 300, (92 + 104) / 300, 1)]
    assert rates == pytest.approx([2e-3, 2e-3, (2e-3 + 1e-6) / 2, 1e-6])


@pytest.mark.slow
def test_it_halves_the_error_of_four_pairs(tiny, pairs):
    # What copying the input would give; the untrained network is worse.
    first = float(F.l1_loss(pairs["blur"], pairs["sharp"]))
    assert halves(tiny, pairs, first, 150, "loss")
