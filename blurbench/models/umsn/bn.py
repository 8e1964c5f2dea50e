"""BN: UMSN's base network by itself, the first row of the paper's ablation (Table VI)."""

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Losses, Stage, signed
from blurbench.models.parts.small import FACES
from blurbench.models.umsn import losses
from blurbench.models.umsn.base import PAPER, BaseNetModel
from blurbench.models.umsn.config import INNER, INNER_SMALL, BaseNetConfig
from blurbench.models.umsn.network import BaseNet

# As wide as UMSN has parameters, inside its ResBlocks: the paper says so and prints no width.
WIDENED = BaseNetConfig(
    steps=100_000,
    batch_size=16,
    inner=INNER["bn"],
    half_scale_weight=0,
    gradient_weights=(0, 0),
)


class BN(BaseNetModel):
    """Residual blocks at half size, which see nothing but the blurry picture."""

    Config = BaseNetConfig
    PRESETS: ClassVar = {
        "paper": WIDENED,
        # The width that it has inside UMSN.
        "narrow": WIDENED.model_copy(update={"inner": 3.0}),
        "tiny": BaseNetConfig(
            steps=2_000,
            batch_size=8,
            crop_size=64,
            precision="auto",
            ema=0.99,
            width=16,
            refine_width=8,
            perceptual_weight=0,
            rate=2e-3,
            schedule="cosine",
            clip=1.0,
        ),
        "small": BaseNetConfig(
            **FACES,
            steps=4_700,
            width=16,
            inner=INNER_SMALL["bn"],
            refine_width=8,
            perceptual_weight=0,
            rate=1e-3,
            schedule="cosine",
            clip=1.0,
        ),
    }
    PAPER = PAPER
    LICENCE: ClassVar[str] = "no public code of it alone; UMSN's code: MIT"

    def __init__(self, config: BaseNetConfig) -> None:
        """Build the network."""
        super().__init__(config)
        self.network = BaseNet(config.width, config.refine_width, config.inner)
        if config.identity_start:
            self.network.start_as_identity()

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], sides multiples of 8 -> the same shape."""
        out: Tensor = (self.network(signed(blur))[0] + 1) / 2
        return out

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """All of it."""
        return (self.network,)

    def stages(self) -> tuple[Stage, ...]:
        """One."""
        update = self.update("network", (self.network,), self.network_losses, self.config.rate)
        return (Stage("network", 1.0, (update,)),)

    def network_losses(self, batch: Batch) -> Losses:
        """L1 and L_p."""
        sharp = signed(batch["sharp"])
        restored = self.network(signed(batch["blur"]))
        loss = losses.plain_loss(restored, sharp, self.config)
        found = {"l1": F.l1_loss(restored[0], sharp)}
        if self.config.perceptual_weight:
            features = self.loss_networks["features"]
            value = losses.network_perceptual_loss(features, restored, sharp, self.config)
            found["perceptual"] = value
            loss = loss + value
        return {"loss": loss, **found}
