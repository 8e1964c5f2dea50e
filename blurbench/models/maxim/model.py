"""MAXIM: gated MLPs over blocks and over a grid of the whole picture, in three stages.

Tu et al., "MAXIM: Multi-Axis MLP for Image Processing", CVPR 2022.
"""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from blurbench.models.base import Batch, Losses, Model, ModelConfig, Stage, Update
from blurbench.models.maxim.network import Network
from blurbench.models.mimo_unet import targets
from blurbench.models.parts.losses import charbonnier_loss, fft_loss
from blurbench.models.parts.schedules import cosine
from blurbench.models.parts.small import PHOTOS

Side = Annotated[int, Field(gt=0, le=64)]


class MAXIMConfig(ModelConfig):
    """Sizes, loss and optimiser of MAXIM."""

    width: int = Field(32, gt=0, multiple_of=4, description="channels at full size")
    stages: int = Field(3, gt=0, description="U-Nets, one after the other")
    groups: int = Field(2, gt=0, description="gated MLPs and convolutions on each side of a level")
    bottlenecks: int = Field(2, gt=0, description="blocks at an eighth of the size")
    sizes: tuple[Side, Side] = Field(
        (16, 8), description="sides of blocks and grids: at full and half size, and below"
    )
    fft_weight: float = Field(0.1, ge=0, description="lambda, of the loss of spectra")
    rate: float = Field(2e-4, gt=0)
    lowest_rate: float = Field(1e-7, ge=0, description="at the end of the cosine")
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")


class MAXIM(Model):
    """The network, trained at three sizes after each of its stages."""

    Config = MAXIMConfig
    PRESETS: ClassVar = {
        # S-3, the paper's for deblurring: crops of 256 px, flips and quarter turns. Steps and batch
        # are ours; its mixtures of two pairs (MixUp) are not here.
        "paper": MAXIMConfig(steps=600_000, batch_size=8, crop_size=256, turns=True),
        # 20 minutes of one core. One stage (S-1): each costs as much as all of `unet`.
        "tiny": MAXIMConfig(
            steps=1_300,
            batch_size=4,
            crop_size=128,
            precision="auto",
            ema=0.99,
            width=12,
            stages=1,
            groups=1,
            bottlenecks=1,
            sizes=(8, 4),
            rate=1e-3,
            lowest_rate=1e-6,
            clip=1.0,
        ),
        # An hour of one core, and about the multiply-accumulates of the small `unet`.
        "small": MAXIMConfig(
            **PHOTOS,
            steps=1_900,
            width=20,
            stages=1,
            groups=1,
            bottlenecks=1,
            sizes=(8, 4),
            rate=1e-3,
            lowest_rate=1e-6,
            clip=1.0,
        ),
    }
    PAPER = "Tu et al., MAXIM: Multi-Axis MLP for Image Processing, CVPR, 2022"
    LICENCE = "authors' code and weights: Apache-2.0"
    LAYOUT = torch.channels_last

    config: MAXIMConfig

    def __init__(self, config: MAXIMConfig) -> None:
        """Build the network."""
        super().__init__(config)
        c = config
        self.network = Network(c.width, c.stages, c.groups, c.bottlenecks, c.sizes)
        self.multiple = self.network.multiple
        self.initialise()

    def initialise(self) -> None:
        """Begin as the identity, each picture restored by adding to the blurred one."""
        for stage in self.network.stages:
            heads = [sam.Conv_1 for sam in stage.supervised_attention_module]  # type: ignore[union-attr]
            for conv in [*heads, *stage.output_conv]:  # type: ignore[misc]
                nn.init.zeros_(conv.weight)
                nn.init.zeros_(conv.bias)

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], multiples of `multiple` -> the same shape."""
        restored: Tensor = self.network(blur)[-1][0]
        return restored

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """All of it."""
        return (self.network,)

    def loss(self, batch: Batch) -> Losses:
        """Charbonnier loss and lambda times that of the spectra, of all stages and sizes (3.4)."""
        stages = self.network(batch["blur"])
        sharp = targets(batch["sharp"])[::-1]
        pairs = [pair for restored in stages for pair in zip(restored, sharp, strict=True)]
        pixels = [charbonnier_loss(*pair) for pair in pairs]
        spectra = torch.stack([fft_loss(*pair) for pair in pairs]).sum()
        loss = torch.stack(pixels).sum() + self.config.fft_weight * spectra
        return {"loss": loss, "charbonnier": pixels[-len(sharp)], "fft": spectra}

    def stages(self) -> tuple[Stage, ...]:
        """One stage of Adam under a cosine."""
        c = self.config
        schedule = cosine(c.lowest_rate / c.rate)
        update = Update(
            "network", (self.network,), self.loss, c.rate, schedule=schedule, clip=c.clip
        )
        return (Stage("maxim", 1.0, (update,)),)
