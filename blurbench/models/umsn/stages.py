"""UMSN: the model and its four stages of training (section IV-A)."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.errors import UserError
from blurbench.models.base import Batch, Figures, Labels, Loss, Losses, Maps, Stage, pad, signed
from blurbench.models.umsn import losses
from blurbench.models.umsn.base import PAPER, BaseNetModel
from blurbench.models.umsn.blocks import CLASSES, half_size
from blurbench.models.umsn.config import PRESETS, UmsnConfig
from blurbench.models.umsn.explain import (
    around_grey,
    class_pictures,
    residual_pictures,
    stream_pictures,
)
from blurbench.models.umsn.network import DeblurNet
from blurbench.models.umsn.released import add_unused_to_network, add_unused_to_segmentation
from blurbench.models.umsn.segmentation import Segmentation


class UMSN(BaseNetModel):
    """Four class streams and a base network, guided by the face parts that SN predicts."""

    Config = UmsnConfig
    PRESETS = PRESETS
    PAPER = PAPER
    LICENCE = "authors' code: MIT; VGG-Face weights have terms of their own"
    NEEDS = ("mask",)

    config: UmsnConfig

    def __init__(self, config: UmsnConfig) -> None:
        """Build SN and the deblurring network."""
        super().__init__(config)
        c = config
        self.oracle = c.maps == "labels"
        self.restore_labels = ("mask",) if self.oracle else ()
        # An oracle has it too, unused: the other networks then start from the same weights.
        softmax = c.sn_loss == "cross_entropy"
        self.segmentation = Segmentation(c.sn_width, c.refine_width, softmax, c.sn_batch_stats)
        self.network = DeblurNet(
            c.width,
            c.fnet_width,
            c.fnet_out,
            c.refine_width,
            c.cn_width,
            c.inner,
            c.nested,
            c.streams,
            c.confidence,
        )
        if c.unused_tensors:
            add_unused_to_segmentation(self.segmentation)
            add_unused_to_network(self.network)
        if c.identity_start:
            for network in (self.network, *self.network.fnets()):
                network.start_as_identity()

    def restore(self, blur: Tensor) -> Tensor:
        """Deblur with maps predicted from the blurry image; (N, 3, H, W) in [0, 1]."""
        self.check_labels()
        return self.guided(blur, self.segmentation.maps(signed(blur)))

    def restore_labelled(self, blur: Tensor, labels: Sequence[Labels]) -> tuple[Tensor, Figures]:
        """Deblur with the true masks as maps."""
        masks = torch.stack([each["mask"] for each in labels]).to(blur)
        return self.guided(blur, pad(masks, self.multiple)[0]), {}

    def guided(self, blur: Tensor, maps: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], (N, 4, H, W) -> restored, (N, 3, H, W), not clamped."""
        out: Tensor = (self.network(signed(blur), maps)[0] + 1) / 2
        return out

    def compute(self, picture: Tensor) -> None:
        """Maps of any values cost the same."""
        if self.oracle:
            self.guided(picture, picture.new_zeros(len(picture), CLASSES, *picture.shape[2:]))
        else:
            self.restore(picture)

    @torch.no_grad()
    def face_maps(self, image: Tensor) -> Tensor:
        """SN alone: (N, 3, H, W) in [0, 1], any size -> class maps (N, 4, H, W) in [0, 1].

        Background; skin; brows, eyes, nose, lips and teeth; hair. UserError of an oracle.
        """
        if self.oracle:
            raise UserError("a run with maps=labels has no segmentation network that has learnt")
        padded, (height, width) = pad(image, self.multiple)
        return self.segmentation.maps(signed(padded))[..., :height, :width]

    @torch.no_grad()
    def face_confidence(self, blur: Tensor, sharp: Tensor) -> Tensor:
        """C of each class as in Table VII: two (N, 3, H, W) in [0, 1], sides >= 16 -> (N, 4)."""
        restored, maps = signed(self.deblur(blur)), self.face_maps(sharp)
        return self.network.confidence(restored, signed(sharp), maps).mean(2)

    @torch.no_grad()
    def sample_figures(self, blur: Tensor, sharp: Tensor) -> Figures:
        """C of each class of a face (Fig. 14, Table VII); nothing without CN or SN."""
        if self.oracle or not self.config.confidence:
            return {}
        found = self.face_confidence(blur, sharp)[0]
        return {f"confidence_{number}": float(c) for number, c in enumerate(found, start=1)}

    @torch.no_grad()
    def explain(self, blur: Tensor) -> Maps:
        """Class maps (Fig. 7), what each F-Net restores (Fig. 8), residuals at both sizes, the
        feature of each class that they are made of (Fig. 12), half size.
        """
        self.check_labels()
        padded, (height, width) = pad(blur, self.multiple)
        x = signed(padded)
        maps = self.segmentation.maps(x)
        seen: list[Tensor] = []  # the features of r_half, then those of r
        looking = self.network.refine3.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
        r, r_half = self.network.residuals(x, maps)
        looking.remove()
        alone = [fnet.restore(x, maps[:, i : i + 1]) for i, fnet in enumerate(self.network.fnets())]
        half = (self.network.clean(half_size(x) - r_half) + 1) / 2
        size = (slice(None), slice(0, height), slice(0, width))
        half_cut = (slice(None), slice(0, -(-height // 2)), slice(0, -(-width // 2)))
        return {
            **class_pictures(maps[0][size]),
            **stream_pictures(restored[0][size] for restored in alone),
            **residual_pictures(r[0][size], seen[-1][0][size], maps[0][size]),
            "residual_half": around_grey(r_half[0][half_cut]),
            "restored_half": half[0][half_cut].clamp(0, 1).cpu(),
        }

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """SN (not an oracle's), the F-Nets without their heads, and BN."""
        sn = () if self.oracle else (self.segmentation,)
        return (*sn, *self.network.restoring_modules())

    def stages(self) -> tuple[Stage, ...]:
        """SN on sharp, then on blurred faces; the F-Nets; the whole network with CN.

        An oracle has no stages of SN; F-Nets and network share its steps.
        """
        c = self.config
        judge = (self.network.conf_ker,) if c.confidence else ()
        restoring = (*self.network.restoring_modules(), *judge)
        sn = () if self.oracle else (self.segmentation,)
        fnets = self.network.fnets()
        updates: tuple[tuple[str, tuple[nn.Module, ...], Loss, float], ...] = (
            ("sn-sharp", sn, partial(self.segmentation_losses, "sharp"), c.sn_rates[0]),
            ("sn-blur", sn, partial(self.segmentation_losses, "blur"), c.sn_rates[1]),
            ("f-nets", fnets, self.fnet_losses, c.rate),
            ("network", restoring, self.network_losses, c.rate),
        )
        return tuple(
            Stage(name, share, (self.update(name, modules, loss, rate),), beside=name != "network")
            for share, (name, modules, loss, rate) in zip(c.shares, updates, strict=True)
            if share and modules
        )

    def segmentation_losses(self, image: Literal["sharp", "blur"], batch: Batch) -> Losses:
        """SN's loss on the sharp or the blurred faces."""
        logits = self.segmentation(signed(batch[image]))
        return {"loss": losses.segmentation_loss(logits, batch["mask"], self.config.sn_loss)}

    def fnet_losses(self, batch: Batch) -> Losses:
        """L1 and L_p of each F-Net on faces of which only its own class is blurred, summed."""
        c = self.config
        blur, sharp = signed(batch["blur"]), signed(batch["sharp"])
        # Of faces blurred all over, as the F-Nets get them in the next stage.
        (maps,) = self.maps(batch, blur)
        parts = torch.split(maps, 1, 1), torch.split(batch["mask"], 1, 1)
        streams = zip(self.network.fnets(), *parts, strict=True)
        restored = torch.cat(
            [fnet.restore(mask * blur + (1 - mask) * sharp, m) for fnet, m, mask in streams]
        )
        wanted = sharp.repeat(CLASSES, 1, 1, 1)
        # The four batches are of one size, so that four means are the sum over F-Nets.
        found = {"l1": CLASSES * F.l1_loss(restored, wanted)}
        if c.perceptual_weight:
            features = self.loss_networks["features"]
            value = losses.perceptual_loss(
                features, restored, wanted, c.perceptual_layers, c.perceptual_norm
            )
            found["perceptual"] = CLASSES * c.perceptual_weight * value
        return {"loss": torch.stack(list(found.values())).sum(), **found}

    def network_losses(self, batch: Batch) -> Losses:
        """L_total of eq. 6, for the network and CN together; also logs C and C L1 of each class."""
        blur, sharp = signed(batch["blur"]), signed(batch["sharp"])
        # The paper has no labels here: SN gives the maps of both images.
        maps, sharp_maps = self.maps(batch, blur, sharp)
        restored = self.network(blur, maps)
        confidence = None
        if self.config.confidence:
            confidence = self.network.confidence(restored[0], sharp, sharp_maps)
        loss = losses.deblurring_loss(restored, sharp, sharp_maps, confidence, self.config)
        found = {"l1": F.l1_loss(restored[0], sharp)}
        if self.config.perceptual_weight:
            features = self.loss_networks["features"]
            found["perceptual"] = losses.network_perceptual_loss(
                features, restored, sharp, self.config
            )
            loss = loss + found["perceptual"]
        if confidence is not None:
            with torch.no_grad():
                weighed = confidence * losses.class_errors(restored[0], sharp, sharp_maps)
            logged = {"confidence": confidence, "weighed_error": weighed}
            for name, values in logged.items():
                for number, value in enumerate(values.mean((0, 2)), start=1):
                    found[f"{name}_{number}"] = value
        return {"loss": loss, **found}

    @torch.no_grad()
    def maps(self, batch: Batch, *images: Tensor) -> tuple[Tensor, ...]:
        """Of images of a batch, (N, 3, H, W) in [-1, 1]: SN's, without gradients, or the true."""
        if self.oracle:
            return (batch["mask"].to(images[0]),) * len(images)
        # One pass: SN is frozen and in eval mode, so that pictures do not touch each other.
        return self.segmentation.maps(torch.cat(images)).chunk(len(images))
