"""MSSNet against the released network, and by itself."""

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
from blurbench.models.mssnet import MSSNet, Network, half_size
from blurbench.models.parts.losses import fft_loss


@pytest.fixture
def tiny() -> MSSNet:
    torch.manual_seed(0)
    return build("mssnet", "tiny")


@pytest.fixture(scope="module")
def pairs() -> Batch:
    return real_pairs(16)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["", "__b"])
def test_it_gives_the_reference_outputs(shared, size):
    network = load_reference(Network(), shared, "mssnet")
    arrays = reference_arrays(shared, f"mssnet{size}")
    with torch.no_grad():
        restored = network(arrays["x"])
    for number, found in enumerate(restored):
        assert relative_error(found, arrays[f"y{number}"]) < 1e-10


@pytest.mark.parametrize(
    ("name", "widths"), [("mssnet", ()), ("mssnet_small", (20, 40)), ("mssnet_large", (80, 50))]
)
def test_it_has_the_released_keys(shared, name, widths):
    with torch.device("meta"):
        network = Network(*widths)
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert found == reference_shapes(shared, name)


# The released code folds images by a convolution, 0.001 GMAC.
@pytest.mark.parametrize(
    ("preset", "parameters", "gmacs"),
    [
        ("paper", 15_614_497, 144.884539),
        ("released-small", 6_756_161, 41.001841),
        ("large", 28_182_041, 288.776612),
    ],
)
def test_its_cost_is_the_published_one(preset, parameters, gmacs):
    assert cost("mssnet", preset) == (parameters, pytest.approx(gmacs, rel=3e-5))


def test_one_slope_serves_the_whole_network(tiny):
    slopes = [m.weight for m in tiny.modules() if isinstance(m, torch.nn.PReLU)]
    assert len({id(s) for s in slopes}) == 1
    names = [name for name, value in tiny.state_dict().items() if value.shape == (1,)]
    assert len(names) == 87
    assert names[-1].removeprefix("network.") == max(names).removeprefix("network.")


def test_the_losses_are_the_released_ones(shared):
    arrays = reference_arrays(shared, "losses")
    values = json.loads((shared / "golden" / "forward" / "losses_values.json").read_text())
    sharp, half = arrays["mpr_target"], arrays["mss_gt_half"]
    assert relative_error(half_size(sharp), half) < 1e-12
    restored = {"half": (arrays["mss_pred_half"], half), "full": (arrays["mpr_restored0"], sharp)}
    for size, (found, wanted) in restored.items():
        assert float(F.l1_loss(found, wanted)) == pytest.approx(values[f"mss_l1_{size}"], rel=1e-12)
        assert float(fft_loss(found, wanted)) == pytest.approx(values[f"mss_fft_{size}"], rel=1e-12)


def test_the_spectrum_loss_is_that_of_a_discrete_fourier_transform():
    restored, sharp = torch.rand(2, 1, 2, 4, 6, dtype=torch.float64)
    rows, columns = torch.meshgrid(torch.arange(4.0), torch.arange(6.0), indexing="ij")
    total = 0.0
    for u in range(4):
        for v in range(6):
            angle = -2 * torch.pi * (u * rows / 4 + v * columns / 6).double()
            for part in (angle.cos(), angle.sin()):
                total += float(((restored - sharp) * part).sum((2, 3)).abs().sum())
    assert float(fft_loss(restored, sharp)) == pytest.approx(total / (2 * 4 * 6 * 2))


def test_every_image_is_trained_towards_its_size(tiny, pairs):
    images = tiny.network(pairs["blur"])
    assert [i.shape[-1] for i in images] == [8, 16, 16, 16, 16, 16]
    wanted = [half_size(pairs["sharp"])] + 5 * [pairs["sharp"]]
    total = sum(
        F.l1_loss(i, w) + tiny.config.fft_weight * fft_loss(i, w)
        for i, w in zip(images, wanted, strict=True)
    )
    assert float(tiny.loss(pairs)["loss"].detach()) == pytest.approx(float(total.detach()))


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (33, 20)])
def test_any_size_is_restored(tiny, size):
    blur = torch.rand(2, 3, *size)
    assert tiny.deblur(blur).shape == blur.shape


def test_every_parameter_is_trained(tiny, pairs):
    tiny.loss(pairs)["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tiny.parameters())


def test_optimiser_of_the_paper():
    with torch.device("meta"):
        (stage,) = build("mssnet").stages()
    (update,) = stage.updates
    assert not update.decoupled
    assert (update.lr, update.betas, update.weight_decay) == (2e-4, (0.9, 0.999), 0.0)
    rates = [update.lr * update.schedule(t) for t in (0.001, 0.5, 1.0)]
    assert rates == pytest.approx([2e-4, (2e-4 + 1e-6) / 2, 1e-6], rel=1e-5)


@pytest.mark.slow
def test_it_halves_the_error_of_four_pairs(tiny, pairs):
    # What copying the input would give; the untrained network is worse.
    first = float(F.l1_loss(pairs["blur"], pairs["sharp"]))
    assert halves(tiny, pairs, first, 200)


def test_mistakes_are_told():
    with pytest.raises(UserError, match=r"width: .*0"):
        build("mssnet", width=0)
