"""Dropout after training: on, and the same for the same picture."""

import pytest
import torch
from torch import nn

from blurbench.models.parts.dropout import noise_number, pixel_seed, with_dropout


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 1), nn.Dropout(0.5), nn.Conv2d(8, 3, 1)).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 3, 8, 9, generator=torch.Generator().manual_seed(1))


def test_a_picture_has_the_same_noise_in_any_company(network, images):
    together = with_dropout(network, network, images)
    torch.manual_seed(7)
    alone = [with_dropout(network, network, image[None])[0] for image in images.flip(0)]
    assert torch.equal(together, torch.stack(alone).flip(0))
    assert not torch.allclose(together, network(images), atol=1e-3)


def test_pictures_have_noise_of_their_own(images):
    dropout = nn.Dropout(0.5).eval()
    kept = with_dropout(dropout, lambda x: dropout(torch.ones_like(x)), images)
    assert not torch.equal(kept[0], kept[1])
    assert 0.3 < float((kept > 0).float().mean()) < 0.7


def test_everything_else_is_left_as_it_was(network, images):
    norm = nn.BatchNorm2d(3).eval()
    whole = nn.Sequential(network, norm).eval()
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    with_dropout(whole, whole, images)
    assert torch.equal(torch.rand(2), wanted)
    assert not any(module.training for module in whole.modules())
    assert norm.num_batches_tracked == 0


def test_the_seed_is_of_grey_levels(images):
    seed = pixel_seed(images)
    assert seed == pixel_seed(images.to(memory_format=torch.channels_last))
    assert seed == pixel_seed((images * 255).round().double() / 255)
    changed = images.clone()
    changed[0, 0, 0, 0] = (changed[0, 0, 0, 0] + 0.5) % 1
    assert seed != pixel_seed(changed)
    assert pixel_seed(images.to("meta")) == 0


def test_each_draw_has_noise_of_its_own_and_the_first_is_the_usual_one(network, images):
    usual = with_dropout(network, network, images)
    drawn = []
    for number in (0, 1, 2, 1):
        with noise_number(number) as draw:
            drawn.append(with_dropout(network, network, images))
        assert draw.used
    assert torch.equal(drawn[0], usual)
    assert torch.equal(drawn[1], drawn[3])
    assert not torch.allclose(drawn[1], drawn[2], atol=1e-3)
    assert not torch.allclose(drawn[1], usual, atol=1e-3)
    assert torch.equal(with_dropout(network, network, images), usual)


def test_a_network_without_noise_says_so(images):
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout(0.0))
    with noise_number(1) as draw:
        with_dropout(network, network, images)
    assert not draw.used
