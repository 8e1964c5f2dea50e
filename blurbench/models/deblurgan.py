"""DeblurGAN: residual blocks between strided convolutions, trained against a Wasserstein critic.

Networks, losses and names of the weights are those of the authors' code of June 2018: later
revisions lose half of each residual block to a slip, and do not run.
"""

from functools import partial
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Losses, Model, ModelConfig, Stage, Update, signed
from blurbench.models.parts.dropout import with_dropout
from blurbench.models.parts.losses import gradient_penalty
from blurbench.models.parts.pix2pix import initialise
from blurbench.models.parts.schedules import falling
from blurbench.models.parts.small import PHOTOS
from blurbench.models.parts.vgg import VggFeatures, vgg_files
from blurbench.weights.places import Needed

CONTENT_LAYER = "conv3_3"  # of VGG19, before its ReLU


class DeblurGANConfig(ModelConfig):
    """Widths, losses and optimiser of DeblurGAN."""

    width: int = Field(64, gt=0, description="channels of the first layers")
    blocks: int = Field(9, gt=0, description="residual blocks")
    dropout: float = Field(0.5, ge=0, lt=1, description="inside each residual block")
    test_dropout: bool = Field(True, description="keep it on after training, the same each time")
    gp_norm: Literal["sample", "channel"] = Field(
        "sample", description="slope of the critic: of a picture, or of each pixel's channels"
    )
    gp_weight: float = Field(10.0, ge=0, description="of the gradient penalty")
    critic_steps: int = Field(5, gt=0, description="on each batch, before the generator's one")
    perceptual_weight: float = Field(100.0, ge=0, description="of VGG19's conv3_3; 0: no VGG19")
    perceptual_weights: str = Field("imagenet", description="imagenet, random, or a file")
    l1_weight: float = Field(0.0, ge=0, description="of the mean absolute error in [-1, 1]")
    rate: float = Field(1e-4, gt=0)
    beta1: float = Field(0.5, ge=0, lt=1)


class ResBlock(nn.Module):
    """x + IN(conv(dropout(ReLU(IN(conv(x)))))), 3x3 on reflected borders."""

    def __init__(self, width: int, dropout: float) -> None:
        """`width` channels throughout."""
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        out: Tensor = x + self.conv_block(x)
        return out


