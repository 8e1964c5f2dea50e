"""The blocks of MAXIM; tensors are (N, H, W, C) throughout, as a linear layer wants them.

Tu et al., "MAXIM: Multi-Axis MLP for Image Processing", CVPR 2022, sections 3.2 and 3.3; names of
parameters are those of the authors' weights.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

REDUCTION = 4  # of channels inside channel attention
SLOPE = 0.2  # of the leaky ReLU


class Conv(nn.Conv2d):
    """A convolution of (N, H, W, C); a view of channels_last memory, so that nothing is copied."""

    def __init__(self, inputs: int, outputs: int, size: int = 1) -> None:
        """`size` 4 halves the picture, all others keep it."""
        padding, stride = (1, 2) if size == 4 else (size // 2, 1)
        super().__init__(inputs, outputs, size, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, inputs) -> (N, H, W, outputs), or half the sides."""
        if self.kernel_size == (1, 1):  # a tenth off a training step of narrow networks
            return F.linear(x, self.weight.flatten(1), self.bias)
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Double(nn.ConvTranspose2d):
    """Twice the sides: every pixel becomes four."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Channels."""
        super().__init__(inputs, outputs, 2, 2)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(N, H, W, inputs) -> (N, 2H, 2W, outputs)."""
        return super().forward(x.permute(0, 3, 1, 2), output_size).permute(0, 2, 3, 1)


def norm(width: int) -> nn.LayerNorm:
    """Over the channels of each pixel."""
    return nn.LayerNorm(width, eps=1e-6)


def gelu(x: Tensor) -> Tensor:
    """By tanh, as Flax has it: the exact one would be off by 5e-4.

    In bfloat16 that is less than the rounding, and tanh was a fifth of a picture's time.
    """
    return F.gelu(x, approximate="none" if x.dtype is torch.bfloat16 else "tanh")


class Mix(nn.Linear):
    """A linear layer over the pixels of each block, or over those at one place of every cell.

    The cells are those of a grid that spans the picture, whatever its size (Fig. 3): what a layer
    over them sees depends on the whole picture.
    """

    def __init__(self, size: int, grid: bool) -> None:
        """Blocks are size x size px; grids have size x size cells."""
        super().__init__(size * size, size * size)
        self.size, self.grid = size, grid

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C), sides multiples of `size` -> the same shape."""
        n, height, width, channels = x.shape
        size, rows, columns = self.size, height // self.size, width // self.size
        if self.grid:
            split, order = (n, size, rows, size, columns, channels), (1, 3, 0, 2, 4, 5)
        else:
            split, order = (n, rows, size, columns, size, channels), (2, 4, 0, 1, 3, 5)
        back = sorted(range(6), key=order.__getitem__)
        parts = x.reshape(split).permute(order)
        # What is mixed goes first: one product, a tenth less of a picture's time than one a block.
        tokens = parts.reshape(size * size, -1)
        mixed = torch.addmm(self.bias[:, None], self.weight, tokens)
        return mixed.reshape(parts.shape).permute(back).reshape(x.shape)


class GatingUnit(nn.Module):
    """Half of the channels, mixed over space, gates the other half."""

    def __init__(self, width: int, size: int, grid: bool) -> None:
        """`width` channels out."""
        super().__init__()
        self.intermediate_layernorm = norm(width)
        self.Dense_0 = Mix(size, grid)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, 2 width) -> (N, H, W, width)."""
        u, v = x.chunk(2, -1)
        gated: Tensor = u * (self.Dense_0(self.intermediate_layernorm(v)) + 1)
        return gated


class Gmlp(nn.Module):
    """A gated MLP over blocks or over a grid, and what it was given."""

    def __init__(self, width: int, size: int, grid: bool) -> None:
        """`width` channels in and out."""
        super().__init__()
        self.LayerNorm = norm(width)
        self.in_project = nn.Linear(width, 2 * width)
        self.GatingUnit = GatingUnit(width, size, grid)
        self.out_project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, width) -> the same shape."""
        y = self.GatingUnit(gelu(self.in_project(self.LayerNorm(x))))
        out: Tensor = x + self.out_project(y)
        return out


class MultiAxisGmlp(nn.Module):
    """Multi-axis gated MLP: half of the channels over a grid, half over blocks (Fig. 3)."""

    def __init__(self, width: int, size: int) -> None:
        """`width` channels in and out."""
        super().__init__()
        self.LayerNorm_in = norm(width)
        self.in_project = nn.Linear(width, 2 * width)
        self.GridGmlpLayer = Gmlp(width, size, grid=True)
        self.BlockGmlpLayer = Gmlp(width, size, grid=False)
        self.out_project = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, width) -> the same shape."""
        u, v = gelu(self.in_project(self.LayerNorm_in(x))).chunk(2, -1)
        both = torch.cat([self.GridGmlpLayer(u), self.BlockGmlpLayer(v)], -1)
        out: Tensor = x + self.out_project(both)
        return out


class ChannelAttention(nn.Module):
    """A weight for each channel, from its mean over the picture."""

    def __init__(self, width: int) -> None:
        """`width` channels in and out."""
        super().__init__()
        self.Conv_0 = Conv(width, width // REDUCTION)
        self.Conv_1 = Conv(width // REDUCTION, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, width) -> the same shape."""
        means = x.mean((1, 2), keepdim=True)
        out: Tensor = x * self.Conv_1(F.relu(self.Conv_0(means))).sigmoid()
        return out


