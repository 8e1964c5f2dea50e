"""UMSN: the model and its four stages of training (section IV-A)."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Losses, Model, Stage, Update
from blurbench.models.perceptual import VggFeatures
from blurbench.models.schedules import constant, cosine
from blurbench.models.umsn import losses
from blurbench.models.umsn.config import PRESETS, UmsnConfig
from blurbench.models.umsn.network import (
    CLASSES,
    DeblurNet,
    Segmentation,
    add_unused_to_network,
    add_unused_to_segmentation,
)


class UMSN(Model):
    """Four class streams and a base network, guided by the face parts that SN predicts."""

    Config = UmsnConfig
    PRESETS = PRESETS
    PAPER = (
        "R. Yasarla, F. Perazzi and V. M. Patel, Deblurring Face Images Using Uncertainty Guided"
        " Multi-Stream Semantic Networks, IEEE Transactions on Image Processing, 2020"
    )
    LICENCE = "authors' code: MIT; VGG-Face weights have terms of their own"
    NEEDS = ("mask",)

    config: UmsnConfig

    def __init__(self, config: UmsnConfig) -> None:
        """Build SN and the deblurring network."""
        super().__init__(config)
        # SN halves the image twice; 8, because instance norm refuses the 1x1 maps of a 4x4 image.
        self.multiple = 8
        softmax = config.sn_loss == "cross_entropy"
        self.segmentation = Segmentation(config.sn_width, config.refine_width, softmax)
        self.network = DeblurNet(
            config.width,
            config.fnet_width,
            config.fnet_out,
            config.refine_width,
            config.cn_width,
        )
        if config.unused_tensors:
            add_unused_to_segmentation(self.segmentation)
            add_unused_to_network(self.network)
        if config.identity_start:
            for network in (self.network, *self.network.fnets()):
                network.start_as_identity()

    def restore(self, blur: Tensor) -> Tensor:
        """Deblur with maps predicted from the blurry image; (N, 3, H, W) in [0, 1]."""
        x = signed(blur)
        restored, _ = self.network(x, self.segmentation.maps(x))
        return (restored + 1) / 2

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """SN, the F-Nets without their heads, and BN."""
        return (self.segmentation, *self.network.restoring_modules())

    def stages(self) -> tuple[Stage, ...]:
        """SN on sharp, then on blurred faces; the F-Nets; the whole network with CN."""
        c, features = self.config, self.load_features()
        restoring = (*self.network.restoring_modules(), self.network.conf_ker)
        sn, fnets = (self.segmentation,), self.network.fnets()
        updates = (
            ("sn-sharp", sn, partial(self.segmentation_losses, "sharp"), c.sn_rates[0]),
            ("sn-blur", sn, partial(self.segmentation_losses, "blur"), c.sn_rates[1]),
            ("f-nets", fnets, partial(self.fnet_losses, features), c.rate),
            ("network", restoring, partial(self.network_losses, features), c.rate),
        )
        return tuple(
            Stage(name, share, (self.update(name, modules, loss, rate),))
            for share, (name, modules, loss, rate) in zip(c.shares, updates, strict=True)
            if share
        )

    def update(
        self, name: str, modules: tuple[nn.Module, ...], loss: Callable[[Batch], Losses], lr: float
    ) -> Update:
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

    def load_features(self) -> VggFeatures | None:
        """VGG16 of the perceptual loss, where the preset has one; UserError without its weights."""
        c = self.config
        if not c.perceptual_weight:
            return None
        layers = (*c.perceptual_layers, *c.perceptual_half_layers)
        device = next(self.parameters()).device
        return VggFeatures(layers, c.perceptual_weights).to(device)

    def segmentation_losses(self, image: Literal["sharp", "blur"], batch: Batch) -> Losses:
        """SN's loss on the sharp or the blurred faces."""
        logits = self.segmentation(signed(batch[image]))
        return {"loss": losses.segmentation_loss(logits, batch["mask"], self.config.sn_loss)}

    def fnet_losses(self, features: VggFeatures | None, batch: Batch) -> Losses:
        """L1 and L_p of each F-Net on faces of which only its own class is blurred, summed."""
        c = self.config
        blur, sharp = signed(batch["blur"]), signed(batch["sharp"])
        maps = self.maps(blur)
        streams = zip(
            self.network.fnets(), maps.split(1, 1), batch["mask"].split(1, 1), strict=True
        )
        restored = torch.cat(
            [fnet.restore(mask * blur + (1 - mask) * sharp, m) for fnet, m, mask in streams]
        )
        wanted = sharp.repeat(CLASSES, 1, 1, 1)
        # The four batches are of one size, so that four means are the sum over F-Nets.
        found = {"l1": CLASSES * F.l1_loss(restored, wanted)}
        if features is not None:
            value = losses.perceptual_loss(
                features, restored, wanted, c.perceptual_layers, c.perceptual_norm
            )
            found["perceptual"] = CLASSES * c.perceptual_weight * value
        return {"loss": torch.stack(list(found.values())).sum(), **found}

    def network_losses(self, features: VggFeatures | None, batch: Batch) -> Losses:
        """L_total of eq. 6, for the network and CN together; also logs C of each class."""
        blur, sharp = signed(batch["blur"]), signed(batch["sharp"])
        # The paper has no labels here: SN gives the maps of both images.
        maps, sharp_maps = self.maps(torch.cat([blur, sharp])).chunk(2)
        restored = self.network(blur, maps)
        confidence = self.network.confidence(restored[0], sharp, sharp_maps)
        loss = losses.deblurring_loss(restored, sharp, sharp_maps, confidence, self.config)
        found = {"l1": F.l1_loss(restored[0], sharp)}
        if features is not None:
            found["perceptual"] = losses.network_perceptual_loss(
                features, restored, sharp, self.config
            )
            loss = loss + found["perceptual"]
        for number, value in enumerate(confidence.mean((0, 2)), start=1):
            found[f"confidence_{number}"] = value
        return {"loss": loss, **found}

    @torch.no_grad()
    def maps(self, x: Tensor) -> Tensor:
        """SN's maps of images in [-1, 1], without gradients."""
        return self.segmentation.maps(x)


def signed(image: Tensor) -> Tensor:
    """[0, 1] -> [-1, 1]."""
    return image * 2 - 1
