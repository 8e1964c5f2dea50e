"""UNet: the plain encoder-decoder that the Semantic Prior paper compares with.

"Take a Prior from Other Tasks for Severe Blur Removal" names its baseline but prints no layer
table: depth, widths and blocks here are ours, and so is the parameter count.
"""

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Losses, Model, ModelConfig, Stage, Update
from blurbench.models.parts.schedules import cosine
from blurbench.models.parts.small import PHOTOS

# Mean and standard deviation of photographs: a constant level would drown the edges.
LEVEL, SPREAD = 0.45, 0.25


class UNetConfig(ModelConfig):
    """Widths and optimiser of UNet."""

    widths: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        (64, 128, 256), min_length=1, description="of each level"
    )
    blocks: tuple[int, ...] = Field(
        (4, 4, 4), description="residual blocks on each side of a level"
    )
    norm: Literal["none", "instance"] = Field("none", description="before each residual branch")
    rate: float = Field(2e-4, gt=0)
    lowest_rate: float = Field(1e-6, ge=0, description="at the end of the cosine")
    warm_up: float = Field(0.0, ge=0, lt=1, description="part of the steps in which the rate rises")
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")
    # The paper names AdamW and no decay; this is PyTorch's own default.
    weight_decay: float = Field(0.01, ge=0)

    @field_validator("blocks")
    @classmethod
    def _one_a_level(cls, blocks: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if "widths" in info.data and len(blocks) != len(info.data["widths"]):
            raise ValueError(f"needs {len(info.data['widths'])} numbers, one for each of widths")
        return blocks


class ResBlock(nn.Module):
    """x + conv(ReLU(conv(norm(x)))), 3x3."""

    def __init__(self, width: int, norm: str) -> None:
        """`width` channels throughout; `norm` is "none" or "instance"."""
        super().__init__()
        self.norm = nn.InstanceNorm2d(width) if norm == "instance" else nn.Identity()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        out: Tensor = x + self.conv2(F.relu(self.conv1(self.norm(x))))
        return out


def level(width: int, blocks: int, norm: str) -> nn.Sequential:
    """One side of one level."""
    return nn.Sequential(*(ResBlock(width, norm) for _ in range(blocks)))


class UNet(Model):
    """Residual blocks on each level, strided convolutions between them, skips that add."""

    Config = UNetConfig
    PRESETS: ClassVar = {
        # 700 epochs of GoPro's 2,103 training pairs in batches of 10.
        "paper": UNetConfig(steps=147_210, batch_size=10, crop_size=256),
        # 20 minutes of one core. Most blocks stand where they are cheapest and see farthest. After
        # 150 s of it severe blur gained 0.33 dB with instance norm, and 0.05 dB without.
        "tiny": UNetConfig(
            steps=4_000,
            batch_size=4,
            crop_size=128,
            precision="auto",
            ema=0.99,
            widths=(16, 32, 64, 128),
            blocks=(1, 2, 2, 3),
            norm="instance",
            rate=2e-3,
            warm_up=0.02,
            clip=1.0,
        ),
        # An hour of one core: 5,000 steps on 235 photographs under sev-blurdata took 45 minutes and
        # gained 1.30 dB (0.76 to 1.81) on 20 others. Five levels cost a third of the four of
        # (32, 64, 128, 256), and the last one sees 16 times as far as the picture's own.
        "small": UNetConfig(
            **PHOTOS,
            steps=6_000,
            widths=(16, 32, 64, 128, 256),
            blocks=(1, 1, 2, 3, 4),
            norm="instance",
            rate=1e-3,
            warm_up=0.02,
            clip=1.0,
        ),
    }
    PAPER = "Baseline of: Take a Prior from Other Tasks for Severe Blur Removal, arXiv, 2023"
    LICENCE = "no public code; network and recipe are ours"
    LAYOUT = torch.channels_last

    config: UNetConfig

    def __init__(self, config: UNetConfig) -> None:
        """Build encoder and decoder."""
        super().__init__(config)
        widths, blocks = config.widths, config.blocks
        # Twice what the strides need: instance norm refuses maps of one pixel.
        self.multiple = 2 ** len(widths)
        steps = list(pairwise(widths))
        self.head = nn.Conv2d(3, widths[0], 3, padding=1)
        norms = [config.norm] * len(widths)
        self.encoder = nn.ModuleList(map(level, widths, blocks, norms))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in steps)
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 4, stride=2, padding=1) for a, b in steps)
        self.decoder = nn.ModuleList(map(level, widths, blocks, norms))
        self.tail = nn.Conv2d(widths[0], 3, 3, padding=1)
        self.initialise()

    def initialise(self) -> None:
        """Begin as the identity: residual branches and the global residual add nothing."""
        for name, module in self.named_modules():
            if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                continue
            if name.endswith("conv2") or name == "tail":
                nn.init.zeros_(module.weight)
            else:
                # PyTorch's default lets the features fade over the levels.
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            assert module.bias is not None
            nn.init.zeros_(module.bias)

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], multiples of `multiple` -> the same shape."""
        x = self.encoder[0](self.head((blur - LEVEL) / SPREAD))  # (N, widths[0], H, W)
        skips = [x]
        for down, encode in zip(self.down, self.encoder[1:], strict=True):
            x = encode(down(x))  # the next width, half the size
            skips.append(x)
        x = self.decoder[-1](skips.pop())
        for up, decode in zip(reversed(self.up), reversed(self.decoder[:-1]), strict=True):
            x = decode(up(x) + skips.pop())  # the width before, twice the size
        out: Tensor = blur + self.tail(x)
        return out

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """All of it."""
        return (self,)

    def loss(self, batch: Batch) -> Losses:
        """Mean absolute error."""
        return {"loss": F.l1_loss(self.restore(batch["blur"]), batch["sharp"])}

    def stages(self) -> tuple[Stage, ...]:
        """One stage of AdamW under a cosine."""
        c = self.config
        update = Update(
            "unet",
            (self,),
            self.loss,
            c.rate,
            weight_decay=c.weight_decay,
            decoupled=True,
            schedule=cosine(c.lowest_rate / c.rate, c.warm_up),
            clip=c.clip,
        )
        return (Stage("unet", 1.0, (update,)),)
