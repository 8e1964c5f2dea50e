"""Restormer: attention between channels, so that its cost grows with the number of pixels only.

Zamir et al., "Restormer: Efficient Transformer for High-Resolution Image Restoration", CVPR 2022;
names of parameters are those of the released checkpoints.
"""

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Losses, Model, ModelConfig, Stage, Update
from blurbench.models.parts.small import PHOTOS

Count = Annotated[int, Field(gt=0)]
Four = tuple[Count, Count, Count, Count]
HEADS: Four = (1, 2, 4, 8)  # of each level
EXPANSION = 2.66  # of channels inside a feed-forward part
CONSTANT = 92 / 300  # of the steps, before the rate falls


class RestormerConfig(ModelConfig):
    """Width, depths and optimiser of Restormer."""

    width: int = Field(48, gt=0, description="channels at full size, doubled at each level")
    blocks: Four = Field((4, 6, 6, 8), description="of each level, on both sides")
    refinement: Count = Field(4, description="blocks after the decoder")
    rate: float = Field(3e-4, gt=0)
    lowest_rate: float = Field(1e-6, ge=0, description="at the end of the cosine")
    weight_decay: float = Field(1e-4, ge=0)
    clip: float | None = Field(0.01, gt=0, description="largest norm of the gradient")


def conv(inputs: int, outputs: int, size: int = 3, groups: int = 1) -> nn.Conv2d:
    """A convolution that keeps the image size; this network has no bias in any."""
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, groups=groups, bias=False)


class Norm(nn.Module):
    """Layer normalisation over the channels of each pixel."""

    def __init__(self, width: int) -> None:
        """`width` channels."""
        super().__init__()
        self.body = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape, channels last in memory."""
        # On channels_last memory neither permutation copies.
        rows: Tensor = self.body(x.permute(0, 2, 3, 1))
        return rows.permute(0, 3, 1, 2)


class Attention(nn.Module):
    """MDTA: each channel becomes a mixture of those that look like it (eq. 1)."""

    def __init__(self, width: int, heads: int) -> None:
        """`heads` groups of channels, each mixed for itself."""
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = conv(width, 3 * width, 1)
        self.qkv_dwconv = conv(3 * width, 3 * width, groups=3 * width)
        self.project_out = conv(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        n, width, height, columns = x.shape
        rows = self.qkv_dwconv(self.qkv(x)).permute(0, 2, 3, 1)
        # (N, heads, pixels, channels of a head), views of channels_last memory
        q, k, v = rows.reshape(n, height * columns, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        # Dividing the products spares normalised copies of all queries and keys.
        norms = length(q).transpose(2, 3) * length(k)
        # (N, heads, C, C): at full size 48 x 48 numbers, however many pixels there are.
        likeness = q.transpose(2, 3) @ k / norms * self.temperature
        mixed = v @ likeness.softmax(3).transpose(2, 3)  # (N, heads, pixels, C)
        mixed = mixed.transpose(1, 2).reshape(n, height, columns, width)
        out: Tensor = self.project_out(mixed.permute(0, 3, 1, 2))
        return out


def length(rows: Tensor) -> Tensor:
    """(N, heads, pixels, C) -> Euclidean, over the pixels, (N, heads, 1, C); never 0."""
    out: Tensor = torch.linalg.vector_norm(rows, dim=2, keepdim=True).clamp_min(1e-12)
    return out


class FeedForward(nn.Module):
    """GDFN: one half of the channels, through GELU, gates the other (eq. 2)."""

    def __init__(self, width: int) -> None:
        """`width` channels in and out."""
        super().__init__()
        inner = int(EXPANSION * width)
        self.project_in = conv(width, 2 * inner, 1)
        self.dwconv = conv(2 * inner, 2 * inner, groups=2 * inner)
        self.project_out = conv(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        first, second = self.dwconv(self.project_in(x)).chunk(2, 1)
        out: Tensor = self.project_out(F.gelu(first) * second)
        return out


class Block(nn.Module):
    """Both parts, each on normalised features and added to them."""

    def __init__(self, width: int, heads: int) -> None:
        """`width` channels throughout."""
        super().__init__()
        self.norm1 = Norm(width)
        self.attn = Attention(width, heads)
        self.norm2 = Norm(width)
        self.ffn = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.ffn(self.norm2(x))
        return out


class Resize(nn.Module):
    """A convolution, then pixels to channels or back: half or twice the size."""

    def __init__(self, inputs: int, outputs: int, shuffle: nn.Module) -> None:
        """`outputs` before they are shuffled."""
        super().__init__()
        self.body = nn.Sequential(conv(inputs, outputs), shuffle)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> half or twice the size."""
        out: Tensor = self.body(x)
        return out


