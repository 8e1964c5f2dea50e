"""The Semantic Prior on a backbone: priors, restoration, training, pictures."""

import math
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Loss, Losses, Maps, Model, Stage, pad
from blurbench.models.parts.maps import coloured
from blurbench.models.parts.vgg import VggFeatures, vgg_files
from blurbench.models.sp.backbones import Place, backbone, embedded, places
from blurbench.models.sp.config import PRESETS, SPConfig
from blurbench.models.sp.losses import context_loss
from blurbench.models.sp.network import (
    EMBEDDINGS,
    Aggregation,
    ClassMap,
    CrossLevel,
    Levels,
    Student,
    Transformation,
)
from blurbench.models.sp.teacher import Teacher, load_classes, load_features, teacher_files
from blurbench.weights.places import Needed

CONTENT_LAYER = "conv3_3"  # of VGG19, before its ReLU


class SemanticPrior(Model):
    """A backbone whose decoders are told what a student makes of the blurred picture."""

    Config = SPConfig
    PRESETS: ClassVar = PRESETS
    PAPER = "P. Wang et al., Take a Prior from Other Tasks for Severe Blur Removal, arXiv, 2023"
    LICENCE: ClassVar[str] = (
        "no public code; written from the paper. Teachers' weights have licences of their own"
    )
    LAYOUT = torch.channels_last

    config: SPConfig

    def __init__(self, config: SPConfig) -> None:
        """Build backbone and student."""
        super().__init__(config)
        c = config
        self.backbone = backbone(c.backbone, c.backbone_preset, c.backbone_scale)
        # The student halves twice, whatever the backbone does.
        self.multiple = math.lcm(self.backbone.multiple, 4)
        self.embeddings = nn.ModuleList()
        if c.embedding == "off":
            return
        widths = c.student_widths
        self.student = Student(widths, c.student_blocks)
        if c.prior != "features":
            self.classes = ClassMap(widths, c.teacher_channels[0])
            widths = (c.teacher_channels[0],) * 3  # one map of classes, at three sizes
        if c.cross_level:
            self.connections = nn.ModuleList(CrossLevel(widths[i], widths[i + 1]) for i in (0, 1))
        if c.aggregation:
            self.aggregations = nn.ModuleList(Aggregation(widths, i) for i in range(3))
        embed = EMBEDDINGS[c.embedding]
        found = places(c.backbone, self.backbone)
        self.embeddings = nn.ModuleList(embed(widths[p.level], p.width) for p in found)
        if c.prior == "features" and c.prior_weight:
            pairs = zip(widths, c.teacher_channels, strict=True)
            self.heads = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairs)

    def learn(self, blur: Tensor) -> Levels:
        """What the prior's loss supervises: f_pri of three levels, or logits of the one map."""
        if self.config.embedding == "off":
            return []
        m: Levels = self.student(blur)
        if self.config.prior != "features":
            return [self.classes(m)]
        if not self.config.cross_level:
            return m
        return [
            *(clc(*pair) for clc, pair in zip(self.connections, pairwise(m), strict=True)),
            m[2],
        ]

    def aggregate(self, learnt: Levels) -> Levels:
        """What `learn` gives -> the priors M at full, half and quarter size."""
        if self.config.prior != "features":
            return self.shares(learnt[0])
        if not (learnt and self.config.aggregation):
            return learnt
        return [mla(learnt) for mla in self.aggregations]

    def shares(self, logits: Tensor) -> Levels:
        """Each class's share of the pixels of each level."""
        # Trained by its own loss alone: the paper's is a network apart, and one-hot has no slope.
        share = logits.detach().softmax(1)
        if self.config.prior == "one-hot":
            share = torch.zeros_like(share).scatter_(1, share.argmax(1, keepdim=True), 1.0)
        return [share, F.avg_pool2d(share, 2), F.avg_pool2d(share, 4)]

    def guided(self, priors: Levels) -> AbstractContextManager[None]:
        """Within it, the backbone is told the priors."""
        return embedded(self.places(), list(self.embeddings), priors)

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], multiples of `multiple` -> the same shape."""
        with self.guided(self.aggregate(self.learn(blur))):
            return self.backbone.restore(blur)

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """Backbone and student; neither the teacher nor the convolutions to its channels."""
        return tuple(module for name, module in self.named_children() if name != "heads")

    def prepare(self) -> None:
        """VGG19 of the perceptual loss, and the teacher F_P, where they count.

        UserError without their weights.
        """
        c = self.config
        if c.reconstruction == "backbone":
            self.backbone.prepare()
            self.loss_networks |= self.backbone.loss_networks
        elif c.perceptual_weight:
            features = VggFeatures((CONTENT_LAYER,), c.perceptual_weights, "vgg19")
            self.loss_networks["features"] = features
        if c.prior_weight:
            self.loss_networks["teacher"] = self.load_teacher()

    def files(self) -> tuple[Needed, ...]:
        """VGG19's, and the teacher's."""
        c = self.config
        losses: tuple[Needed, ...] = ()
        if c.reconstruction == "backbone":
            losses = self.backbone.files()
        elif c.perceptual_weight:
            losses = vgg_files(c.perceptual_weights, "vgg19")
        return (*losses, *teacher_files(c.teacher, c.teacher_weights)) if c.prior_weight else losses

    def load_teacher(self) -> Teacher:
        """F_P, of three maps or of classes; UserError without its weights."""
        c = self.config
        if c.prior == "features":
            return load_features(c.teacher, c.teacher_weights, c.teacher_channels)
        return load_classes(c.teacher, c.teacher_weights, c.teacher_channels[0])

    def stages(self) -> tuple[Stage, ...]:
        """One stage, with optimiser, rate and schedule of the backbone's own."""
        (stage,) = self.backbone.stages()
        (own,) = stage.updates
        loss = partial(self.losses, own.loss)
        return (Stage("sp", 1.0, (replace(own, name="sp", modules=(self,), loss=loss),)),)

    def losses(self, own: Loss, batch: Batch) -> Losses:
        """Eq. 7: of the restored picture, and of the prior."""
        learnt = self.learn(batch["blur"])
        with self.guided(self.aggregate(learnt)):
            if self.config.reconstruction == "backbone":
                found = own(batch)
            else:
                found = self.reconstruction_losses(batch)
        if self.config.prior_weight:
            seen = self.loss_networks["teacher"](batch["sharp"])
            found["prior"] = self.prior_loss(learnt, seen)
            found["loss"] = found["loss"] + self.config.prior_weight * found["prior"]
        return found

    def reconstruction_losses(self, batch: Batch) -> Losses:
        """L1, and the mean squared error of VGG19's features."""
        sharp, restored = batch["sharp"], self.backbone.restore(batch["blur"])
        found = {"l1": F.l1_loss(restored, sharp)}
        loss = found["l1"]
        if self.config.perceptual_weight:
            features = self.loss_networks["features"]
            # Eq. 8 takes the norm of a sum, in which opposite errors would cancel.
            wanted, made = features(sharp)[CONTENT_LAYER], features(restored)[CONTENT_LAYER]
            found["perceptual"] = F.mse_loss(made, wanted)
            loss = loss + self.config.perceptual_weight * found["perceptual"]
        return {"loss": loss, **found}

    def prior_loss(self, learnt: Levels, seen: Levels | Tensor) -> Tensor:
        """Eq. 4, averaged over the levels; of an image-level prior, the cross entropy."""
        if isinstance(seen, Tensor):
            return F.cross_entropy(learnt[0], seen)
        found = []
        for head, f, wanted in zip(self.heads, learnt, seen, strict=True):
            # The teacher's maps are coarser: the student answers for the mean of what they cover.
            height, width = wanted.shape[-2:]
            made = head(F.adaptive_avg_pool2d(f, (height, width)))
            found.append(context_loss(made, wanted, self.config.hcl))
        return torch.stack(found).mean()

    @torch.no_grad()
    def prior_scale(self, sharp: Tensor) -> float:
        """The prior's loss of a student that knows each channel's mean over (N, 3, H, W), no more.

        Of another teacher it is another: prior_weight weighs alike what it is divided by this.
        """
        seen = self.loss_networks["teacher"](sharp)
        means = [x.mean((0, 2, 3), keepdim=True).expand_as(x) for x in seen]
        pairs = zip(means, seen, strict=True)
        return float(torch.stack([context_loss(a, b, self.config.hcl) for a, b in pairs]).mean())

    @torch.no_grad()
    def explain(self, blur: Tensor) -> Maps:
        """Means over the channels of priors, attention, scale and shift, of each level."""
        padded, (height, width) = pad(blur, self.multiple)
        learnt = self.learn(padded)
        priors = self.aggregate(learnt)
        maps: Maps = {f"prior-{i}": prior for i, prior in enumerate(priors, start=1)}
        if learnt and self.config.aggregation:
            found = [m.attention(learnt) for m in self.aggregations if isinstance(m, Aggregation)]
            maps |= {f"attention-{i}": attention for i, attention in enumerate(found, start=1)}
        maps |= self.transformations(priors)
        size = (padded.shape[-2], padded.shape[-1])
        pictures = {name: coloured(m[0].mean(0), size) for name, m in maps.items()}
        return {name: picture[:, :height, :width] for name, picture in pictures.items()}

    def transformations(self, priors: Levels) -> Maps:
        """Scale and shift of each level, in the last decoder that has them."""
        found: Maps = {}
        for place, sat in zip(self.places(), self.embeddings, strict=True):
            if isinstance(sat, Transformation):
                prior, level = priors[place.level], place.level + 1
                found |= {f"scale-{level}": sat.scale(prior), f"shift-{level}": sat.shift(prior)}
        return found

    def places(self) -> list[Place]:
        """Where the backbone takes the prior in, if it is told any."""
        return places(self.config.backbone, self.backbone) if self.embeddings else []
