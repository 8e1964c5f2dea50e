"""The layers that UMSN's networks are made of.

The attribute names are those of the released code, so that its checkpoints load unchanged.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 4  # background; skin; brows, eyes, nose, lips, teeth; hair
SLOPE = 0.2  # of every leaky ReLU

# Dilations of the three 3x3 convolutions of a ResBlock.
PLAIN = (1, 1, 1)
DILATED = (1, 2, 1)
SMOOTHED = (1, 2, 2)  # a dilated last convolution is smoothed


def norm_relu(x: Tensor) -> Tensor:
    """Instance normalisation without parameters, then ReLU."""
    # Not in channels_last: of one picture, its faster batch_norm is 60 times less exact in float32.
    return F.relu_(F.instance_norm(x))


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2."""
    return F.leaky_relu(x, SLOPE)


def conv1(inputs: int, outputs: int) -> nn.Conv2d:
    """1x1 convolution without bias."""
    return nn.Conv2d(inputs, outputs, 1, bias=False)


def conv3(inputs: int, outputs: int, dilation: int = 1, bias: bool = False) -> nn.Conv2d:
    """3x3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=bias)


def half_size(x: Tensor) -> Tensor:
    """Every second row and column of (N, C, H, W): nearest-neighbour halving."""
    return x[..., ::2, ::2]


class SmoothingConv(nn.Module):
    """One trainable 3x3 kernel for all channels, against gridding (Wang and Ji, KDD 2018)."""

    def __init__(self) -> None:
        """Start as the identity."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1, 3, 3))
        nn.init.dirac_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        channels = x.shape[1]
        return F.conv2d(x, self.weight.expand(channels, -1, -1, -1), padding=1, groups=channels)


