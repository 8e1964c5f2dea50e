"""UNet: shapes, sizes, learning."""

import pytest
import torch

from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.models.parts.schedules import cosine


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return build("unet", "tiny")


def test_parameter_counts(tiny):
    assert parameter_count(*build("unet").inference_modules()) == 13_421_571
    assert parameter_count(tiny) == 2_419_715


def test_the_count_follows_from_the_layers():
    def conv(inputs: int, outputs: int, size: int) -> int:
        return inputs * outputs * size**2 + outputs

    blocks = sum(2 * 4 * 2 * conv(w, w, 3) for w in (64, 128, 256))
    down = conv(64, 128, 3) + conv(128, 256, 3)
    up = conv(256, 128, 4) + conv(128, 64, 4)
    wanted = conv(3, 64, 3) + blocks + down + up + conv(64, 3, 3)
    assert parameter_count(build("unet")) == wanted


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (64, 40), (33, 130)])
def test_any_size_is_restored(tiny, size):
    blur = torch.rand(2, 3, *size)
    assert tiny.deblur(blur).shape == blur.shape


def test_an_untrained_model_copies_its_input(tiny):
    blur = torch.rand(1, 3, 30, 30)
    assert torch.equal(tiny.deblur(blur), blur)


def test_a_pixel_far_away_matters():
    torch.manual_seed(0)
    model = build("unet", "tiny")
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    blur = torch.rand(1, 3, 128, 128)
    blur.requires_grad_()
    model.restore(blur)[0, :, 64, 64].sum().backward()
    assert blur.grad[0, :, 64, 4].abs().sum() > 0


def test_every_parameter_is_trained(tiny):
    (stage,) = tiny.stages()
    (update,) = stage.updates
    for name, parameter in tiny.named_parameters():
        if "conv2" in name or "tail" in name:  # zero at first, which stops what lies before
            torch.nn.init.normal_(parameter, std=0.1)
    update.loss({"blur": torch.rand(1, 3, 32, 32), "sharp": torch.rand(1, 3, 32, 32)})[
        "loss"
    ].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tiny.parameters())


def test_optimiser_of_the_paper():
    (stage,) = build("unet").stages()
    (update,) = stage.updates
    assert update.decoupled
    assert update.lr == 2e-4
    assert update.betas == (0.9, 0.999)
    rates = [update.lr * update.schedule(t) for t in (0.0, 0.5, 1.0)]
    assert rates == pytest.approx([2e-4, (2e-4 + 1e-6) / 2, 1e-6])


def test_a_warm_up_rises_before_the_cosine_falls():
    schedule = cosine(0.1, warm_up=0.2)
    rates = [schedule(t / 10) for t in range(11)]
    assert 0 < rates[0] < rates[1] < rates[2]
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[2:] == [cosine(0.1)(t / 10) for t in range(2, 11)]


@pytest.mark.slow
def test_it_overfits_one_batch(tiny):
    sharp = torch.rand(2, 3, 32, 32)
    batch = {"sharp": sharp, "blur": sharp / 2}
    (update,) = tiny.stages()[0].updates
    optimiser = torch.optim.AdamW(tiny.parameters(), 2e-3)
    history = []
    for _ in range(30):
        loss = update.loss(batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(float(loss.detach()))
    assert history[-1] < 0.7 * history[0]


def test_state_dict_keys_stay(tiny):
    keys = list(tiny.state_dict())
    assert keys[0] == "head.weight"
    assert "encoder.3.2.conv2.bias" in keys
    assert "decoder.0.0.conv1.weight" in keys
    assert len(keys) == 4 + 2 * (1 + 2 + 2 + 3) * 4 + 12
