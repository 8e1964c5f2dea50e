"""Adversarial BRMR: iGAN restores a picture, pGAN the patches that it left the most blurred.

After "Tell Me Where It is Still Blurry: Adversarial Blurred Region Mining and Refining" (ACM
Multimedia, 2019), which was published without code.
"""

import math
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import ClassVar, Literal, NamedTuple

import torch
from pydantic import Field, NonNegativeFloat, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Figures, Losses, Maps, Stage, Update, pad, signed
from blurbench.models.brmr.igan import IGAN, IGANConfig
from blurbench.models.brmr.mining import Box, drawn, grid, hottest, outlined
from blurbench.models.parts.dropout import pixel_seed, seeded_dropout
from blurbench.models.parts.maps import coloured
from blurbench.models.parts.pix2pix import (
    InstanceNorm,
    PatchDiscriminator,
    UnetGenerator,
    initialise,
)
from blurbench.models.parts.schedules import falling


class BRMRConfig(IGANConfig):
    """iGAN's, and how patches are mined and refined."""

    patch_downs: int = Field(7, ge=5, le=10, description="times pGAN's generator halves a patch")
    patch_size: int = Field(128, gt=0, description="px, a multiple of 2^patch_downs")
    stride: int = Field(64, gt=0, description="px from one window of the search to the next")
    mining: Literal["hottest", "random", "all"] = Field(
        "hottest", description="windows of the search that pGAN learns from"
    )
    refining: Literal["hottest", "random"] = Field(
        "hottest", description="windows of the search that are refined in a restoration"
    )
    acceptance: bool = Field(
        True, description="end at the first patch that does not help; false: after max_iterations"
    )
    shares: tuple[NonNegativeFloat, NonNegativeFloat] = Field(
        (1, 1), description="steps of iGAN and of pGAN"
    )
    # The paper names no limit; its loop keeps 2.3 patches on average.
    max_iterations: int = Field(16, ge=0, description="most patches refined in a picture")

    @field_validator("shares")
    @classmethod
    def some(cls, shares: tuple[float, float]) -> tuple[float, float]:
        """Something must be trained."""
        if not any(shares):
            raise ValueError("one of the two must be more than 0")
        return shares

    @field_validator("patch_size")
    @classmethod
    def fits(cls, size: int, info: ValidationInfo) -> int:
        """Patches must suit pGAN's generator."""
        if size % (unit := 2 ** info.data.get("patch_downs", 0)):
            raise ValueError(f"it must be a multiple of {unit}")
        return size


Patches = tuple[Tensor, Tensor]  # of restored and of sharp pictures, (N, 3, p, p) in [-1, 1]
PAPER = BRMRConfig(steps=1_120_000, batch_size=1, crop_size=256)  # 400 epochs, one by one


class Version(NamedTuple):
    """A picture on its way."""

    image: Tensor  # (1, 3, H, W) in [0, 1]
    heat: Tensor  # (1, H, W): where it is still blurry
    refined: Box | None  # the patch that was replaced last