class ConvAttention(nn.Module):
    """Two 3x3 convolutions and channel attention, and what they were given."""

    def __init__(self, width: int) -> None:
        """`width` channels in and out."""
        super().__init__()
        self.LayerNorm = norm(width)
        self.conv1 = Conv(width, width, 3)
        self.conv2 = Conv(width, width, 3)
        self.channel_attention = ChannelAttention(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, width) -> the same shape."""
        y = self.conv2(F.leaky_relu(self.conv1(self.LayerNorm(x)), SLOPE))
        out: Tensor = x + self.channel_attention(y)
        return out


class Mlp(nn.Module):
    """Two linear layers over the channels."""

    def __init__(self, width: int) -> None:
        """`width` channels throughout."""
        super().__init__()
        self.Dense_0 = nn.Linear(width, width)
        self.Dense_1 = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, width) -> the same shape."""
        out: Tensor = self.Dense_1(gelu(self.Dense_0(x)))
        return out


class MlpAttention(nn.Module):
    """An MLP and channel attention, and what they were given: the bottleneck's, no convolution."""

    def __init__(self, width: int) -> None:
        """`width` channels in and out."""
        super().__init__()
        self.LayerNorm = norm(width)
        self.channel_mixing = Mlp(width)
        self.channel_attention = ChannelAttention(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, width) -> the same shape."""
        out: Tensor = x + self.channel_attention(self.channel_mixing(self.LayerNorm(x)))
        return out


class Gates(nn.Module):
    """What one signal lets pass of another, from a grid and from blocks."""

    def __init__(self, width: int, size: int) -> None:
        """`width` channels in and out."""
        super().__init__()
        self.LayerNorm_in = norm(width)
        self.in_project = nn.Linear(width, 2 * width)
        self.Dense_0 = Mix(size, grid=True)
        self.Dense_1 = Mix(size, grid=False)
        self.out_project = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, width) -> the same shape."""
        u, v = gelu(self.in_project(self.LayerNorm_in(x))).chunk(2, -1)
        out: Tensor = self.out_project(torch.cat([self.Dense_0(u), self.Dense_1(v)], -1))
        return out


class CrossGating(nn.Module):
    """Cross-gating block: two signals, each gated by the other (Fig. 2c)."""

    def __init__(self, inputs: int, width: int, size: int, half: int | None = None) -> None:
        """`inputs` channels of x; `half` channels of y, where y is of half its size."""
        super().__init__()
        self.ConvTranspose_0 = Double(half, width) if half else None
        self.Conv_0 = Conv(inputs, width)
        self.Conv_1 = Conv(width, width)
        self.LayerNorm_x, self.LayerNorm_y = norm(width), norm(width)
        self.in_project_x, self.in_project_y = nn.Linear(width, width), nn.Linear(width, width)
        self.SplitHeadMultiAxisGating_x = Gates(width, size)
        self.SplitHeadMultiAxisGating_y = Gates(width, size)
        self.out_project_x, self.out_project_y = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, H, W, inputs), y its gate -> all of both, and y gated: (N, H, W, width)."""
        if self.ConvTranspose_0 is not None:
            y = self.ConvTranspose_0(y)
        x, y = self.Conv_0(x), self.Conv_1(y)
        inner_x = gelu(self.in_project_x(self.LayerNorm_x(x)))
        inner_y = gelu(self.in_project_y(self.LayerNorm_y(y)))
        y = y + self.out_project_y(inner_y * self.SplitHeadMultiAxisGating_x(inner_x))
        gated = self.out_project_x(inner_x * self.SplitHeadMultiAxisGating_y(inner_y))
        return x + y + gated, y


class SupervisedAttention(nn.Module):
    """A restored picture, and features that it lets pass to the next stage (MPRNet's SAM)."""

    def __init__(self, width: int) -> None:
        """`width` channels of features."""
        super().__init__()
        self.Conv_0 = Conv(width, width, 3)
        self.Conv_1 = Conv(width, 3, 3)
        self.Conv_2 = Conv(3, width, 3)

    def forward(self, x: Tensor, blur: Tensor) -> tuple[Tensor, Tensor]:
        """(N, H, W, width) and (N, H, W, 3) -> features of the same shape, restored."""
        restored: Tensor = blur + self.Conv_1(x)
        return x + self.Conv_0(x) * self.Conv_2(restored).sigmoid(), restored
