"""MPRNet: the model and its training.

Zamir et al., "Multi-Stage Progressive Image Restoration", CVPR 2021.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Losses, Model, ModelConfig, Stage, Update
from blurbench.models.mprnet.network import FirstStage, Network
from blurbench.models.parts.losses import charbonnier_loss, edge_loss
from blurbench.models.parts.schedules import cosine
from blurbench.models.parts.small import PHOTOS


class MPRNetConfig(ModelConfig):
    """Widths, loss and optimiser of MPRNet."""

    network: Literal["full", "stage1"] = Field("full", description="stage1: one U-Net, no patches")
    width: int = Field(96, gt=0, multiple_of=4, description="channels at full size")
    step: int = Field(48, gt=0, multiple_of=4, description="added at each coarser level")
    original_step: int = Field(32, ge=0, multiple_of=4, description="added at original resolution")
    original_blocks: int = Field(8, gt=0, description="in each third of the last stage")
    edge_weight: float = Field(0.05, ge=0)
    rate: float = Field(2e-4, gt=0)
    lowest_rate: float = Field(1e-6, ge=0, description="at the end of the cosine")
    warm_up: float = Field(0.001, ge=0, lt=1, description="part of the steps the rate rises over")
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")


class MPRNet(Model):
    """Either network, trained by the Charbonnier and edge losses of every image it gives."""

    Config = MPRNetConfig
    PRESETS: ClassVar = {
        # 3,000 epochs of GoPro's 2,103 training pairs in batches of 16, the first three to warm up.
        "paper": MPRNetConfig(steps=394_313, batch_size=16, crop_size=256),
        "stage1": MPRNetConfig(steps=394_313, batch_size=16, crop_size=256, network="stage1"),
        "tiny": MPRNetConfig(
            steps=4_000,
            batch_size=4,
            crop_size=128,
            precision="auto",
            ema=0.99,
            width=16,
            step=8,
            original_step=8,
            original_blocks=2,
            rate=2e-3,
            warm_up=0.02,
            clip=1.0,
        ),
        # The first stage alone, as the papers' tables have it.
        "small": MPRNetConfig(
            **PHOTOS,
            steps=4_600,
            network="stage1",
            width=24,
            step=16,
            rate=1e-3,
            warm_up=0.02,
            clip=1.0,
        ),
    }
    PAPER = "Zamir et al., Multi-Stage Progressive Image Restoration, CVPR, 2021"
    LICENCE = "authors' code and weights: Academic Public License, non-commercial"
    LAYOUT = torch.channels_last

    config: MPRNetConfig

    def __init__(self, config: MPRNetConfig) -> None:
        """Build the network."""
        super().__init__(config)
        c = config
        self.network: nn.Module
        if c.network == "full":
            self.network = Network(c.width, c.step, c.original_step, c.original_blocks)
        else:
            self.network = FirstStage(c.width, c.step)
        # Two halvings, of half images where there are patches.
        self.multiple = 8 if c.network == "full" else 4

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], multiples of `multiple` -> the same shape."""
        restored: Tensor = self.network(blur)[0]
        return restored

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """All of it."""
        return (self.network,)

    def loss(self, batch: Batch) -> Losses:
        """Charbonnier and edge losses summed over the stages; the last stage's L1 beside them."""
        sharp = batch["sharp"]
        restored = self.network(batch["blur"])
        found = {
            "charbonnier": torch.stack([charbonnier_loss(r, sharp) for r in restored]).sum(),
            "edge": torch.stack([edge_loss(r, sharp) for r in restored]).sum(),
        }
        loss = found["charbonnier"] + self.config.edge_weight * found["edge"]
        return {"loss": loss, "l1": F.l1_loss(restored[0].detach(), sharp), **found}

    def stages(self) -> tuple[Stage, ...]:
        """One stage of Adam under a cosine."""
        c = self.config
        update = Update(
            "mprnet",
            (self.network,),
            self.loss,
            c.rate,
            schedule=cosine(c.lowest_rate / c.rate, c.warm_up),
            clip=c.clip,
        )
        return (Stage("mprnet", 1.0, (update,)),)
