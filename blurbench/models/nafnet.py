"""NAFNet: restoration without activation functions, the modern reference.

Chen et al., "Simple Baselines for Image Restoration", ECCV 2022; names of parameters are those of
the released checkpoints. Its printed 33.7 dB on GoPro need local statistics at test (TLC), which
are not here: the same weights give 33.08 dB without.
"""

from typing import Annotated, ClassVar

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Losses, Model, ModelConfig, Stage, Update
from blurbench.models.parts.losses import psnr_loss
from blurbench.models.parts.schedules import cosine
from blurbench.models.parts.small import PHOTOS

Blocks = Annotated[int, Field(ge=0)]


class NAFNetConfig(ModelConfig):
    """Width, depths and optimiser of NAFNet."""

    width: int = Field(64, gt=0, description="channels at full size, doubled at each level")
    encoder: tuple[Blocks, ...] = Field((1, 1, 1, 28), min_length=1, description="blocks a level")
    middle: Blocks = 1
    decoder: tuple[Blocks, ...] = Field((1, 1, 1, 1), min_length=1, description="coarse to fine")
    rate: float = Field(1e-3, gt=0)
    lowest_rate: float = Field(1e-7, ge=0, description="at the end of the cosine")
    weight_decay: float = Field(1e-3, ge=0)
    clip: float | None = Field(0.01, gt=0, description="largest norm of the gradient")

    @field_validator("decoder")
    @classmethod
    def _one_a_level(cls, decoder: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if "encoder" in info.data and len(decoder) != len(info.data["encoder"]):
            raise ValueError(f"needs {len(info.data['encoder'])} numbers, as many as encoder")
        return decoder


class LayerNorm2d(nn.Module):
    """Layer normalisation over the channels of each pixel."""

    def __init__(self, width: int) -> None:
        """Learn a scale and a shift for each of `width` channels."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape, channels last in memory."""
        # On channels_last memory neither permutation copies.
        rows = F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, 1e-6)
        return rows.permute(0, 3, 1, 2)


def gate(x: Tensor) -> Tensor:
    """SimpleGate: the product of the two halves of the channels."""
    first, second = x.chunk(2, 1)
    return first * second


class Block(nn.Module):
    """Gated depthwise convolution with channel attention, then a gated pointwise network."""

    def __init__(self, width: int) -> None:
        """`width` channels throughout; begins as the identity."""
        super().__init__()
        # Zeros: both branches say nothing at first.
        self.beta = nn.Parameter(torch.zeros(1, width, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, width, 1, 1))
        self.conv1 = nn.Conv2d(width, 2 * width, 1)
        self.conv2 = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.conv3 = nn.Conv2d(width, width, 1)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width, 1))
        self.conv4 = nn.Conv2d(width, 2 * width, 1)
        self.conv5 = nn.Conv2d(width, width, 1)
        self.norm1 = LayerNorm2d(width)
        self.norm2 = LayerNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        y = gate(self.conv2(self.conv1(self.norm1(x))))
        # One pass over memory for x + y * beta: 6 % off the whole network at width 32.
        x = torch.addcmul(x, self.conv3(y * self.sca(y)), self.beta)
        return torch.addcmul(x, self.conv5(gate(self.conv4(self.norm2(x)))), self.gamma)


class Network(nn.Module):
    """U-Net of such blocks; its output is added to its input."""

    def __init__(
        self,
        width: int = 64,
        encoder: tuple[int, ...] = (1, 1, 1, 28),
        middle: int = 1,
        decoder: tuple[int, ...] = (1, 1, 1, 1),
    ) -> None:
        """`width` channels at full size, doubled at each level; numbers of blocks."""
        super().__init__()
        widths = [width * 2**level for level in range(len(encoder) + 1)]
        self.multiple = 2 ** len(encoder)
        self.intro = nn.Conv2d(3, width, 3, padding=1)
        self.ending = nn.Conv2d(width, 3, 3, padding=1)
        self.encoders = nn.ModuleList(map(stack, widths, encoder))
        self.downs = nn.ModuleList(nn.Conv2d(w, 2 * w, 2, stride=2) for w in widths[:-1])
        self.middle_blks = stack(widths[-1], middle)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(w, 2 * w, 1, bias=False), nn.PixelShuffle(2))
            # Of twice the channels the shuffle leaves a quarter: half of w at twice the size.
            for w in widths[:0:-1]
        )
        self.decoders = nn.ModuleList(map(stack, widths[-2::-1], decoder))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], any size -> the same shape; pads with zeros, as released."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % self.multiple, 0, -height % self.multiple))
        y, skips = self.intro(x), []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            y = encoder(y)
            skips.append(y)
            y = down(y)
        y = self.middle_blks(y)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            y = decoder(up(y) + skips.pop())
        out: Tensor = (self.ending(y) + x)[..., :height, :width]
        return out


def stack(width: int, blocks: int) -> nn.Sequential:
    """The blocks of one side of one level."""
    return nn.Sequential(*(Block(width) for _ in range(blocks)))


class NAFNet(Model):
    """The network, trained by its negative PSNR."""

    Config = NAFNetConfig
    PRESETS: ClassVar = {
        # Released settings: 8 GPUs with 8 crops each; clipping at 0.01 is in its training code
        # only. Its quarter turns of the training crops are not here, mirroring is.
        "paper": NAFNetConfig(steps=400_000, batch_size=64, crop_size=256),
        "w32": NAFNetConfig(steps=400_000, batch_size=64, crop_size=256, width=32),
        "tiny": NAFNetConfig(
            steps=4_000,
            batch_size=4,
            crop_size=128,
            precision="auto",
            ema=0.99,
            width=16,
            encoder=(1, 1, 1, 4),
            rate=2e-3,
            clip=1.0,
        ),
        "small": NAFNetConfig(**PHOTOS, steps=3_600, width=32, encoder=(1, 1, 1, 8), clip=1.0),
    }
    PAPER = "Chen et al., Simple Baselines for Image Restoration, ECCV, 2022"
    LICENCE = "authors' code and weights: MIT"
    LAYOUT = torch.channels_last

    config: NAFNetConfig

    def __init__(self, config: NAFNetConfig) -> None:
        """Build the network."""
        super().__init__(config)
        c = config
        self.network = Network(c.width, c.encoder, c.middle, c.decoder)
        self.multiple = self.network.multiple

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> the same shape."""
        restored: Tensor = self.network(blur)
        return restored

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """All of it."""
        return (self.network,)

    def loss(self, batch: Batch) -> Losses:
        """Negative PSNR in dB; the mean absolute error beside it."""
        restored = self.restore(batch["blur"])
        return {
            "loss": psnr_loss(restored, batch["sharp"]),
            "l1": F.l1_loss(restored.detach(), batch["sharp"]),
        }

    def stages(self) -> tuple[Stage, ...]:
        """One stage of AdamW under a cosine."""
        c = self.config
        update = Update(
            "nafnet",
            (self.network,),
            self.loss,
            c.rate,
            betas=(0.9, 0.9),
            weight_decay=c.weight_decay,
            decoupled=True,
            schedule=cosine(c.lowest_rate / c.rate),
            clip=c.clip,
        )
        return (Stage("nafnet", 1.0, (update,)),)
