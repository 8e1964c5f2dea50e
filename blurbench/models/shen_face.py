"""Semantic face deblurring of Shen et al. (CVPR 2018), which UMSN is measured against.

Kinds and order of layers are those of the authors' MatConvNet test code, which is all there is: the
widths of P-net, the weights of the losses, rates and steps are our choice, and so is the parameter
count. Theirs tells 11 classes of a face apart, this one UMSN's 4: background, skin, parts, hair.
"""

from functools import partial
from itertools import pairwise
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Losses, Maps, Model, ModelConfig, Stage, Update, pad
from blurbench.models.parts.small import FACES
from blurbench.models.parts.vgg import VggFeatures, vgg_files
from blurbench.models.umsn.explain import class_pictures
from blurbench.weights.places import Needed

CLASSES = 4
PARTS = 2  # the class whose error the local loss weighs: brows, eyes, nose, lips, teeth
LAYERS = ("relu2_2", "relu5_3")  # the last before the pooling layers 2 and 5


class ShenFaceConfig(ModelConfig):
    """Widths, losses and rates."""

    parsing_widths: tuple[int, ...] = Field(
        (16, 32, 64, 64, 128, 128), min_length=2, description="of P-net's convolutions"
    )
    width: int = Field(64, gt=0, description="channels of the deblurring network")
    blocks: int = Field(5, gt=0, description="residual blocks at each size")
    critic_width: int = Field(64, gt=0)
    parts_weight: float = Field(50.0, ge=0, description="of L1 inside eyes, nose and mouth")
    perceptual_weight: float = Field(1e-5, ge=0, description="of VGG16's features; 0: no VGG16")
    perceptual_weights: str = Field("imagenet", description="imagenet, random, or a file")
    adversarial_weight: float = Field(5e-5, ge=0, description="0: no discriminator")
    shares: tuple[float, float, float] = Field(
        (60, 20, 160), description="steps of P-net, of L1 alone, of all losses"
    )
    rate: float = Field(1e-4, gt=0)
    parsing_rate: float = Field(1e-4, gt=0)
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")


