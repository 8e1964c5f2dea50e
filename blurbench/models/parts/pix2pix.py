"""The networks of pix2pix: a U-Net of strided convolutions, and a discriminator of patches.

P. Isola, J.-Y. Zhu, T. Zhou and A. A. Efros, Image-to-Image Translation with Conditional
Adversarial Networks, CVPR, 2017; the names of the weights are those of its PyTorch release.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

# Channels -> a layer that normalises them.
Norm = Callable[[int], nn.Module]
# What batch norm is for batches of one picture, in training and afterwards alike.
InstanceNorm = partial(nn.InstanceNorm2d, affine=True)


class SkipBlock(nn.Module):
    """Halve the map, run what lies below, double it again, and put it beside the input."""

    def __init__(
        self, outer: int, inner: int, below: nn.Module | None, norm: Norm, dropout: bool
    ) -> None:
        """`outer` channels in, twice as many out; `inner` one level down, where `below` runs."""
        super().__init__()
        inside: list[nn.Module] = [] if below is None else [norm(inner), below]
        self.model = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(outer, inner, 4, stride=2, padding=1, bias=False),
            *inside,
            nn.ReLU(inplace=True),
            # `below` hands back its input too.
            nn.ConvTranspose2d(
                inner if below is None else 2 * inner, outer, 4, stride=2, padding=1, bias=False
            ),
            norm(outer),
            *([nn.Dropout(0.5)] if dropout else []),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, outer, H, W) -> (N, 2 outer, H, W)."""
        return torch.cat([x, self.model(x)], 1)


class Outermost(nn.Module):
    """From the picture to the first map, and from the last map to the picture."""

    def __init__(self, width: int, below: nn.Module) -> None:
        """Neither end is normalised."""
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1, bias=False),
            below,
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(2 * width, 3, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> the same shape, in [-1, 1]."""
        out: Tensor = self.model(x)
        return out


class UnetGenerator(nn.Module):
    """pix2pix's generator; its defaults are unet_256."""

    def __init__(
        self,
        downs: int = 8,
        width: int = 64,
        norm: Norm = nn.BatchNorm2d,
        dropout: bool = True,
        residual: bool = False,
    ) -> None:
        """`downs` halvings, 5 or more; dropout beside the innermost level, in the 8-wide ones.

        residual: what it makes is added to what it is given, as in DeblurGAN.
        """
        super().__init__()
        self.residual = residual
        deep = 8 * width
        block: nn.Module = SkipBlock(deep, deep, None, norm, dropout=False)
        for _ in range(downs - 5):
            block = SkipBlock(deep, deep, block, norm, dropout)
        for times in (4, 2, 1):
            block = SkipBlock(times * width, 2 * times * width, block, norm, dropout=False)
        self.model = Outermost(width, block)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1], sides multiples of 2^downs -> the same shape and range."""
        out: Tensor = self.model(x)
        return (x + out).clamp(-1, 1) if self.residual else out


def unet_128() -> UnetGenerator:
    """The generator for pictures of 128 px: one level less."""
    return UnetGenerator(downs=7)


class PatchDiscriminator(nn.Module):
    """A logit for each patch of 70x70 px: real, or made by the generator."""

    def __init__(self, channels: int = 6, width: int = 64, norm: Norm = nn.BatchNorm2d) -> None:
        """`channels` 6: the picture that is given, then the one to judge."""
        super().__init__()
        self.model = nn.Sequential(
            *patch_features(channels, width, norm), nn.Conv2d(8 * width, 1, 4, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) in [-1, 1] -> (N, 1, H/8 - 2, W/8 - 2)."""
        out: Tensor = self.model(x)
        return out


def patch_features(channels: int, width: int, norm: Norm) -> list[nn.Module]:
    """The four convolutions that come before the patch discriminator's last one."""
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for times, stride in ((1, 2), (2, 2), (4, 1)):
        layers += [
            nn.Conv2d(times * width, 2 * times * width, 4, stride, 1, bias=False),
            norm(2 * times * width),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    return layers


def initialise(network: nn.Module) -> None:
    """Draw the weights as pix2pix and DeblurGAN do: normal, deviation 0.02; biases 0."""
    for module in network.modules():
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        if isinstance(weight, Tensor):
            # A vector scales what is already normalised.
            nn.init.normal_(weight, mean=0.0 if weight.ndim > 1 else 1.0, std=0.02)
        if isinstance(bias, Tensor):
            nn.init.zeros_(bias)