class Embedding(nn.Module):
    """The first convolution."""

    def __init__(self, width: int) -> None:
        """`width` channels out."""
        super().__init__()
        self.proj = conv(3, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, width, H, W)."""
        out: Tensor = self.proj(x)
        return out


class Network(nn.Module):
    """Four levels; no argument gives the released one."""

    def __init__(self, width: int = 48, blocks: Four = (4, 6, 6, 8), refinement: int = 4) -> None:
        """`width` channels at full size; numbers of blocks."""
        super().__init__()
        self.patch_embed = Embedding(width)
        widths = [width * 2**level for level in range(4)]
        for level, w in enumerate(widths[:3]):
            self.add_module(f"encoder_level{level + 1}", stack(w, HEADS[level], blocks[level]))
            down = Resize(w, w // 2, nn.PixelUnshuffle(2))
            self.add_module(f"down{level + 1}_{level + 2}", down)
        self.latent = stack(widths[3], HEADS[3], blocks[3])
        for level in (2, 1, 0):
            # The finest level keeps the channels of both sides.
            w = widths[max(level, 1)]
            up = Resize(widths[level + 1], 2 * widths[level + 1], nn.PixelShuffle(2))
            self.add_module(f"up{level + 2}_{level + 1}", up)
            if level:
                self.add_module(f"reduce_chan_level{level + 1}", conv(2 * w, w, 1))
            self.add_module(f"decoder_level{level + 1}", stack(w, HEADS[level], blocks[level]))
        self.refinement = stack(2 * width, HEADS[0], refinement)
        self.output = conv(2 * width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], multiples of 8 -> the same shape."""
        # (N, w, H, W); each level has half the size and twice the channels of the one before.
        y, skips = self.patch_embed(x), []
        for level in (1, 2, 3):
            y = self.get_submodule(f"encoder_level{level}")(y)
            skips.append(y)
            y = self.get_submodule(f"down{level}_{level + 1}")(y)
        y = self.latent(y)
        for level in (3, 2, 1):
            up = self.get_submodule(f"up{level + 1}_{level}")
            y = torch.cat([up(y), skips.pop()], 1)
            if level > 1:
                y = self.get_submodule(f"reduce_chan_level{level}")(y)
            y = self.get_submodule(f"decoder_level{level}")(y)
        out: Tensor = self.output(self.refinement(y)) + x
        return out


def stack(width: int, heads: int, blocks: int) -> nn.Sequential:
    """The blocks of one side of one level."""
    return nn.Sequential(*(Block(width, heads) for _ in range(blocks)))


class Restormer(Model):
    """The network, trained by L1."""

    Config = RestormerConfig
    PRESETS: ClassVar = {
        # 300,000 steps as released, but of one size of crops: the authors go from 64 of 128 px to
        # 8 of 384 px on the way. Quarter turns are not here, mirroring is.
        "paper": RestormerConfig(steps=300_000, batch_size=16, crop_size=256),
        "tiny": RestormerConfig(
            steps=3_000,
            batch_size=4,
            crop_size=128,
            precision="auto",
            ema=0.99,
            width=16,
            blocks=(1, 1, 1, 2),
            refinement=1,
            rate=2e-3,
            clip=1.0,
        ),
        "small": RestormerConfig(
            **PHOTOS,
            steps=1_900,
            width=16,
            blocks=(1, 2, 3, 4),
            refinement=2,
            rate=1e-3,
            clip=1.0,
        ),
    }
    PAPER = (
        "Zamir et al., Restormer: Efficient Transformer for High-Resolution Image Restoration,"
        " CVPR, 2022"
    )
    LICENCE = "authors' code and weights: academic use"
    LAYOUT = torch.channels_last

    config: RestormerConfig

    def __init__(self, config: RestormerConfig) -> None:
        """Build the network."""
        super().__init__(config)
        self.multiple = 8
        self.network = Network(config.width, config.blocks, config.refinement)

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], multiples of 8 -> the same shape."""
        out: Tensor = self.network(blur)
        return out

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """All of it."""
        return (self.network,)

    def loss(self, batch: Batch) -> Losses:
        """Mean absolute error."""
        return {"loss": F.l1_loss(self.restore(batch["blur"]), batch["sharp"])}

    def factor(self, progress: float) -> float:
        """On the rate: constant, then half a cosine."""
        lowest = self.config.lowest_rate / self.config.rate
        fallen = max(0.0, progress - CONSTANT) / (1 - CONSTANT)
        return lowest + (1 - lowest) * (1 + math.cos(math.pi * fallen)) / 2

    def stages(self) -> tuple[Stage, ...]:
        """One stage of AdamW."""
        c = self.config
        update = Update(
            "restormer",
            (self.network,),
            self.loss,
            c.rate,
            weight_decay=c.weight_decay,
            decoupled=True,
            schedule=self.factor,
            clip=c.clip,
        )
        return (Stage("restormer", 1.0, (update,)),)
