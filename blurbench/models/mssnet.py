"""MSSNet: from the half-size to the full image through one, two and three U-Nets.

Kim, Lee and Cho, "MSSNet: Multi-Scale-Stage Network for Single Image Deblurring", ECCV Workshops
2022; names of parameters are those of the released checkpoints. The U-Nets are MPRNet's, without
its channel attention.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Losses, Model, ModelConfig, Stage, Update
from blurbench.models.mprnet.unet import Decoder, Encoder, Features, Resize, conv
from blurbench.models.parts.losses import fft_loss
from blurbench.models.parts.schedules import cosine
from blurbench.models.parts.small import PHOTOS

UNETS = (1, 2, 3)  # at each scale, coarse to fine


class MSSNetConfig(ModelConfig):
    """Widths, loss and optimiser of MSSNet."""

    width: int = Field(54, gt=0, description="channels on the first level of each U-Net")
    step: int = Field(42, gt=0, description="added at each coarser level")
    fft_weight: float = Field(0.1, ge=0)
    rate: float = Field(2e-4, gt=0)
    lowest_rate: float = Field(1e-6, ge=0, description="at the end of the cosine")
    warm_up: float = Field(0.001, ge=0, lt=1, description="part of the steps the rate rises over")
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")


class ResBlock(nn.Module):
    """x + conv(PReLU(conv(x)))."""

    def __init__(self, width: int, act: nn.PReLU) -> None:
        """`width` channels throughout; `act` is the one that the whole network shares."""
        super().__init__()
        self.body = nn.Sequential(conv(width, width), act, conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        out: Tensor = x + self.body(x)
        return out


class Tail(nn.Module):
    """Features to an image of twice their size."""

    def __init__(self, width: int) -> None:
        """`width` channels enter."""
        super().__init__()
        self.tail = conv(width, 12)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> (N, 3, 2H, 2W)."""
        return F.pixel_shuffle(self.tail(x), 2)