class BRMR(IGAN):
    """iGAN, whose weights keep their names, and pGAN."""

    Config = BRMRConfig
    PRESETS: ClassVar = {
        # 200 epochs of 2,800 concert pairs for each of the two GANs.
        "paper": PAPER,
        "tiny": BRMRConfig(
            **IGAN.PRESETS["tiny"].model_dump(exclude={"steps"}),
            steps=4_000,
            patch_downs=5,
            patch_size=32,
            stride=16,
        ),
        # The paper's windows; its iGAN is the preset `small` of `igan`, for as many steps.
        "small": BRMRConfig(
            **IGAN.PRESETS["small"].model_dump(exclude={"steps"}), steps=5_000, patch_downs=5
        ),
    }

    config: BRMRConfig

    def __init__(self, config: BRMRConfig) -> None:
        """Build all four networks."""
        super().__init__(config)
        # The smallest picture holds a patch.
        self.multiple *= math.ceil(config.patch_size / self.multiple)
        self.patch_generator = UnetGenerator(
            config.patch_downs, config.width, InstanceNorm, config.dropout, config.residual
        )
        self.patch_discriminator = PatchDiscriminator(6, config.width, InstanceNorm)
        initialise(self.patch_generator)
        initialise(self.patch_discriminator)
        # Of the parts of a batch, each with its blurred pictures.
        self.mined_last: deque[tuple[Tensor, Patches]] = deque(maxlen=config.accumulate)

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], sides multiples of `multiple` -> the same shape."""
        return self.restore_counted(blur)[0]

    def restore_counted(self, blur: Tensor) -> tuple[Tensor, Figures]:
        """`restore`, and `iterations`: the patches that were refined and kept."""
        restored, iterations = [], 0
        for picture in torch.split(blur, 1):
            with self.noise(picture):
                # One by one: all versions of a large picture need not fit in memory.
                for accepted, version in enumerate(self.versions(picture)):
                    restored_last, count = version.image, accepted
            restored.append(restored_last)
            iterations += count
        return torch.cat(restored), {"iterations": float(iterations)}

    def noise(self, picture: Tensor) -> AbstractContextManager[None]:
        """Dropout of both generators, one draw for all that happens to a picture."""
        return seeded_dropout(self, picture) if self.config.test_dropout else nullcontext()

    def versions(self, blur: Tensor) -> Iterator[Version]:
        """Algorithm 1 on (1, 3, H, W): what iGAN restores, and what follows with each patch."""
        c, image = self.config, self.generate(blur)
        # As dropout's, draws are of the picture: it is restored alike each time.
        draws = torch.Generator().manual_seed(pixel_seed(blur))
        # Log odds grow when the chance of "sharp" does, and do not end at 1.
        confidence, heat = self.judge(image, blur)
        yield Version(image, heat, None)
        for _ in range(c.max_iterations):
            box = self.next_window(heat, draws)
            tried = self.refine(image, box)
            tried_confidence, heat = self.judge(tried, blur)
            # Without values, one refused patch.
            # The first patch that does not help is the last: the "until" of Algorithm 1.
            if blur.is_meta or (c.acceptance and not tried_confidence > confidence):
                return
            image, confidence = tried, tried_confidence
            yield Version(image, heat, box)

    def next_window(self, heat: Tensor, draws: torch.Generator) -> Box:
        """Which of (1, H, W) is refined."""
        c = self.config
        if c.refining == "hottest":
            return hottest(heat, c.patch_size, c.stride)[0]
        height, width = heat.shape[-2:]
        return drawn(grid(height, width, c.patch_size, c.stride), draws)

    def refine(self, image: Tensor, box: Box) -> Tensor:
        """A copy of (1, 3, H, W) in [0, 1] with pGAN's restoration of one patch."""
        refined = image.clone()
        box.cut(refined).copy_((self.patch_generator(signed(box.cut(image))) + 1) / 2)
        return refined

    @torch.no_grad()
    def explain(self, blur: Tensor) -> Maps:
        """Where it was blurry before and after, the refined patches, and the way there.

        `heat_before` and `heat_after` share their colours; `patches` is the restored picture with
        outlines, the first patch red and the last one green; `iterations` is an animation. And what
        is `found` in the picture itself.
        """
        padded, (height, width) = pad(blur, self.multiple)
        with self.noise(padded):
            versions = list(self.versions(padded))
        heats = [versions[i].heat[0, :height, :width] for i in (0, -1)]
        before, after = coloured(torch.cat(heats)).chunk(2, dim=1)
        images = torch.cat([v.image for v in versions])[..., :height, :width].clamp(0, 1)
        boxes = [v.refined for v in versions if v.refined]
        return {
            "heat_before": before,
            "heat_after": after,
            "patches": outlined(images[-1], boxes),
            "iterations": images,
            **self.found(blur),
        }

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """Both generators, and the discriminator that tells where and when to stop."""
        return (self.generator, self.discriminator, self.patch_generator)

    def stages(self) -> tuple[Stage, ...]:
        """iGAN's stage; then as many steps of pGAN on what the finished iGAN left blurred.

        A share of 0 leaves one out: pGAN alone goes on from an iGAN that `--init` names.
        """
        c = self.config
        (igan,) = super().stages()
        adam = partial(Update, lr=c.rate, betas=(c.beta1, 0.999), schedule=falling(0.5))
        networks = self.patch_discriminator, self.patch_generator
        discriminator = adam("discriminator", networks[:1], self.patch_discriminator_losses)
        generator = adam("generator", networks[1:], self.patch_generator_losses)
        of_igan, of_pgan = c.shares
        # By itself pGAN is what restores, and its samples are the budget.
        pgan = Stage("pgan", of_pgan, (discriminator, generator), beside=bool(of_igan))
        stages = replace(igan, name="igan", share=of_igan), pgan
        return tuple(stage for stage in stages if stage.share)

    def init_parts(self) -> tuple[nn.Module, ...]:
        """iGAN: a run of `igan` is the start of a run of this."""
        names = ("generator", "discriminator")
        return (nn.ModuleDict({name: self.get_submodule(name) for name in names}),)

    @torch.no_grad()
    def mined(self, batch: Batch) -> Patches:
        """The patches that `mining` names, of iGAN's pictures and of the sharp ones.

        Both (N, 3, p, p) in [-1, 1]; with "all", N counts the windows of each picture.
        The answers of a step are kept: both updates ask for the same, and must see the same draw.
        """
        blur = batch["blur"]
        for known, patches in self.mined_last:
            if known is blur:
                return patches
        restored = super().restore(blur)
        windows = self.windows(restored, blur)
        found = (signed(cut_all(images, windows)) for images in (restored, batch["sharp"]))
        patches = next(found), next(found)
        self.mined_last.append((blur, patches))
        return patches

    def windows(self, restored: Tensor, blur: Tensor) -> list[list[Box]]:
        """Where pGAN learns in each of (N, 3, H, W)."""
        c = self.config
        if c.mining == "hottest":
            return [[box] for box in hottest(self.cam(restored, blur), c.patch_size, c.stride)]
        height, width = blur.shape[-2:]
        boxes = grid(height, width, c.patch_size, c.stride)
        # The runner seeds torch before each step, so that a resumed run draws the same.
        return [boxes if c.mining == "all" else [drawn(boxes)] for _ in blur]

    def patch_discriminator_losses(self, batch: Batch) -> Losses:
        """Eq. 3 on patches, halved as in pix2pix."""
        blur, sharp = self.mined(batch)
        with torch.no_grad():
            restored = self.patch_generator(blur)
        real = self.patch_classified(blur, sharp, real=True)
        return {"loss": (real + self.patch_classified(blur, restored, real=False)) / 2}

    def patch_generator_losses(self, batch: Batch) -> Losses:
        """Eq. 5 on patches."""
        blur, sharp = self.mined(batch)
        restored = self.patch_generator(blur)
        adversarial = self.patch_classified(blur, restored, real=True)
        return self.generator_loss(adversarial, restored, sharp)

    def patch_classified(self, blur: Tensor, patch: Tensor, real: bool) -> Tensor:
        """Cross entropy of taking `patch` for real or made; both in [-1, 1]."""
        logits = self.patch_discriminator(torch.cat([blur, patch], 1))
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def cut_all(images: Tensor, windows: list[list[Box]]) -> Tensor:
    """The windows of each of (N, 3, H, W), one after the other."""
    pairs = zip(images, windows, strict=True)
    return torch.stack([box.cut(image) for image, boxes in pairs for box in boxes])
