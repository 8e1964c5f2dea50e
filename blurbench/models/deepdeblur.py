"""DeepDeblur: residual networks at three sizes, each helped by the next coarser one.

Nah et al., "Deep Multi-scale Convolutional Neural Network for Dynamic Scene Deblurring", CVPR 2017.
The recipe is that of the authors' PyTorch release, and so are the names of parameters: L1 on
[0, 255] and batches of 16, where the paper has squared errors with the adversarial loss and
batches of 2. Of its augmentations only the mirroring is here. Its GoPro pairs are `blur_gamma`.
"""

import math
from itertools import pairwise
from typing import ClassVar

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Losses, Model, ModelConfig, Stage, Update
from blurbench.models.parts.small import PHOTOS

RANGE = 255.0  # of the networks' input and output
SIGMA = 2 / 3  # of the Gaussian before a halving, px
# The discriminator divides the size by 64; its last convolution takes what is then left, 4x4 px.
SMALLEST_CROP = 3 * 64 + 1


class DeepDeblurConfig(ModelConfig):
    """Width, depth and loss of DeepDeblur."""

    width: int = Field(64, ge=2, multiple_of=2)
    blocks: int = Field(19, gt=0, description="residual blocks at each size")
    adversarial: float = Field(
        0.0, ge=0, description="weight of the adversarial loss; the authors tried 0.1, 1 and 3"
    )
    rate: float = Field(1e-4, gt=0)
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")

    @field_validator("adversarial")
    @classmethod
    def _crop_for_critic(cls, adversarial: float, info: ValidationInfo) -> float:
        if adversarial and (info.data.get("crop_size") or 0) < SMALLEST_CROP:
            raise ValueError(f"needs a crop_size of at least {SMALLEST_CROP}")
        return adversarial


class ResBlock(nn.Module):
    """x + conv(ReLU(conv(x))), 5x5."""

    def __init__(self, width: int) -> None:
        """`width` channels throughout."""
        super().__init__()
        self.body = nn.Sequential(conv(width, width), nn.ReLU(inplace=True), conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        out: Tensor = x + self.body(x)
        return out


class ScaleNetwork(nn.Module):
    """The residual network of one size."""

    def __init__(self, inputs: int, width: int, blocks: int) -> None:
        """`inputs` is 3, or 6 with the coarser result beside the picture."""
        super().__init__()
        inner = (ResBlock(width) for _ in range(blocks))
        self.body = nn.Sequential(conv(inputs, width), *inner, conv(width, 3))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, 3, H, W)."""
        out: Tensor = self.body(x)
        return out


class Double(nn.Module):
    """Twice the size: a convolution to four pixels for each one."""

    def __init__(self) -> None:
        """Colours in, colours out."""
        super().__init__()
        self.uppath = nn.Sequential(conv(3, 12), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 3, 2H, 2W)."""
        out: Tensor = self.uppath(x)
        return out


class Network(nn.Module):
    """Three residual networks, coarse to fine; no argument gives the released one."""

    def __init__(self, width: int = 64, blocks: int = 19) -> None:
        """`width` channels, `blocks` residual blocks at each size."""
        super().__init__()
        self.body_models = nn.ModuleList(ScaleNetwork(i, width, blocks) for i in (6, 6, 3))
        # Nothing takes the finest result; the released names count it nevertheless.
        self.conv_end_models = nn.ModuleList([nn.Identity(), Double(), Double()])

    def forward(self, pyramid: list[Tensor]) -> list[Tensor]:
        """Picture in [0, 255] at full, half and quarter size -> restored at the same sizes."""
        restored: list[Tensor] = []
        for scale in (2, 1, 0):
            x = pyramid[scale] - RANGE / 2
            if restored:
                x = torch.cat([x, self.conv_end_models[scale + 1](restored[0])], 1)
            restored.insert(0, self.body_models[scale](x))
        # Mixed precision gives bfloat16, whose steps are whole grey levels above 128.
        return [y.type_as(image) + RANGE / 2 for y, image in zip(restored, pyramid, strict=True)]


class SixBlockNetwork(Network):
    """Six residual blocks at each size, as the Semantic Prior paper has it."""

    def __init__(self, width: int = 64, blocks: int = 6) -> None:
        """`width` channels, `blocks` residual blocks at each size."""
        super().__init__(width, blocks)