class Network(nn.Module):
    """All six U-Nets. Each of the first two scales works on its image folded to half size."""

    def __init__(self, width: int = 54, step: int = 42) -> None:
        """Channels on the first level of each U-Net, and added at each coarser one."""
        super().__init__()
        act = nn.PReLU()  # one number for the whole network

        def make(channels: int) -> nn.Module:
            return ResBlock(channels, act)

        widths = (width, width + step, width + 2 * step)
        for scale, unets in enumerate(UNETS, start=1):
            for number in range(1, unets + 1):
                name = f"{scale}_{number}"
                self.add_module(f"E{name}", Encoder(make, widths, fuse=name != "1_1"))
                self.add_module(f"D{name}", Decoder(make, widths))
                self.add_module(f"tail{name}", Tail(width) if scale < 3 else conv(width, 3))
        self.fusion12 = conv(2 * width, width)
        self.fusion23 = conv(2 * width, width)
        self.up_scale1_feat = Resize("scaleUp", 2, width, width)
        self.up_scale2_feat = Resize("scaleUp", 2, width, width)
        # Last, as in the order of names: of a file whose copies of the one number differ, the last
        # counts.
        self.shallow_feat1 = nn.Sequential(conv(12, width), make(width))
        self.shallow_feat2 = nn.Sequential(conv(12, width), make(width))
        self.shallow_feat3 = nn.Sequential(conv(3, width), make(width))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1], multiples of 16 -> half-size image, then five, the last best."""
        half = half_size(x)  # (N, 3, H/2, W/2)
        start = self.shallow_feat1(F.pixel_unshuffle(half, 2))  # (N, width, H/4, W/4)
        images, features = self.scale(1, start, half, None)

        start = self.shallow_feat2(F.pixel_unshuffle(x, 2))  # (N, width, H/2, W/2)
        start = torch.cat([start, self.up_scale1_feat(features[1][0])], 1)
        found, features = self.scale(2, self.fusion12(start), x, doubled(features))
        images += found

        start = torch.cat([self.shallow_feat3(x), self.up_scale2_feat(features[1][0])], 1)
        found, _ = self.scale(3, self.fusion23(start), x, doubled(features))
        return images + found

    def scale(
        self, scale: int, x: Tensor, blur: Tensor, earlier: tuple[Features, Features] | None
    ) -> tuple[list[Tensor], tuple[Features, Features]]:
        """The U-Nets of a scale in turn -> the image of each, and the features of the last."""
        images = []
        for number in range(1, UNETS[scale - 1] + 1):
            name = f"{scale}_{number}"
            encoder = self.get_submodule(f"E{name}")(x, earlier)
            decoder = self.get_submodule(f"D{name}")(encoder)
            x, earlier = decoder[0], (encoder, decoder)
            images.append(self.get_submodule(f"tail{name}")(x) + blur)
        assert earlier is not None
        return images, earlier


def half_size(image: Tensor) -> Tensor:
    """Half of even sides; corners map to corners, as in the released code."""
    return F.interpolate(image, scale_factor=0.5, mode="bilinear", align_corners=True)


def doubled(features: tuple[Features, Features]) -> tuple[Features, Features]:
    """Features of a scale at the size of the next."""
    encoder, decoder = (
        [F.interpolate(f, scale_factor=2, mode="bilinear", align_corners=False) for f in side]
        for side in features
    )
    return encoder, decoder


class MSSNet(Model):
    """The network, trained by the L1 and spectrum losses of all its images."""

    Config = MSSNetConfig
    PRESETS: ClassVar = {
        # 3,000 epochs of GoPro's 2,103 training pairs in batches of 16, the first three to warm up.
        "paper": MSSNetConfig(steps=394_313, batch_size=16, crop_size=256),
        "released-small": MSSNetConfig(
            steps=394_313, batch_size=16, crop_size=256, width=20, step=40
        ),
        "large": MSSNetConfig(steps=394_313, batch_size=16, crop_size=256, width=80, step=50),
        "tiny": MSSNetConfig(
            steps=4_000,
            batch_size=4,
            crop_size=128,
            precision="auto",
            ema=0.99,
            width=12,
            step=8,
            rate=2e-3,
            warm_up=0.02,
            clip=1.0,
        ),
        "small": MSSNetConfig(
            **PHOTOS, steps=3_900, width=12, step=10, rate=1e-3, warm_up=0.02, clip=1.0
        ),
    }
    PAPER = (
        "Kim, Lee and Cho, MSSNet: Multi-Scale-Stage Network for Single Image Deblurring,"
        " ECCV Workshops, 2022"
    )
    LICENCE = "authors' code and weights: no licence stated"
    LAYOUT = torch.channels_last

    config: MSSNetConfig

    def __init__(self, config: MSSNetConfig) -> None:
        """Build the network."""
        super().__init__(config)
        self.network = Network(config.width, config.step)
        # Half the size, folded to half of that, and two halvings in the U-Net.
        self.multiple = 16

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], multiples of 16 -> the same shape."""
        # The tails of the five other images are 0.3 % of the work: not worth a second path.
        restored: Tensor = self.network(blur)[-1]
        return restored

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """All of it."""
        return (self.network,)

    def loss(self, batch: Batch) -> Losses:
        """L1 and spectrum losses summed over the six images; the last one's L1 beside them."""
        sharp = batch["sharp"]
        restored = self.network(batch["blur"])
        wanted = [half_size(sharp)] + [sharp] * (len(restored) - 1)
        pairs = list(zip(restored, wanted, strict=True))
        absolute = torch.stack([F.l1_loss(r, w) for r, w in pairs]).sum()
        spectrum = torch.stack([fft_loss(r, w) for r, w in pairs]).sum()
        loss = absolute + self.config.fft_weight * spectrum
        last = F.l1_loss(restored[-1].detach(), sharp)
        return {"loss": loss, "l1": last, "absolute": absolute, "fft": spectrum}

    def stages(self) -> tuple[Stage, ...]:
        """One stage of Adam under a cosine."""
        c = self.config
        update = Update(
            "mssnet",
            (self.network,),
            self.loss,
            c.rate,
            schedule=cosine(c.lowest_rate / c.rate, c.warm_up),
            clip=c.clip,
        )
        return (Stage("mssnet", 1.0, (update,)),)
