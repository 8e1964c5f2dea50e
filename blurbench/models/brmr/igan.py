"""iGAN: pix2pix with a discriminator that also tells where a picture is still blurry.

The first network of "Tell Me Where It is Still Blurry: Adversarial Blurred Region Mining and
Refining" (ACM Multimedia, 2019), which was published without code; its second one repairs what
this one points at.
"""

from functools import partial
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import (
    Batch,
    Losses,
    Maps,
    Model,
    ModelConfig,
    Stage,
    Update,
    pad,
    signed,
)
from blurbench.models.brmr.mining import Box, hottest, outlined
from blurbench.models.parts.dropout import with_dropout
from blurbench.models.parts.maps import coloured
from blurbench.models.parts.pix2pix import InstanceNorm, UnetGenerator, initialise, patch_features
from blurbench.models.parts.schedules import falling
from blurbench.models.parts.small import STILLS

SHARP, BLURRY = 0, 1  # the two classes
SQUARE = 128  # px, the side of the blurred square that the paper looks for


class IGANConfig(ModelConfig):
    """Widths, losses and optimiser of iGAN."""

    width: int = Field(64, gt=0, description="channels of the first layers of both networks")
    downs: int = Field(8, ge=5, le=10, description="times the generator halves the picture")
    dropout: bool = Field(True, description="in the inner levels of the generator")
    test_dropout: bool = Field(True, description="keep it on after training, the same each time")
    residual: bool = Field(False, description="generators add to the picture that they are given")
    l1_weight: float = Field(100.0, ge=0, description="lambda of eq. 5")
    blur_negatives: bool = Field(
        False, description="the discriminator also tells sharp pictures from partly blurred ones"
    )
    rate: float = Field(2e-4, gt=0)
    beta1: float = Field(0.5, ge=0, lt=1)


