"""U-Deconv: a thin U-Net that a burst of pictures goes through, here a burst of one. Unofficial.

Aittala and Durand, "Burst Image Deblurring Using Permutation Invariant Convolutional Neural
Networks", ECCV 2018, published no code. Order of norms, borders, names of parameters, loss and rate
are those of the public re-implementation by F. Warburg; S3E-Deblur compares with a single picture.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Losses, Model, ModelConfig, Stage, Update
from blurbench.models.parts.losses import unmixed
from blurbench.models.parts.small import PHOTOS

DECAY = 0.99997  # of the rate, after every eight pictures


class UDeconvConfig(ModelConfig):
    """Width, loss and optimiser of U-Deconv."""

    width: int = Field(64, ge=2, multiple_of=2, description="channels at full size")
    l1_weight: float = Field(0.1, ge=0, description="beside 1 for that of the slopes")
    rate: float = Field(3e-3, gt=0)
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")


class Conv(nn.Module):
    """A convolution by weight_v / |weight_v| * weight_g, the norms being those of each filter."""

    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0
    ) -> None:
        """Start with PyTorch's usual weights."""
        super().__init__()
        self.stride, self.padding = stride, padding
        self.take(nn.Conv2d(inputs, outputs, size))

    def take(self, conv: nn.Conv2d | nn.ConvTranspose2d) -> None:
        """Its weights, and its bias."""
        assert conv.bias is not None
        self.bias = conv.bias
        self.weight_g = nn.Parameter(lengths(conv.weight.detach()))
        self.weight_v = nn.Parameter(conv.weight.detach())

    def weight(self) -> Tensor:
        """What the convolution multiplies by."""
        return self.weight_v * (self.weight_g / lengths(self.weight_v))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, h, w)."""
        return F.conv2d(x, self.weight(), self.bias, self.stride, self.padding)


class Double(Conv):
    """A transposed convolution to twice the size; its norms are those of each input channel."""

    def __init__(self, inputs: int, outputs: int, padding: int = 1) -> None:
        """4x4; without padding, two pixels more."""
        super().__init__(inputs, outputs, 4, 2, padding)
        self.take(nn.ConvTranspose2d(inputs, outputs, 4))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, 2H, 2W)."""
        return F.conv_transpose2d(x, self.weight(), self.bias, self.stride, self.padding)


def lengths(weight: Tensor) -> Tensor:
    """(C, ...) -> (C, 1, 1, 1), Euclidean."""
    out: Tensor = torch.linalg.vector_norm(weight, dim=(1, 2, 3), keepdim=True)
    return out


def active(conv: Conv) -> list[nn.Module]:
    """The convolution, ELU and batch norm."""
    return [conv, nn.ELU(inplace=True), nn.BatchNorm2d(len(conv.bias))]


def halving(inputs: int, outputs: int) -> nn.Sequential:
    """To half the size. The border of the 4x4 convolution is what the 1x1 makes of zeros."""
    first, second = Conv(inputs, outputs, 1, padding=1), Conv(outputs, outputs, 4, stride=2)
    return nn.Sequential(*active(first), *active(second))


def doubling(inputs: int, inner: int, outputs: int) -> nn.Sequential:
    """To twice the size, with such borders."""
    first, second = Conv(inputs, inner, 1, padding=1), Conv(inner, inner, 3)
    return nn.Sequential(*active(first), *active(second), Double(inner, outputs))


def bottleneck(inputs: int, width: int) -> nn.Sequential:
    """To half the size and back."""
    inner = Conv(inputs, width, 1), Conv(width, width, 4, stride=2), Conv(width, width, 3, 1, 1)
    return nn.Sequential(*(m for conv in inner for m in active(conv)), Double(width, width, 0))


