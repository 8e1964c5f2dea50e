"""DeepDeblur against the released network, its pyramid, and its training."""

import numpy as np
import pytest
import torch
from reference_weights import load_reference, reference_arrays, reference_shapes, relative_error
from skimage.transform import pyramid_gaussian
from small_training import real_pairs, start, step
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.models.cost import cost
from blurbench.models.deepdeblur import (
    SMALLEST_CROP,
    DeepDeblur,
    Discriminator,
    Network,
    SixBlockNetwork,
    gaussian_pyramid,
)

TOLERANCE = 1e-10


@pytest.fixture
def tiny() -> DeepDeblur:
    torch.manual_seed(0)
    return build("deepdeblur", "tiny")


@pytest.fixture
def adversarial() -> DeepDeblur:
    torch.manual_seed(0)
    return build("deepdeblur", "tiny", width=2, blocks=1, adversarial=1, crop_size=256)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["", "__b"])
def test_reference_outputs_at_three_sizes(shared, size):
    network = load_reference(Network(), shared, "deepdeblur_rb19")
    arrays = reference_arrays(shared, f"deepdeblur_rb19{size}")
    pyramid = [arrays["x"], arrays["x_1"], arrays["x_2"]]
    for found, wanted in zip(gaussian_pyramid(arrays["x"]), pyramid, strict=True):
        assert relative_error(found, wanted) < TOLERANCE
    kept = [picture.clone() for picture in pyramid]
    given = list(pyramid)
    with torch.no_grad():
        restored = network(given)
    for number, picture in enumerate(restored):
        assert relative_error(picture, arrays[f"y{number}"]) < TOLERANCE
        assert given[number] is pyramid[number]
        assert torch.equal(given[number], kept[number])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Network, "deepdeblur_rb19"),
        (SixBlockNetwork, "deepdeblur_rb6"),
        (Discriminator, "deepdeblur_D"),
    ],
)
def test_released_names_and_shapes(shared, kind, name):
    with torch.device("meta"):
        found = {key: tuple(value.shape) for key, value in kind().state_dict().items()}
    assert found == reference_shapes(shared, name)


def test_cost_of_the_released_networks():
    assert cost("deepdeblur") == (11_721_321, pytest.approx(335.942861, rel=1e-6))
    assert cost("deepdeblur", "rb6") == (3_729_129, pytest.approx(106.933862, rel=1e-6))
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        critic = Discriminator()
        assert critic(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 1, 1)
    assert parameter_count(critic) == 10_725_216
    assert counter.get_total_flops() / 2e9 == pytest.approx(3.07128, rel=1e-5)


@pytest.mark.parametrize("size", [(4, 4), (4, 12), (40, 28)])
def test_pyramid_is_that_of_skimage(size):
    image = np.random.default_rng(0).uniform(0, 255, (*size, 3))
    wanted = list(pyramid_gaussian(image, max_layer=2, channel_axis=-1))
    found = gaussian_pyramid(torch.tensor(image).permute(2, 0, 1)[None])
    for ours, theirs in zip(found, wanted, strict=True):
        assert np.abs(ours[0].permute(1, 2, 0).numpy() - theirs).max() < 1e-12 * 255


def test_pyramid_of_float32_is_near_that_of_float64():
    image = torch.rand(1, 3, 64, 48, dtype=torch.float64) * 255
    for single, double in zip(
        gaussian_pyramid(image.float()), gaussian_pyramid(image), strict=True
    ):
        assert (single - double).abs().max() < 1e-4


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (64, 40), (33, 70)])
def test_any_size_is_restored(tiny, size):
    blur = torch.rand(2, 3, *size)
    assert tiny.deblur(blur).shape == blur.shape


def test_the_coarser_sizes_matter(tiny):
    blur = torch.rand(1, 3, 32, 32)
    before = tiny.restore(blur)
    with torch.no_grad():
        tiny.network.body_models[2].body[0].weight.mul_(2)
    assert not torch.equal(tiny.restore(blur), before)


def test_mixed_precision_does_not_round_to_grey_levels(tiny):
    images = gaussian_pyramid(torch.rand(1, 3, 16, 16) * 255)
    with torch.autocast("cpu", torch.bfloat16):
        restored = tiny.network(images)
    assert {image.dtype for image in restored} == {torch.float32}
    assert (restored[0] != restored[0].bfloat16()).any()


def test_the_rate_halves_three_times(tiny):
    (update,) = tiny.stages()[0].updates
    found = [update.schedule(epoch / 1000) for epoch in (0, 499, 500, 750, 899, 900, 1000)]
    assert found == [1, 1, 1 / 2, 1 / 4, 1 / 4, 1 / 8, 1 / 8]


def test_every_parameter_is_trained(tiny):
    (update,) = tiny.stages()[0].updates
    update.loss(real_pairs(32))["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tiny.parameters())


def test_the_discriminator_and_the_network_train_each_other(adversarial):
    assert parameter_count(*adversarial.inference_modules()) < parameter_count(adversarial)
    batch = real_pairs(200)
    critic, network = adversarial.stages()[0].updates
    assert critic.modules == (adversarial.discriminator,)
    critic.loss(batch)["loss"].backward()
    assert all(p.grad is None for p in adversarial.network.parameters())
    assert all(p.grad.abs().sum() > 0 for p in adversarial.discriminator.parameters())
    losses = network.loss(batch)
    logits = adversarial.discriminator(255 * adversarial.restore(batch["blur"]))
    wanted = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    assert losses["adversarial"].item() == pytest.approx(wanted.item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(
        losses["adversarial"], adversarial.network.body_models[0].body[0].weight
    )
    assert gradient.abs().sum() > 0


def test_adversarial_loss_needs_large_crops():
    assert Discriminator(2)(torch.zeros(1, 3, SMALLEST_CROP, SMALLEST_CROP)).numel() == 1
    with pytest.raises(UserError, match=r"adversarial: needs a crop_size of at least 193"):
        build("deepdeblur", "tiny", adversarial=1)


@pytest.mark.slow
def test_tiny_learns_four_real_pairs(tiny):
    batch = real_pairs(16)
    stage, optimisers = start(tiny)
    history = [step(stage, optimisers, batch)["network"]["l1"] for _ in range(200)]
    assert history[-1] < 0.5 * history[0]
    # It begins from grey, and has gone past the blurred pictures themselves.
    assert history[-1] < F.l1_loss(batch["blur"], batch["sharp"])