class RegionDiscriminator(nn.Module):
    """Sharp or blurry, as a weighted sum of feature maps: the same sum of pixels is a heat map."""

    def __init__(self, width: int = 64) -> None:
        """The patch discriminator up to its fourth convolution, then a mean over the picture."""
        super().__init__()
        self.features = nn.Sequential(*patch_features(6, width, InstanceNorm))
        # Without biases, so that the heat maps add up to the logits.
        self.classify = nn.Linear(8 * width, 2, bias=False)

    def forward(self, pair: Tensor) -> Tensor:
        """Blurred picture and the one to judge, (N, 6, H, W) in [-1, 1] -> logits (N, 2)."""
        return self.judge(pair)[0]

    def judge(self, pair: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, 2), and the share of each place in them, eq. 2: (N, 2, H/8, W/8)."""
        features = self.features(pair)
        # Mean over places and weighted sum commute: the heat's mean is the logit.
        heat = torch.einsum("ck,nkhw->nchw", self.classify.weight, features)
        # A mean, where the paper has a sum: so logits do not grow with the picture.
        return self.classify(features.mean((2, 3))), heat


class IGAN(Model):
    """Generator and discriminator."""

    Config = IGANConfig
    PRESETS: ClassVar = {
        # 200 epochs of 2,800 concert pairs, one by one.
        "paper": IGANConfig(steps=560_000, batch_size=1, crop_size=256),
        "tiny": IGANConfig(
            steps=2_000,
            batch_size=4,
            crop_size=64,
            precision="auto",
            width=16,
            downs=5,
            dropout=False,
            test_dropout=False,
            rate=1e-3,
        ),
        # Three halvings fewer than the paper's: two thirds of its numbers, a tenth of its MACs.
        "small": IGANConfig(
            **STILLS, steps=2_500, width=68, downs=5, dropout=False, test_dropout=False, rate=5e-4
        ),
    }
    PAPER = (
        "J.-C. Lin, W.-L. Wei, T.-L. Liu, C.-C. J. Kuo and H.-Y. M. Liao, Tell Me Where It is"
        " Still Blurry: Adversarial Blurred Region Mining and Refining, ACM Multimedia, 2019"
    )
    LICENCE = "no public code; written from the paper"

    config: IGANConfig

    def __init__(self, config: IGANConfig) -> None:
        """Build both networks."""
        super().__init__(config)
        self.multiple = 2**config.downs
        self.generator = UnetGenerator(
            config.downs, config.width, InstanceNorm, config.dropout, config.residual
        )
        self.discriminator = RegionDiscriminator(config.width)
        initialise(self)

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], sides multiples of `multiple` -> the same shape."""
        if self.config.test_dropout:
            return with_dropout(self.generator, self.generate, blur)
        return self.generate(blur)

    def generate(self, blur: Tensor) -> Tensor:
        """The generator on pictures in [0, 1]."""
        out: Tensor = (self.generator(signed(blur)) + 1) / 2
        return out

    def judge(self, image: Tensor, blur: Tensor) -> tuple[Tensor, Tensor]:
        """How sharp `image`, restored from `blur`, is, and where it is still blurry.

        Both (N, 3, H, W) in [0, 1], sides of 24 px or more. Gives the log odds of "sharp", (N,),
        and (N, H, W), whose mean over a picture is near the logit of "blurry".
        """
        logits, heat = self.discriminator.judge(signed(torch.cat([blur, image], 1)))
        heat = heat[:, BLURRY : BLURRY + 1]
        whole = F.interpolate(heat, image.shape[-2:], mode="bilinear", align_corners=False)
        return logits[:, SHARP] - logits[:, BLURRY], whole[:, 0]

    def cam(self, image: Tensor, blur: Tensor) -> Tensor:
        """The map of `judge` alone."""
        return self.judge(image, blur)[1]

    @torch.no_grad()
    def blurred_boxes(self, images: Tensor, size: int = SQUARE, stride: int = 1) -> list[Box]:
        """The most blurred square of each picture, (N, 3, H, W) in [0, 1], that nothing restored.

        `size` px, at most H and W. Wants a discriminator trained with `blur_negatives`.
        """
        # Every window: of those 64 px apart even the best has an IoU of 0.634 on average.
        return hottest(self.cam(images, images), size, stride)

    @torch.no_grad()
    def explain(self, blur: Tensor) -> Maps:
        """`heat`: where the restored picture is still blurry, yellow the most; what is `found`."""
        padded, (height, width) = pad(blur, self.multiple)
        heat = self.cam(self.restore(padded), padded)
        return {"heat": coloured(heat[0, :height, :width]), **self.found(blur)}

    @torch.no_grad()
    def found(self, blur: Tensor) -> Maps:
        """Fig. 6, of (1, 3, H, W) in [0, 1]: where the picture itself is blurry, and its most
        blurred square of 128 px; nothing of a discriminator that has not learnt to tell.
        """
        if not self.config.blur_negatives:
            return {}
        padded, (height, width) = pad(blur, self.multiple)
        heat = self.cam(padded, padded)[:, :height, :width]
        boxes = hottest(heat, min(SQUARE, height, width), 1)
        return {"blurred": coloured(heat[0]), "blurred_square": outlined(blur[0].cpu(), boxes)}

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """The generator."""
        return (self.generator,)

    def stages(self) -> tuple[Stage, ...]:
        """One stage: a step of the discriminator, then one of the generator, on each batch."""
        c = self.config
        adam = partial(Update, lr=c.rate, betas=(c.beta1, 0.999), schedule=falling(0.5))
        discriminator = adam("discriminator", (self.discriminator,), self.discriminator_losses)
        generator = adam("generator", (self.generator,), self.generator_losses)
        return (Stage("gan", 1.0, (discriminator, generator)),)

    def discriminator_losses(self, batch: Batch) -> Losses:
        """Eq. 3 as a cross entropy of two classes, halved as in pix2pix."""
        blur, sharp = signed(batch["blur"]), signed(batch["sharp"])
        with torch.no_grad():
            restored = self.generator(blur)
        found = [self.classified(blur, sharp, SHARP), self.classified(blur, restored, BLURRY)]
        if self.config.blur_negatives:
            # Each as its own restoration, which is how `blurred_boxes` will ask.
            partly = partly_blurred(blur, sharp)
            found += [self.classified(sharp, sharp, SHARP), self.classified(partly, partly, BLURRY)]
        return {"loss": sum(found[1:], found[0]) / len(found)}

    def generator_losses(self, batch: Batch) -> Losses:
        """Eq. 5: be taken for sharp, and stay near the sharp picture."""
        blur, sharp = signed(batch["blur"]), signed(batch["sharp"])
        restored = self.generator(blur)
        return self.generator_loss(self.classified(blur, restored, SHARP), restored, sharp)

    def generator_loss(self, adversarial: Tensor, restored: Tensor, sharp: Tensor) -> Losses:
        """Eq. 5 from its first term and the pictures in [-1, 1]."""
        l1 = F.l1_loss(restored, sharp)
        loss = adversarial + self.config.l1_weight * l1
        return {"loss": loss, "adversarial": adversarial, "l1": l1}

    def classified(self, blur: Tensor, image: Tensor, label: int) -> Tensor:
        """Cross entropy of taking `image` for the given class; pictures in [-1, 1]."""
        logits = self.discriminator(torch.cat([blur, image], 1))
        return F.cross_entropy(logits, torch.full((len(blur),), label, device=blur.device))


def partly_blurred(blur: Tensor, sharp: Tensor) -> Tensor:
    """Sharp pictures, (N, 3, H, W), each with a blurred square of half its size somewhere."""
    height, width = sharp.shape[-2:]
    side, mixed = min(height, width) // 2, sharp.clone()
    for one, other in zip(mixed, blur, strict=True):
        left, top = (int(torch.randint(length - side + 1, ())) for length in (width, height))
        box = Box(left, top, side, side)
        box.cut(one).copy_(box.cut(other))
    return mixed
