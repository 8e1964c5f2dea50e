"""U-Deconv against the public re-implementation, and by itself."""

import pytest
import torch
from reference_weights import load_reference, reference_arrays, reference_shapes, relative_error
from small_training import halves, real_pairs
from torch.utils.flop_counter import FlopCounterMode

from blurbench.models.base import Batch, parameter_count
from blurbench.models.udeconv import Conv, Double, Network, UDeconv, slopes


@pytest.fixture
def tiny() -> UDeconv:
    torch.manual_seed(0)
    return UDeconv(UDeconv.PRESETS["tiny"]).eval()


@pytest.fixture(scope="module")
def pairs() -> Batch:
    return real_pairs(32)


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["", "__b", "__batchstats"])
def test_it_gives_the_reference_outputs(shared, kept):
    network = load_reference(Network(), shared, "udeconv_burst")
    network.train(kept == "__batchstats")
    arrays = reference_arrays(shared, f"udeconv_burst{kept}")
    with torch.no_grad():
        assert relative_error(network(arrays["x"]), arrays["y0"]) < 1e-10


def test_it_has_the_released_keys(shared):
    with torch.device("meta"):
        network = Network()
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert found == reference_shapes(shared, "udeconv_burst")


def test_its_cost_is_the_measured_one():
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = Network()
        network(torch.zeros(1, 3, 256, 256))
    assert parameter_count(network) == 16_229_734
    assert counter.get_total_flops() / 2e9 == pytest.approx(55.972086, rel=1e-6)


@pytest.mark.parametrize("conv", [Conv(3, 5, 3), Double(4, 6)])
def test_scale_and_direction_of_a_filter_are_apart(conv):
    x = torch.rand(1, conv.weight_v.shape[isinstance(conv, Conv) - isinstance(conv, Double)], 6, 6)
    before = conv(x)
    with torch.no_grad():
        conv.weight_v.mul_(7)
    assert torch.allclose(conv(x), before, atol=1e-5)
    with torch.no_grad():
        conv.weight_g.mul_(2)
        conv.bias.mul_(2)
    assert torch.allclose(conv(x), 2 * before, atol=1e-5)


def test_slopes_are_those_of_a_ramp():
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(7.0), indexing="ij")
    image = torch.stack([2 * columns, 5 * rows])[None]
    inner = slopes(image)[0, :, 1:-1, 1:-1]
    # Channel by channel: across, down; of each the difference over two pixels, negated.
    assert [float(channel.mean()) for channel in inner] == pytest.approx([-2, 0, 0, -5], abs=1e-5)
    assert float(inner.std((1, 2)).max()) < 1e-5


def test_mixed_precision_leaves_slopes_as_they_are():
    image = torch.rand(1, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = slopes(image)
    assert torch.equal(mixed, slopes(image))


@pytest.mark.parametrize("size", [(1, 1), (20, 70), (64, 32)])
def test_any_size_is_restored(tiny, size):
    blur = torch.rand(2, 3, *size)
    assert tiny.deblur(blur).shape == blur.shape


def test_every_parameter_is_trained(tiny, pairs):
    tiny.train().loss(pairs)["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tiny.parameters())


def test_the_rate_decays_after_every_eight_pictures():
    config = UDeconv.PRESETS["paper"]
    with torch.device("meta"):
        ((update,),) = (stage.updates for stage in UDeconv(config).stages())
    assert update.lr * update.schedule(0) == pytest.approx(3e-3)
    assert update.schedule(1000 / config.steps) == pytest.approx(0.99997**1000)


@pytest.mark.slow
def test_it_halves_the_error_of_four_pairs(tiny, pairs):
    # What the mean colour would give: nothing hands the picture itself to the output.
    sharp = pairs["sharp"]
    first = float((sharp - sharp.mean((2, 3), keepdim=True)).abs().mean())
    assert halves(tiny, pairs, first, 100)
