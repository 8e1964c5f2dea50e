"""MIMO-UNet and MIMO-UNet+ against the released networks, and their training."""

import json

import pytest
import torch
from reference_weights import load_reference, reference_arrays, reference_shapes, relative_error
from small_training import real_pairs, start, step
from torch.nn import functional as F

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.models.cost import cost
from blurbench.models.mimo_unet import Network, PlusNetwork, targets
from blurbench.models.parts.losses import fft_loss

TOLERANCE = 1e-10


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return build("mimo-unet", "tiny")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [(Network, "mimounet"), (PlusNetwork, "mimounetplus")])
def test_reference_outputs_at_three_sizes(shared, kind, name):
    network = load_reference(kind(), shared, name)
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert shapes == reference_shapes(shared, name)
    for size in ("", "__b"):
        arrays = reference_arrays(shared, name + size)
        with torch.no_grad():
            found = network(arrays["x"])
        for number, restored in enumerate(found):
            assert relative_error(restored, arrays[f"y{number}"]) < TOLERANCE


def test_reference_losses(shared, tiny, monkeypatch):
    arrays = reference_arrays(shared, "losses")
    values = json.loads((shared / "golden" / "forward" / "losses_values.json").read_text())
    sharp = targets(arrays["mimo_label"])
    assert relative_error(sharp[0], arrays["mimo_label_img4"]) < TOLERANCE
    assert relative_error(sharp[1], arrays["mimo_label_img2"]) < TOLERANCE
    predictions = [arrays[f"mimo_pred{i}"] for i in range(3)]
    for i, restored in enumerate(predictions):
        found = float(F.l1_loss(restored, sharp[i])), float(fft_loss(restored, sharp[i]))
        assert found == pytest.approx((values[f"mimo_l{i + 1}"], values[f"mimo_f{i + 1}"]), 1e-12)
    monkeypatch.setattr(tiny.network, "forward", lambda _: predictions)
    found = tiny.loss({"blur": arrays["mimo_label"], "sharp": arrays["mimo_label"]})
    assert float(found["loss"]) == pytest.approx(values["mimo_loss"], 1e-12)
    assert float(found["fft"]) == pytest.approx(values["mimo_loss_fft"], 1e-12)


@pytest.mark.parametrize(
    ("name", "parameters", "gmacs"),
    [("mimo-unet", 6_807_171, 63.732842), ("mimo-unet-plus", 16_107_651, 150.70593)],
)
def test_cost_of_the_released_networks(name, parameters, gmacs):
    assert cost(name) == (parameters, pytest.approx(gmacs, rel=1e-6))


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (64, 40), (33, 70)])
def test_any_size_is_restored(tiny, size):
    blur = torch.rand(2, 3, *size)
    assert tiny.deblur(blur).shape == blur.shape


def test_a_width_that_cannot_be_halved_is_refused():
    with pytest.raises(UserError, match=r"width: .*9"):
        build("mimo-unet", "tiny", width=9)


def test_dropout_of_plus_acts_in_training_only():
    torch.manual_seed(0)
    model = build("mimo-unet-plus", "tiny", blocks=1)
    blur = torch.rand(1, 3, 16, 16)
    assert torch.equal(model.restore(blur), model.restore(blur))
    model.train()
    assert not torch.equal(model.restore(blur), model.restore(blur))
    assert [build("mimo-unet-plus").config.blocks, build("mimo-unet").config.blocks] == [20, 8]


def test_the_rate_halves_every_sixth():
    (update,) = build("mimo-unet", "tiny").stages()[0].updates
    found = [update.schedule(epoch / 3000) for epoch in (0, 499, 500, 1499, 1500, 2999)]
    assert found == [1, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 32]


def test_every_parameter_is_trained(tiny):
    (update,) = tiny.stages()[0].updates
    update.loss(real_pairs(16))["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tiny.parameters())


@pytest.mark.slow
def test_tiny_halves_the_error_of_four_real_pairs(tiny):
    batch = real_pairs(16)
    stage, optimisers = start(tiny)
    for _ in range(150):
        losses = step(stage, optimisers, batch)["network"]
    # Of the blurred pictures, not of the first guess, which is worse.
    assert losses["l1"] < 0.5 * F.l1_loss(batch["blur"], batch["sharp"])


def test_tiny_stays_small(tiny):
    assert parameter_count(tiny) == 542_019
    assert parameter_count(build("mimo-unet-plus", "tiny")) == 929_987