class Network(nn.Module):
    """Four levels; no argument gives the widths of the paper's appendix."""

    def __init__(self, width: int = 64) -> None:
        """`width` channels at full size, even."""
        super().__init__()
        one, two, three, four, six = (n * width for n in (1, 2, 3, 4, 6))
        half = three // 2
        self.conv_encode1 = nn.Sequential(*active(Conv(3, one, 3, padding=1)))
        self.conv_encode2 = halving(2 * one, two)
        self.conv_encode3 = halving(2 * two, four)
        self.conv_encode4 = halving(2 * four, six)
        self.bottleneck = bottleneck(2 * six, six)
        self.conv_decode3 = doubling(2 * six + six, six, four)
        self.conv_decode2 = doubling(2 * four + four, four, three)
        self.conv_decode1 = doubling(2 * three + two, three, half)
        self.conv_decode0 = nn.Sequential(*active(Conv(2 * half + one, half, 3, padding=1)))
        last = active(Conv(half, one, 3, padding=1))
        self.final_layer = nn.Sequential(*last, Conv(one, 3, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W), multiples of 16 from 32 on -> the same shape and range."""
        one = self.conv_encode1(x)
        two = self.conv_encode2(with_pooled(one))
        four = self.conv_encode3(with_pooled(two))
        six = self.conv_encode4(with_pooled(four))
        y = self.bottleneck(with_pooled(six))
        y = self.conv_decode3(with_pooled(y, six))
        y = self.conv_decode2(with_pooled(y, four))
        y = self.conv_decode1(with_pooled(y, two))
        y = self.conv_decode0(with_pooled(y, one))
        out: Tensor = self.final_layer(y)
        return out


def with_pooled(x: Tensor, *skip: Tensor) -> Tensor:
    """Beside the features of a frame, the largest of all frames: of one frame, the same again."""
    return torch.cat([x, x, *skip], 1)


@unmixed
def slopes(image: Tensor) -> Tensor:
    """Prewitt's filters, across and down, of (N, C, H, W); zeros around."""
    across = image.new_tensor([[1, 0, -1]] * 3) / 6
    kernels = torch.stack([across, across.T])[:, None].repeat(image.shape[1], 1, 1, 1)
    return F.conv2d(image, kernels, padding=1, groups=image.shape[1])


class UDeconv(Model):
    """The network, trained by the L1 of slopes and, less, of pictures."""

    Config = UDeconvConfig
    PRESETS: ClassVar = {
        # The crop and the eight pictures a step are that code's. No number of steps is published
        # for single pictures: this is 300 epochs of GoPro's 2,103 training pairs, as S3E-Deblur
        # trains the others.
        "paper": UDeconvConfig(steps=78_863, batch_size=8, crop_size=160),
        "tiny": UDeconvConfig(
            steps=4_000, batch_size=4, crop_size=128, precision="auto", width=16, clip=1.0
        ),
        "small": UDeconvConfig(**PHOTOS, steps=3_900, width=24, clip=1.0),
    }
    PAPER = (
        "M. Aittala and F. Durand, Burst Image Deblurring Using Permutation Invariant Convolutional"
        " Neural Networks, ECCV, 2018 (unofficial)"
    )
    LICENCE = "no official code or weights; written from the published layer widths"
    LAYOUT = torch.channels_last

    config: UDeconvConfig

    def __init__(self, config: UDeconvConfig) -> None:
        """Build the network."""
        super().__init__(config)
        # Four halvings; 32, because the last one takes four pixels of an eighth of the size.
        self.multiple = 32
        self.network = Network(config.width)

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], multiples of 32 -> the same shape."""
        # The re-implementation has [0, 255]; its last layer takes long to reach that.
        out: Tensor = self.network(blur)
        return out

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """All of it."""
        return (self.network,)

    def loss(self, batch: Batch) -> Losses:
        """L1 of the slopes and, at `l1_weight`, of the pictures."""
        restored, sharp = self.restore(batch["blur"]), batch["sharp"]
        l1 = F.l1_loss(restored, sharp)
        edges = slopes(restored - sharp).abs().mean()
        return {"loss": edges + self.config.l1_weight * l1, "l1": l1, "slopes": edges}

    def stages(self) -> tuple[Stage, ...]:
        """One stage of Adam whose rate decays by and by."""
        c = self.config
        decayed = DECAY ** (c.steps * c.batch_size / 8)
        update = Update(
            "network",
            (self.network,),
            self.loss,
            c.rate,
            schedule=lambda progress: decayed**progress,
            clip=c.clip,
        )
        return (Stage("udeconv", 1.0, (update,)),)