def conv_norm(inputs: int, outputs: int, size: int) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    layers = nn.Conv2d(inputs, outputs, size, padding=size // 2), nn.BatchNorm2d(outputs)
    return nn.Sequential(*layers, nn.ReLU(inplace=True))


class ParsingNet(nn.Module):
    """P-net: the classes of a blurry face; six convolutions down, five up, skips that add."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        """One width a size; each size is half of the one before."""
        super().__init__()
        # The third kernel is the largest, 5 px, as released.
        sizes = [5 if number == 2 else 3 for number in range(len(widths))]
        self.down = nn.ModuleList(map(conv_norm, (3, *widths[:-1]), widths, sizes))
        steps = list(pairwise(widths))[::-1]
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(b, a, 4, 2, 1) for a, b in steps)
        self.up = nn.ModuleList(conv_norm(a, a, 3) for a, _ in steps)
        self.classify = nn.Conv2d(widths[0], CLASSES, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> logits (N, 4, H, W)."""
        skips = [self.down[0](x)]
        for layer in self.down[1:]:
            skips.append(layer(F.max_pool2d(skips[-1], 2)))
        x = skips.pop()
        for enlarge, layer in zip(self.enlarge, self.up, strict=True):
            x, skip = layer(enlarge(x)), skips.pop()
            # As released: nothing is added at full size.
            x = x + skip if skips else x
        out: Tensor = self.classify(x)
        return out


class ResBlock(nn.Module):
    """x + conv(ReLU(conv(ReLU(x)))), 5x5."""

    def __init__(self, width: int) -> None:
        """`width` channels throughout."""
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 5, padding=2)
        self.conv2 = nn.Conv2d(width, width, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        out: Tensor = x + self.conv2(F.relu(self.conv1(F.relu(x))))
        return out


def scale_net(inputs: int, width: int, blocks: int) -> nn.Sequential:
    """The network of one size: an 11x11 convolution, then 5x5 ones and residual blocks."""

    def conv(a: int, b: int, size: int = 5) -> nn.Conv2d:
        return nn.Conv2d(a, b, size, padding=size // 2)

    head = conv(inputs, width, 11), nn.ReLU(), conv(width, width), nn.ReLU(), conv(width, width)
    tail = nn.ReLU(), conv(width, width), nn.ReLU(), conv(width, width), nn.ReLU(), conv(width, 3)
    return nn.Sequential(*head, *(ResBlock(width) for _ in range(blocks)), *tail)


class DeblurNet(nn.Module):
    """G: a face at half size, then at full size, guided by class maps."""

    def __init__(self, width: int, blocks: int) -> None:
        """`width` channels and `blocks` residual blocks at each size."""
        super().__init__()
        self.coarse = scale_net(3 + CLASSES, width, blocks)
        self.enlarge = nn.ConvTranspose2d(3, 3, 4, 2, 1)
        self.fine = scale_net(6 + CLASSES, width, blocks)

    def forward(self, x: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [0, 1], even; maps (N, 4, H, W) -> restored, and at half size."""
        small = F.interpolate(x, scale_factor=0.5, mode="bicubic", antialias=True)
        half = self.coarse(torch.cat([small, F.max_pool2d(maps, 2)], 1))
        return self.fine(torch.cat([self.enlarge(half), x, maps], 1)), half


def make_critic(width: int) -> nn.Sequential:
    """DCGAN's discriminator, averaged over the picture: (N, 3, H, W) -> (N, 1) logits."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for inner in (width, 2 * width, 4 * width):
        layers += [nn.Conv2d(inner, 2 * inner, 4, 2, 1), nn.BatchNorm2d(2 * inner)]
        layers += [nn.LeakyReLU(0.2)]
    return nn.Sequential(
        *layers, nn.Conv2d(8 * width, 1, 3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


class ShenFace(Model):
    """P-net tells the classes of a face apart, and G restores it with them."""

    Config = ShenFaceConfig
    PRESETS: ClassVar = {
        "paper": ShenFaceConfig(steps=240_000, batch_size=16),
        # Not in bf16: by AVX512-BF16 a step takes .32 s in place of .28.
        "tiny": ShenFaceConfig(
            steps=1_500,
            batch_size=8,
            crop_size=64,
            ema=0.99,
            parsing_widths=(8, 8, 16, 16, 16, 16),
            width=12,
            blocks=2,
            critic_width=8,
            parts_weight=1.0,
            perceptual_weight=0.0,
            adversarial_weight=0.0,
            shares=(300, 0, 1200),
            rate=2e-3,
            parsing_rate=3e-3,
            clip=1.0,
        ),
        "small": ShenFaceConfig(
            **FACES,
            steps=11_000,
            parsing_widths=(8, 16, 32, 32, 64, 64),
            width=16,
            critic_width=16,
            parts_weight=1.0,
            perceptual_weight=0.0,
            adversarial_weight=0.0,
            shares=(300, 0, 1200),
            rate=1e-3,
            parsing_rate=2e-3,
            clip=1.0,
        ),
    }
    PAPER = "Z. Shen et al., Deep Semantic Face Deblurring, CVPR, 2018"
    LICENCE: ClassVar[str] = "authors' MatConvNet code: no licence stated; network written anew"
    NEEDS = ("mask",)

    config: ShenFaceConfig

    def __init__(self, config: ShenFaceConfig) -> None:
        """Build P-net, G, and where it is used the discriminator."""
        super().__init__(config)
        self.multiple = 2 ** (len(config.parsing_widths) - 1)
        self.parsing = ParsingNet(config.parsing_widths)
        self.network = DeblurNet(config.width, config.blocks)
        if config.adversarial_weight:
            self.critic = make_critic(config.critic_width)
        for module in self.network.modules():
            # PyTorch's default lets the features fade: no layer of G has a norm.
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if isinstance(module, ResBlock):
                nn.init.zeros_(module.conv2.weight)
        for last in (self.network.coarse[-1], self.network.fine[-1]):
            assert isinstance(last, nn.Conv2d)
            last.weight.data.mul_(0.1)  # or the first pictures would be ten times too bright

    def maps(self, blur: Tensor) -> Tensor:
        """Class maps (N, 4, H, W) that add up to 1."""
        out: Tensor = self.parsing(blur).softmax(1)
        return out

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], sides multiples of `multiple` -> the same shape."""
        out: Tensor = self.network(blur, self.maps(blur))[0]
        return out

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """P-net and G."""
        return self.parsing, self.network

    @torch.no_grad()
    def explain(self, blur: Tensor) -> Maps:
        """Class maps."""
        padded, (height, width) = pad(blur, self.multiple)
        return class_pictures(self.maps(padded)[0, :, :height, :width])

    def prepare(self) -> None:
        """VGG16 of the perceptual loss, where the preset has one; UserError without its weights."""
        c = self.config
        if c.perceptual_weight:
            self.loss_networks["features"] = VggFeatures(LAYERS, c.perceptual_weights)

    def files(self) -> tuple[Needed, ...]:
        """VGG16's."""
        c = self.config
        return vgg_files(c.perceptual_weights) if c.perceptual_weight else ()

    def stages(self) -> tuple[Stage, ...]:
        """P-net on blurry faces; G with L1 at both sizes; G with all losses."""
        c, both = self.config, (self.parsing, self.network)
        parse = Update("parsing", (self.parsing,), self.parsing_losses, c.parsing_rate)
        adam = partial(Update, lr=c.rate, clip=c.clip)
        content = adam("content", both, self.content_losses)
        update = adam("generator", both, self.generator_losses)
        last = [update]
        if c.adversarial_weight:
            critic = Update("critic", (self.critic,), self.critic_losses, c.rate, (0.5, 0.999))
            last = [critic, update]
        found = (("parsing", (parse,)), ("content", (content,)), ("all", tuple(last)))
        return tuple(
            Stage(name, share, parts, beside=name == "parsing")
            for share, (name, parts) in zip(c.shares, found, strict=True)
            if share
        )

    def parsing_losses(self, batch: Batch) -> Losses:
        """Cross entropy of the classes."""
        return {"loss": F.cross_entropy(self.parsing(batch["blur"]), batch["mask"].float())}

    def content_losses(self, batch: Batch) -> Losses:
        """L1 at both sizes, cross entropy of the classes."""
        return self.pair_losses(batch)[0]

    def pair_losses(self, batch: Batch) -> tuple[Losses, Tensor]:
        """`content_losses`, and the restored faces."""
        blur, sharp, logits = batch["blur"], batch["sharp"], self.parsing(batch["blur"])
        restored, half = self.network(blur, logits.softmax(1))
        small = F.interpolate(sharp, scale_factor=0.5, mode="bicubic", antialias=True)
        found = {
            "l1": F.l1_loss(restored, sharp),
            "half": F.l1_loss(half, small),
            "parsing": F.cross_entropy(logits, batch["mask"].float()),
        }
        return {"loss": torch.stack([*found.values()]).sum(), **found}, restored

    def generator_losses(self, batch: Batch) -> Losses:
        """`content_losses`, L1 of the parts, features of VGG16, what the discriminator thinks."""
        c, sharp = self.config, batch["sharp"]
        found, restored = self.pair_losses(batch)
        loss = found.pop("loss")
        parts = batch["mask"][:, PARTS : PARTS + 1]
        found["parts"] = (parts * (restored - sharp).abs()).mean()
        loss = loss + c.parts_weight * found["parts"]
        if c.perceptual_weight:
            features = self.loss_networks["features"]
            made, wanted = features(restored), features(sharp)
            distances = [F.mse_loss(made[layer], wanted[layer]) for layer in LAYERS]
            found["perceptual"] = torch.stack(distances).sum()
            loss = loss + c.perceptual_weight * found["perceptual"]
        if c.adversarial_weight:
            found["adversarial"] = F.softplus(-self.critic(restored)).mean()
            loss = loss + c.adversarial_weight * found["adversarial"]
        return {"loss": loss, **found}

    def critic_losses(self, batch: Batch) -> Losses:
        """Cross entropy of real and restored."""
        with torch.no_grad():
            restored = self.restore(batch["blur"])
        real, fake = self.critic(batch["sharp"]), self.critic(restored)
        return {"loss": F.softplus(-real).mean() + F.softplus(fake).mean()}