class Discriminator(nn.Module):
    """Whether a picture is sharp: ten strided convolutions without bias and a linear layer."""

    def __init__(self, width: int = 64) -> None:
        """From half of `width` channels to eight times as many."""
        super().__init__()
        half = width // 2
        widths = [half, half, width, width, *([2 * width] * 2), *([4 * width] * 2), 8 * width]
        strides = (1, 2, 1, 2, 1, 4, 1, 4, 1)
        layers = [
            conv(a, b, stride, bias=False)
            for (a, b), stride in zip(pairwise([3, *widths]), strides, strict=True)
        ]
        last = nn.Conv2d(8 * width, 8 * width, 4, stride=4, bias=False)
        self.conv_layers = nn.ModuleList([*layers, last])
        self.dense = nn.Conv2d(8 * width, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 255], sides of 193 px or more -> logits (N, 1, h, w)."""
        for layer in self.conv_layers:
            x = F.leaky_relu(layer(x), 0.2)
        out: Tensor = self.dense(x)
        return out


def conv(inputs: int, outputs: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """5x5 convolution."""
    return nn.Conv2d(inputs, outputs, 5, stride=stride, padding=2, bias=bias)


def halving_taps() -> list[float]:
    """A Gaussian of 7 taps, then the mean of two neighbours: 8 taps for each second pixel."""
    gaussian = [math.exp(-0.5 * (k / SIGMA) ** 2) for k in range(-3, 4)]
    both = zip([0.0, *gaussian], [*gaussian, 0.0], strict=True)
    return [(a + b) / (2 * sum(gaussian)) for a, b in both]


TAPS = halving_taps()


def halve(image: Tensor, axis: int) -> Tensor:
    """Smooth along an axis of even length and keep half of it; the border is mirrored."""
    size = image.shape[axis]
    places = torch.arange(-3, size + 3, device=image.device) % (2 * size)
    mirrored = image.index_select(axis, torch.minimum(places, 2 * size - 1 - places))
    windows = mirrored.unfold(axis, len(TAPS), 2)
    halved = torch.zeros_like(windows[..., 0])
    # Added up, since mixed precision would round a convolution to bfloat16.
    for place, tap in enumerate(TAPS):
        halved.add_(windows[..., place], alpha=tap)
    return halved


def gaussian_pyramid(image: Tensor) -> list[Tensor]:
    """(N, C, H, W), multiples of 4 -> at full, half and quarter size.

    The same as scikit-image's pyramid_gaussian, which the authors use, to 1e-12 in float64.
    """
    pyramid = [image]
    for _ in range(2):
        pyramid.append(halve(halve(pyramid[-1], 2), 3))
    return pyramid


def authenticity_loss(logits: Tensor, sharp: bool) -> Tensor:
    """Binary cross entropy of logits that should all say `sharp`."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(sharp)))


def halved_thrice(progress: float) -> float:
    """The rate halves at 500, 750 and 900 of 1,000 epochs."""
    return 0.5 ** sum(progress >= at for at in (0.5, 0.75, 0.9))


# 1,000 epochs of GoPro's 2,103 training pairs in batches of 16.
RELEASED = DeepDeblurConfig(steps=131_438, batch_size=16, crop_size=256)


class DeepDeblur(Model):
    """Three sizes, no part shared; the pyramid is made here from the one picture given."""

    Config = DeepDeblurConfig
    PRESETS: ClassVar = {
        "paper": RELEASED,
        "rb6": RELEASED.model_copy(update={"blocks": 6}),
        # 20 minutes of one core.
        "tiny": DeepDeblurConfig(
            steps=8_000,
            batch_size=4,
            crop_size=128,
            precision="auto",
            ema=0.99,
            width=16,
            blocks=3,
            rate=2e-3,
        ),
        "small": DeepDeblurConfig(**PHOTOS, steps=4_800, width=20, blocks=5, rate=1e-3, clip=1.0),
    }
    PAPER = (
        "S. Nah, T. H. Kim and K. M. Lee, Deep Multi-scale Convolutional Neural Network for Dynamic"
        " Scene Deblurring, CVPR, 2017"
    )
    LICENCE = "authors' code and weights: MIT"
    LAYOUT = torch.channels_last

    config: DeepDeblurConfig

    def __init__(self, config: DeepDeblurConfig) -> None:
        """Build the network, and the discriminator where its loss counts."""
        super().__init__(config)
        self.multiple = 4
        self.network = Network(config.width, config.blocks)
        if config.adversarial:
            self.discriminator = Discriminator(config.width)

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], multiples of 4 -> the same shape."""
        out: Tensor = self.network(gaussian_pyramid(blur * RANGE))[0] / RANGE
        return out

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """The network, without the discriminator."""
        return (self.network,)

    def network_loss(self, batch: Batch) -> Losses:
        """L1 on [0, 255], summed over sizes; the adversarial loss is of the full size only."""
        restored = self.network(gaussian_pyramid(batch["blur"] * RANGE))
        sharp = gaussian_pyramid(batch["sharp"] * RANGE)
        l1 = [F.l1_loss(*pair) for pair in zip(restored, sharp, strict=True)]
        found = {"l1": l1[0] / RANGE}
        loss = torch.stack(l1).sum()
        if self.config.adversarial:
            found["adversarial"] = authenticity_loss(self.discriminator(restored[0]), sharp=True)
            loss = loss + self.config.adversarial * found["adversarial"]
        return {"loss": loss, **found}

    def discriminator_loss(self, batch: Batch) -> Losses:
        """Cross entropy of sharp pictures and of restored ones, which get no gradient."""
        with torch.no_grad():
            restored = self.restore(batch["blur"]) * RANGE
        real = authenticity_loss(self.discriminator(batch["sharp"] * RANGE), sharp=True)
        return {"loss": real + authenticity_loss(self.discriminator(restored), sharp=False)}

    def stages(self) -> tuple[Stage, ...]:
        """One stage of Adam; where there is a discriminator, it takes the first step."""
        c = self.config
        updates = [
            Update(
                "network",
                (self.network,),
                self.network_loss,
                c.rate,
                schedule=halved_thrice,
                clip=c.clip,
            )
        ]
        if c.adversarial:
            critic = Update(
                "discriminator",
                (self.discriminator,),
                self.discriminator_loss,
                c.rate,
                schedule=halved_thrice,
            )
            updates.insert(0, critic)
        return (Stage("deepdeblur", 1.0, tuple(updates)),)