class Generator(nn.Module):
    """What is added to the blurred picture, at a quarter of its size."""

    def __init__(self, width: int = 64, blocks: int = 9, dropout: float = 0.5) -> None:
        """`width` channels at full size, twice and four times as many below."""
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7)]
        layers += normalised(width)
        for inner in (2 * width, 4 * width):
            layers += [nn.Conv2d(inner // 2, inner, 3, 2, 1), *normalised(inner)]
        layers += [ResBlock(4 * width, dropout) for _ in range(blocks)]
        for outer in (2 * width, width):
            layers += [nn.ConvTranspose2d(2 * outer, outer, 3, 2, 1, 1), *normalised(outer)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1], sides multiples of 4 -> the same shape and range."""
        out: Tensor = (x + self.model(x)).clamp(-1, 1)
        return out


def normalised(width: int) -> list[nn.Module]:
    """Instance norm without weights, whose statistics are always the picture's own; ReLU."""
    return [nn.InstanceNorm2d(width), nn.ReLU(inplace=True)]


class Critic(nn.Module):
    """How sharp each patch of a picture looks, without bounds."""

    def __init__(self, width: int = 64) -> None:
        """`width` channels first, up to eight times as many."""
        super().__init__()
        # Padding 2 throughout, as released, where pix2pix has 1.
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 2), nn.LeakyReLU(0.2, inplace=True)]
        for times, stride in ((1, 2), (2, 2), (4, 1)):
            layers += [
                nn.Conv2d(times * width, 2 * times * width, 4, stride, 2),
                nn.InstanceNorm2d(2 * times * width),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.model = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 2))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> (N, 1, H/8 + 3, W/8 + 3)."""
        out: Tensor = self.model(x)
        return out


# 300 epochs of GoPro's 2,103 training pairs, one by one.
PAPER = DeblurGANConfig(steps=630_900, batch_size=1, crop_size=256)


class DeblurGAN(Model):
    """Generator and critic."""

    Config = DeblurGANConfig
    PRESETS: ClassVar = {
        "paper": PAPER,
        # The released code measures the slope pixel by pixel.
        "repo": PAPER.model_copy(update={"gp_norm": "channel"}),
        "tiny": DeblurGANConfig(
            steps=2_000,
            batch_size=4,
            crop_size=64,
            precision="auto",
            width=16,
            blocks=3,
            dropout=0.0,
            test_dropout=False,
            critic_steps=1,
            perceptual_weight=0.0,
            l1_weight=100.0,
            rate=1e-3,
        ),
        "small": DeblurGANConfig(
            **PHOTOS,
            steps=3_000,
            width=28,
            blocks=7,
            dropout=0.0,
            test_dropout=False,
            critic_steps=1,
            perceptual_weight=0.0,
            l1_weight=100.0,
            rate=5e-4,
        ),
    }
    PAPER = (
        "O. Kupyn et al., DeblurGAN: Blind Motion Deblurring Using Conditional Adversarial"
        " Networks, CVPR, 2018"
    )
    LICENCE = "authors' code: no licence file"

    config: DeblurGANConfig

    def __init__(self, config: DeblurGANConfig) -> None:
        """Build both networks."""
        super().__init__(config)
        # Two halvings; 8, because instance norm refuses the 1x1 maps of a 4x4 picture.
        self.multiple = 8
        self.generator = Generator(config.width, config.blocks, config.dropout)
        self.critic = Critic(config.width)
        initialise(self)
        self.judged: list[tuple[Tensor, Tensor]] = []  # blur, restored: each part of a batch

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], sides multiples of 8 -> the same shape."""
        if self.config.test_dropout:
            return with_dropout(self.generator, self.generate, blur)
        return self.generate(blur)

    def generate(self, blur: Tensor) -> Tensor:
        """The generator on pictures in [0, 1]."""
        out: Tensor = (self.generator(signed(blur)) + 1) / 2
        return out

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """The generator."""
        return (self.generator,)

    def prepare(self) -> None:
        """VGG19 of the content loss, where the preset has one; UserError without its weights."""
        c = self.config
        if c.perceptual_weight:
            # As released: pictures in [-1, 1], and not ImageNet's statistics.
            features = VggFeatures((CONTENT_LAYER,), c.perceptual_weights, "vgg19", normalise=False)
            self.loss_networks["features"] = features

    def files(self) -> tuple[Needed, ...]:
        """VGG19's."""
        c = self.config
        return vgg_files(c.perceptual_weights, "vgg19") if c.perceptual_weight else ()

    def stages(self) -> tuple[Stage, ...]:
        """One stage: some steps of the critic, then one of the generator, on each batch."""
        c = self.config
        adam = partial(Update, lr=c.rate, betas=(c.beta1, 0.999), schedule=falling(0.5))
        critic = adam("critic", (self.critic,), self.critic_losses, repeats=c.critic_steps)
        generator = adam("generator", (self.generator,), self.generator_losses)
        return (Stage("gan", 1.0, (critic, generator)),)

    def critic_losses(self, batch: Batch) -> Losses:
        """Wasserstein distance to be widened, and the penalty on the critic's slope."""
        c, sharp, restored = self.config, signed(batch["sharp"]), self.restored_once(batch)
        # One pass for both: instance norm keeps the pictures apart.
        fake, real = self.critic(torch.cat([restored, sharp])).chunk(2)
        # A place for each picture, as in WGAN-GP; the released code draws one for a whole batch,
        # which in its batches of one is the same.
        share = torch.rand(len(sharp), 1, 1, 1, device=sharp.device, dtype=sharp.dtype)
        penalty = gradient_penalty(self.critic, sharp, restored, share, c.gp_norm)
        distance = real.mean() - fake.mean()
        return {"loss": c.gp_weight * penalty - distance, "distance": distance, "penalty": penalty}

    def restored(self, batch: Batch) -> Tensor:
        """The generator's output in [-1, 1]."""
        out: Tensor = self.generator(signed(batch["blur"]))
        return out

    @torch.no_grad()
    def restored_once(self, batch: Batch) -> Tensor:
        """The generator's output in [-1, 1], one for all steps of the critic on a batch."""
        # Another draw of the dropout for each step would cost a third of the time.
        for blur, restored in self.judged:
            if blur is batch["blur"]:
                return restored
        self.judged.append((batch["blur"], self.restored(batch)))
        return self.judged[-1][1]

    def generator_losses(self, batch: Batch) -> Losses:
        """What the critic thinks of the restored pictures, and their distance to the sharp ones."""
        return self.image_losses(self.restored(batch), signed(batch["sharp"]))

    def image_losses(self, restored: Tensor, sharp: Tensor) -> Losses:
        """The generator's losses, of restored and sharp pictures in [-1, 1]."""
        self.judged = []  # the generator is about to change
        c = self.config
        found = {"adversarial": -self.critic(restored).mean(), "l1": F.l1_loss(restored, sharp)}
        loss = found["adversarial"] + c.l1_weight * found["l1"]
        if c.perceptual_weight:
            features = self.loss_networks["features"]
            wanted, made = features(sharp)[CONTENT_LAYER], features(restored)[CONTENT_LAYER]
            found["perceptual"] = F.mse_loss(made, wanted)
            loss = loss + c.perceptual_weight * found["perceptual"]
        return {"loss": loss, **found}
