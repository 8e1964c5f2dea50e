"""MIMO-UNet and MIMO-UNet+: one U-Net that takes and gives the picture at three sizes.

Cho et al., "Rethinking Coarse-to-Fine Approach in Single Image Deblurring", ICCV 2021; names of
parameters are those of the released checkpoints.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Losses, Model, ModelConfig, Stage, Update
from blurbench.models.parts.losses import fft_loss
from blurbench.models.parts.small import PHOTOS


class MIMOUNetConfig(ModelConfig):
    """Width, depth and loss of MIMO-UNet."""

    width: int = Field(32, ge=2, multiple_of=2, description="channels at full size")
    blocks: int = Field(8, gt=0, description="residual blocks on each side of a level")
    dropout: float = Field(0.0, ge=0, lt=1, description="part of the fused channels, in training")
    fft_weight: float = Field(0.1, ge=0, description="lambda of eq. 5")
    rate: float = Field(1e-4, gt=0)
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")


class Conv(nn.Module):
    """A convolution that keeps or halves the size, and its ReLU."""

    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int = 1, relu: bool = True
    ) -> None:
        """`size` is odd."""
        super().__init__()
        conv = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2)
        self.main = nn.Sequential(conv, *([nn.ReLU(inplace=True)] if relu else []))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        out: Tensor = self.main(x)
        return out


class Double(nn.Module):
    """A transposed convolution to half the channels and twice the size, and a ReLU."""

    def __init__(self, inputs: int) -> None:
        """`inputs` is even."""
        super().__init__()
        conv = nn.ConvTranspose2d(inputs, inputs // 2, 4, stride=2, padding=1)
        self.main = nn.Sequential(conv, nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, inputs / 2, 2H, 2W)."""
        out: Tensor = self.main(x)
        return out


class ResBlock(nn.Module):
    """x + conv(ReLU(conv(x))), 3x3."""

    def __init__(self, width: int) -> None:
        """`width` channels throughout."""
        super().__init__()
        self.main = nn.Sequential(Conv(width, width, 3), Conv(width, width, 3, relu=False))

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        out: Tensor = x + self.main(x)
        return out


