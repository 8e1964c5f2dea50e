"""iGAN: two classes, heat maps, and learning."""

import naive
import pytest
import torch
from small_training import real_pairs, start, step
from torch.nn import functional as F

from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.models.brmr.igan import BLURRY, IGAN, SHARP, RegionDiscriminator, partly_blurred
from blurbench.models.cost import cost


@pytest.fixture
def tiny() -> IGAN:
    torch.manual_seed(0)
    return build("igan", "tiny")


@pytest.fixture
def noisy() -> IGAN:
    torch.manual_seed(0)
    return build("igan", "tiny", width=4, downs=6, dropout=True, test_dropout=True)


def test_their_cost():
    assert cost("igan") == (54_413_955, pytest.approx(6.048186, rel=1e-6))
    with torch.device("meta"):
        discriminator = RegionDiscriminator()
        assert discriminator.judge(torch.zeros(1, 6, 256, 256))[1].shape == (1, 2, 31, 31)
    assert parameter_count(discriminator) == 2_761_536


def test_the_heat_maps_add_up_to_the_logits():
    torch.manual_seed(0)
    discriminator = RegionDiscriminator(4)
    pair = torch.rand(2, 6, 48, 56) * 2 - 1
    logits, heats = discriminator.judge(pair)
    assert torch.equal(logits, discriminator(pair))
    for label in (SHARP, BLURRY):
        heat = heats[:, label]
        assert torch.allclose(heat.mean((1, 2)), logits[:, label], atol=1e-6)
        features = discriminator.features(pair)
        weights = discriminator.classify.weight[label]
        by_hand = sum(weights[k] * features[:, k] for k in range(len(weights)))
        assert torch.allclose(heat, by_hand, atol=1e-5)


@pytest.mark.parametrize("size", [(24, 24), (64, 40), (51, 130)])
def test_a_heat_map_has_the_size_of_the_picture(tiny, size):
    image, blur = torch.rand(2, 2, 3, *size)
    found = tiny.cam(image, blur)
    assert found.shape == (2, *size)
    logits, heat = tiny.discriminator.judge(torch.cat([blur, image], 1) * 2 - 1)
    wanted = F.interpolate(heat, size, mode="bilinear", align_corners=False)[:, BLURRY]
    assert torch.allclose(found, wanted)
    chances = logits.softmax(1)[:, SHARP]
    assert torch.allclose(tiny.judge(image, blur)[0].sigmoid(), chances)


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (64, 40), (33, 130)])
def test_any_size_is_restored(tiny, size):
    blur = torch.rand(2, 3, *size)
    assert tiny.deblur(blur).shape == blur.shape


def test_the_papers_generator_pads_to_256():
    with torch.device("meta"):
        assert build("igan").multiple == 256


def test_dropout_stays_on_and_repeats(noisy):
    blur = real_pairs(64)["blur"]
    found = noisy.deblur(blur)
    assert torch.equal(found, noisy.deblur(blur))
    assert torch.equal(found[2:3], noisy.deblur(blur[2:3]))
    with torch.no_grad():
        assert not torch.equal(found, noisy.generate(blur))


def test_the_losses_are_those_of_the_two_classes(tiny):
    batch = real_pairs(32)
    blur, sharp = batch["blur"] * 2 - 1, batch["sharp"] * 2 - 1
    with torch.no_grad():
        restored = tiny.generator(blur)
        chances = [
            tiny.discriminator(torch.cat([blur, image], 1)).log_softmax(1)
            for image in (sharp, restored)
        ]
        judge = tiny.discriminator_losses(batch)["loss"]
        made = tiny.generator_losses(batch)
    real, fake = -chances[0][:, SHARP].mean(), -chances[1][:, BLURRY].mean()
    assert torch.allclose(judge, (real + fake) / 2)
    l1 = (restored - sharp).abs().mean()
    assert torch.allclose(made["loss"], -chances[1][:, SHARP].mean() + 100 * l1)


def test_a_partly_blurred_picture_is_sharp_outside_one_square():
    torch.manual_seed(0)
    sharp, blur = torch.zeros(200, 3, 20, 30), torch.ones(200, 3, 20, 30)
    mixed = partly_blurred(blur, sharp)
    assert not sharp.any()
    assert torch.equal(mixed.sum((2, 3)), torch.full((200, 3), 100.0))
    places = mixed[:, 0].flatten(1).argmax(1)  # top left corners
    rows, columns = places // 30, places % 30
    for i, (top, left) in enumerate(zip(rows, columns, strict=True)):
        assert mixed[i, :, top : top + 10, left : left + 10].all()
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, 10, 0, 20)


def test_the_discriminator_may_learn_partly_blurred_pictures_too(tiny):
    plain = tiny.discriminator_losses(batch := real_pairs(32))["loss"]
    tiny.config = tiny.config.model_copy(update={"blur_negatives": True})
    torch.manual_seed(4)
    found = tiny.discriminator_losses(batch)["loss"]
    blur, sharp = batch["blur"] * 2 - 1, batch["sharp"] * 2 - 1
    torch.manual_seed(4)
    partly = partly_blurred(blur, sharp)
    more = [tiny.classified(sharp, sharp, SHARP), tiny.classified(partly, partly, BLURRY)]
    assert torch.allclose(found, (2 * plain + sum(more)) / 4)


@pytest.mark.parametrize("stride", [1, 7])
def test_the_most_blurred_square_is_found(tiny, stride):
    images = real_pairs(48)["blur"][..., :41]
    heat = tiny.cam(images, images).detach().double().numpy()
    found = tiny.blurred_boxes(images, 20, stride)
    wanted = [(*naive.hottest_window(each, 20, stride), 20, 20) for each in heat]
    assert found == wanted


def test_stages_of_the_paper():
    with torch.device("meta"):
        (stage,) = build("igan").stages()
    assert [(u.name, u.repeats) for u in stage.updates] == [("discriminator", 1), ("generator", 1)]
    for update in stage.updates:
        assert (update.lr, update.betas) == (2e-4, (0.5, 0.999))
        assert [update.schedule(t) for t in (0, 0.5, 0.75)] == [1, 1, 0.5]


def test_every_parameter_is_trained(tiny):
    batch = real_pairs(32)
    for update in tiny.stages()[0].updates:
        tiny.zero_grad()
        update.loss(batch)["loss"].backward()
        for module in update.modules:
            for name, parameter in module.named_parameters():
                assert parameter.grad is not None, name
                assert parameter.grad.abs().sum() > 0, name


@pytest.mark.slow
def test_it_halves_the_error_of_four_pairs(tiny):
    batch = real_pairs(32)
    # What copying the input would give; the untrained network is worse.
    wanted = float(F.l1_loss(batch["blur"], batch["sharp"])) / 2
    stage, optimisers = start(tiny)
    for _ in range(300):
        left = float(step(stage, optimisers, batch)["generator"]["l1"]) / 2  # of [0, 1]
        if left < wanted:
            return
    pytest.fail(f"{left:.4f} is left, not {wanted:.4f}")
