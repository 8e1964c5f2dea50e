"""What UMSN and its base network share as models."""

from torch import nn

from blurbench.models.base import Loss, Model, Update
from blurbench.models.parts.schedules import constant, cosine
from blurbench.models.parts.vgg import VggFeatures, vgg_files
from blurbench.models.umsn.config import BaseNetConfig
from blurbench.weights.places import Needed

PAPER = (
    "R. Yasarla, F. Perazzi and V. M. Patel, Deblurring Face Images Using Uncertainty Guided"
    " Multi-Stream Semantic Networks, IEEE Transactions on Image Processing, 2020"
)


class BaseNetModel(Model):
    """A model that restores with BN, whatever guides it."""

    config: BaseNetConfig

    def __init__(self, config: BaseNetConfig) -> None:
        """Leave the networks to the model."""
        super().__init__(config)
        # SN halves the image twice; 8, because instance norm refuses the 1x1 maps of a 4x4 image.
        self.multiple = 8

    def update(self, name: str, modules: tuple[nn.Module, ...], loss: Loss, lr: float) -> Update:
        """Adam as the preset has it."""
        c = self.config
        return Update(
            name,
            modules,
            loss,
            lr,
            betas=(c.beta1, 0.999),
            weight_decay=c.weight_decay,
            schedule=cosine(0.01) if c.schedule == "cosine" else constant,
            clip=c.clip,
        )

    def prepare(self) -> None:
        """VGG16 of the perceptual loss, where the preset has one; UserError without its weights."""
        c = self.config
        if c.perceptual_weight:
            layers = (*c.perceptual_layers, *c.perceptual_half_layers)
            self.loss_networks["features"] = VggFeatures(layers, c.perceptual_weights)

    def files(self) -> tuple[Needed, ...]:
        """VGG16's."""
        c = self.config
        return vgg_files(c.perceptual_weights) if c.perceptual_weight else ()