class Level(nn.Module):
    """The residual blocks of one side of a level."""

    def __init__(self, width: int, blocks: int) -> None:
        """`width` channels throughout."""
        super().__init__()
        self.layers = nn.Sequential(*(ResBlock(width) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        out: Tensor = self.layers(x)
        return out


class SCM(nn.Module):
    """Shallow convolutional module: features of a halved picture (Fig. 4)."""

    def __init__(self, width: int) -> None:
        """`width` channels out."""
        super().__init__()
        self.main = nn.Sequential(
            Conv(3, width // 4, 3),
            Conv(width // 4, width // 2, 1),
            Conv(width // 2, width // 2, 3),
            Conv(width // 2, width - 3, 1),
        )
        self.conv = Conv(width, width, 1, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, width, H, W)."""
        out: Tensor = self.conv(torch.cat([x, self.main(x)], 1))
        return out


class FAM(nn.Module):
    """Feature attention module: what a halved picture adds to the features from above (Fig. 4)."""

    def __init__(self, width: int) -> None:
        """`width` channels throughout."""
        super().__init__()
        self.merge = Conv(width, width, 3, relu=False)

    def forward(self, x: Tensor, picture: Tensor) -> Tensor:
        """Features and features of the picture, (N, width, H, W) -> the same shape."""
        out: Tensor = x + self.merge(x * picture)
        return out


class AFF(nn.Module):
    """Asymmetric feature fusion: one skip connection out of all levels (Fig. 5, eq. 2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """`inputs` channels of all levels together."""
        super().__init__()
        self.conv = nn.Sequential(Conv(inputs, outputs, 1), Conv(outputs, outputs, 3, relu=False))

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Features of each level, resized to (H, W) -> (N, outputs, H, W)."""
        out: Tensor = self.conv(torch.cat(levels, 1))
        return out


class Network(nn.Module):
    """Encoder, fusions and decoder of MIMO-UNet; no argument gives the released one."""

    def __init__(self, width: int = 32, blocks: int = 8, dropout: float = 0.0) -> None:
        """`width` channels at full size, twice and four times as many below."""
        super().__init__()
        one, two, four = width, 2 * width, 4 * width
        self.Encoder = nn.ModuleList(Level(w, blocks) for w in (one, two, four))
        self.feat_extract = nn.ModuleList(
            [
                Conv(3, one, 3),
                Conv(one, two, 3, stride=2),
                Conv(two, four, 3, stride=2),
                Double(four),
                Double(two),
                Conv(one, 3, 3, relu=False),
            ]
        )
        self.Decoder = nn.ModuleList(Level(w, blocks) for w in (four, two, one))
        self.Convs = nn.ModuleList([Conv(four, two, 1), Conv(two, one, 1)])
        self.ConvsOut = nn.ModuleList(Conv(w, 3, 3, relu=False) for w in (four, two))
        self.AFFs = nn.ModuleList(AFF(one + two + four, w) for w in (one, two))
        self.FAM1, self.SCM1 = FAM(four), SCM(four)
        self.FAM2, self.SCM2 = FAM(two), SCM(two)
        self.drop = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1], multiples of 4 -> restored at a quarter, half and full size."""
        # Every second pixel, as released; the paper leaves the method open.
        half = x[..., ::2, ::2]
        pictures = [half[..., ::2, ::2], half, x]
        return self.decode(pictures, self.fuse(self.encode(pictures)))

    def encode(self, pictures: list[Tensor]) -> list[Tensor]:
        """Pictures at a quarter, half and full size -> features at full, half, quarter size."""
        quarter, half, full = pictures
        first, to_half, to_quarter = self.feat_extract[:3]
        one = self.Encoder[0](first(full))  # (N, w, H, W)
        two = self.Encoder[1](self.FAM2(to_half(one), self.SCM2(half)))  # (N, 2w, H/2, W/2)
        four = self.Encoder[2](self.FAM1(to_quarter(two), self.SCM1(quarter)))  # (N, 4w, H/4, W/4)
        return [one, two, four]

    def fuse(self, features: list[Tensor]) -> list[Tensor]:
        """Put what all levels found into the skip connections of the two finer ones."""
        one, two, four = features
        # Nearest neighbours up and down, as released.
        four_at_half = F.interpolate(four, scale_factor=2)
        to_one = [one, F.interpolate(two, scale_factor=2), F.interpolate(four, scale_factor=4)]
        to_two = [one[..., ::2, ::2], two, four_at_half]
        return [self.drop(self.AFFs[0](to_one)), self.drop(self.AFFs[1](to_two)), four]

    def decode(self, pictures: list[Tensor], features: list[Tensor]) -> list[Tensor]:
        """Pictures, and features as `encode` gives them -> restored, in the pictures' order."""
        quarter, half, full = pictures
        one, two, four = features
        to_half, to_full, last = self.feat_extract[3:]
        z = self.Decoder[0](four)  # (N, 4w, H/4, W/4)
        restored = [self.ConvsOut[0](z) + quarter]
        z = self.Decoder[1](self.Convs[0](torch.cat([to_half(z), two], 1)))  # (N, 2w, H/2, W/2)
        restored.append(self.ConvsOut[1](z) + half)
        z = self.Decoder[2](self.Convs[1](torch.cat([to_full(z), one], 1)))  # (N, w, H, W)
        return [*restored, last(z) + full]


class PlusNetwork(Network):
    """The network of MIMO-UNet+ as released: 20 blocks, a tenth of the fused channels dropped."""

    def __init__(self, width: int = 32, blocks: int = 20, dropout: float = 0.1) -> None:
        """`width` channels at full size, twice and four times as many below."""
        super().__init__(width, blocks, dropout)


def halved_each_sixth(progress: float) -> float:
    """The rate halves every 500 of 3,000 epochs."""
    return 0.5 ** int(6 * progress)


# 3,000 epochs of GoPro's 2,103 training pairs in batches of 4.
RELEASED = MIMOUNetConfig(steps=1_577_250, batch_size=4, crop_size=256)
# 20 minutes of one core.
TINY = MIMOUNetConfig(
    steps=4_500,
    batch_size=4,
    crop_size=128,
    precision="auto",
    ema=0.99,
    width=16,
    blocks=2,
    rate=2e-3,
    clip=1.0,
)
# An hour of one core.
SMALL = MIMOUNetConfig(**PHOTOS, steps=5_600, width=16, blocks=4, rate=1e-3, clip=1.0)


class MIMOUNet(Model):
    """MIMO-UNet with 8 residual blocks on each side of a level."""

    Config = MIMOUNetConfig
    PRESETS: ClassVar = {"paper": RELEASED, "tiny": TINY, "small": SMALL}
    PAPER = (
        "S.-J. Cho et al., Rethinking Coarse-to-Fine Approach in Single Image Deblurring,"
        " ICCV, 2021"
    )
    LICENCE = "authors' code and weights: no licence stated"
    LAYOUT = torch.channels_last

    config: MIMOUNetConfig

    def __init__(self, config: MIMOUNetConfig) -> None:
        """Build the network."""
        super().__init__(config)
        self.multiple = 4
        self.network = Network(config.width, config.blocks, config.dropout)

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], multiples of 4 -> the same shape."""
        out: Tensor = self.network(blur)[-1]
        return out

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """All of it."""
        return (self.network,)

    def loss(self, batch: Batch) -> Losses:
        """Eq. 5: L1 and lambda times that of the spectra, summed over the three sizes."""
        restored = self.network(batch["blur"])
        sharp = targets(batch["sharp"])
        pairs = list(zip(restored, sharp, strict=True))
        # Each a mean over its own pixels, so that the three sizes weigh alike.
        l1 = [F.l1_loss(*pair) for pair in pairs]
        spectra = torch.stack([fft_loss(*pair) for pair in pairs]).sum()
        loss = torch.stack(l1).sum() + self.config.fft_weight * spectra
        return {"loss": loss, "l1": l1[-1], "fft": spectra}

    def stages(self) -> tuple[Stage, ...]:
        """One stage of Adam."""
        c = self.config
        update = Update(
            "network", (self.network,), self.loss, c.rate, schedule=halved_each_sixth, clip=c.clip
        )
        return (Stage("mimo-unet", 1.0, (update,)),)


class MIMOUNetPlus(MIMOUNet):
    """MIMO-UNet+ with 20 residual blocks on each side of a level, and dropout."""

    PRESETS: ClassVar = {
        "paper": RELEASED.model_copy(update={"blocks": 20, "dropout": 0.1}),
        "tiny": TINY.model_copy(update={"steps": 3_000, "blocks": 4, "dropout": 0.1}),
        "small": SMALL.model_copy(update={"steps": 4_900, "blocks": 5, "dropout": 0.1}),
    }


def targets(sharp: Tensor) -> list[Tensor]:
    """(N, 3, H, W), multiples of 4 -> at a quarter, half and full size, bilinear as released."""
    smaller = [F.interpolate(sharp, scale_factor=s, mode="bilinear") for s in (0.25, 0.5)]
    return [*smaller, sharp]