class ResBlock(nn.Module):
    """Pre-activation residual block whose input is concatenated to its output (Fig. 4)."""

    def __init__(
        self, inputs: int, outputs: int, dilations: tuple[int, int, int], inner: float = 3.0
    ) -> None:
        """A 1x1 and three 3x3 convolutions; inner * outputs channels between them."""
        super().__init__()
        middle = round(inner * outputs)
        self.conv_o = conv1(inputs, outputs)
        self.conv1 = conv1(inputs, middle)
        self.conv2 = conv3(middle, middle, dilations[0])
        self.conv3 = conv3(middle, middle, dilations[1])
        self.conv4 = conv3(middle, outputs, dilations[2])
        self.sharewconv = SmoothingConv() if dilations[2] > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, inputs + outputs, H, W)."""
        out = self.conv1(norm_relu(x))
        out = self.conv2(norm_relu(out))
        out = self.conv3(norm_relu(out))
        out = self.conv4(self.sharewconv(norm_relu(out)))
        return torch.cat([x, self.conv_o(x) + out], 1)


class ShortBlock(nn.Module):
    """A 1x1 and two 3x3 convolutions, nothing concatenated; CN's have no shortcut either."""

    def __init__(self, inputs: int, outputs: int, shortcut: bool) -> None:
        """3 * outputs channels between the convolutions."""
        super().__init__()
        middle = 3 * outputs
        self.shortcut = shortcut
        if shortcut:
            self.conv_o = conv1(inputs, outputs)
        self.conv1 = conv1(inputs, middle)
        self.conv2 = conv3(middle, middle)
        self.conv4 = conv3(middle, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        out: Tensor = self.conv2(norm_relu(self.conv1(norm_relu(x))))
        out = self.conv4(norm_relu(out))
        if self.shortcut:
            out = self.conv_o(x) + out
        return out


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation that can go on with each picture's own statistics after training."""

    own_statistics = False

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        if self.training or not self.own_statistics:
            return super().forward(x)
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


class SegmentationBlock(nn.Module):
    """SN's residual block: batch normalisation and two dilated 3x3 convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """4 * outputs channels between the convolutions."""
        super().__init__()
        middle = 4 * outputs
        self.bn1 = BatchNorm(inputs)
        self.conv_o = conv1(inputs, outputs)
        self.conv1 = conv1(inputs, middle)
        self.bn2 = BatchNorm(middle)
        self.conv2 = conv3(middle, middle, 2)
        self.bn4 = BatchNorm(middle)
        self.sharewconv2 = SmoothingConv()
        self.conv4 = conv3(middle, outputs, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, inputs + outputs, H, W)."""
        out = self.conv1(F.relu_(self.bn1(x)))
        out = self.conv2(F.relu_(self.bn2(out)))
        out = self.conv4(self.sharewconv2(F.relu_(self.bn4(out))))
        return torch.cat([x, self.conv_o(x) + out], 1)


class Transition(nn.Module):
    """Norm, ReLU, 1x1 convolution, then a change of size (or none)."""

    def __init__(self, inputs: int, outputs: int, resize: nn.Module | None = None) -> None:
        """`resize` follows the convolution."""
        super().__init__()
        # A transposed 1x1 is a 1x1; only the layout of the released weights, (in, out), differs.
        self.conv1 = nn.ConvTranspose2d(inputs, outputs, 1, bias=False)
        self.resize = resize or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H', W')."""
        # As a plain convolution it takes half the time.
        weight = self.conv1.weight.transpose(0, 1)
        out: Tensor = self.resize(F.conv2d(norm_relu(x), weight))
        return out


class BilinearTransition(nn.Module):
    """Norm, ReLU, 1x1 convolution, bilinear doubling, 3x3 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """The 1x1 convolution changes the width."""
        super().__init__()
        self.conv1 = conv1(inputs, outputs)
        self.conv2 = conv3(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, 2H, 2W)."""
        x = self.conv1(norm_relu(x))
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        out: Tensor = self.conv2(x)
        return out


# Seven one-channel views of a network's inner maps, from the last to the first.
TAPS = ("conv51", "conv41", "conv3_21", "conv3_11", "conv31", "conv21", "conv11")


def add_taps(network: nn.Module, width: int) -> None:
    """Give `network` its seven 3x3 convolutions from `width` channels to one."""
    for name in TAPS:
        network.add_module(name, conv3(width, 1, bias=True))


def with_taps(network: nn.Module, x: Tensor, inner: list[Tensor]) -> Tensor:
    """x (N, C, H, W) and the taps of seven inner maps, in TAPS' order -> (N, C + 7, H, W)."""
    views = (
        F.interpolate(leaky(network.get_submodule(name)(value)), size=x.shape[-2:])
        for name, value in zip(TAPS, inner, strict=True)
    )
    return torch.cat([x, *views], 1)


class NestedResidual(nn.Module):
    """Base of the networks that restore x - r, where r is itself a difference of two features."""

    def __init__(self, width: int) -> None:
        """`width` channels enter the residual."""
        super().__init__()
        self.refine3 = conv3(width, 3, bias=True)
        self.refineclean1 = nn.Conv2d(3, 8, 7, padding=3)
        self.refineclean2 = conv3(8, 3, bias=True)

    def residual(self, shallow: Tensor | None, deep: Tensor) -> Tensor:
        """Features of the input (none: not nested) and of the network, (N, width, H, W) -> r."""
        features = leaky(deep) if shallow is None else leaky(shallow) - leaky(deep)
        return torch.tanh(self.refine3(features))

    def clean(self, difference: Tensor) -> Tensor:
        """x - r -> the restored image in [-1, 1], both (N, 3, H, W)."""
        return torch.tanh(self.refineclean2(leaky(self.refineclean1(difference))))

    @torch.no_grad()
    def start_as_identity(self) -> None:
        """Begin with r = 0 and an almost unchanged image, in place of learning to copy first."""
        for layer in (self.refine3, self.refineclean1, self.refineclean2):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)
        # leaky(x) - leaky(-x) = 1.2 x, and tanh(1.15 x) is nearest to x on [-1, 1].
        gain = 1.15 / (1 + SLOPE)
        for colour in range(3):
            for sign, channel in ((1.0, colour), (-1.0, 3 + colour)):
                self.refineclean1.weight[channel, colour, 3, 3] = sign
                self.refineclean2.weight[colour, channel, 1, 1] = sign * gain
