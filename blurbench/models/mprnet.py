"""MPRNet: three stages of restoration, on four patches, two halves, and the whole image.

Zamir et al., "Multi-Stage Progressive Image Restoration", CVPR 2021; names of parameters are those
of the released checkpoints. Patches of a stage go through the network as one batch.
"""

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.base import Batch, Losses, Model, ModelConfig, Stage, Update
from blurbench.models.losses import charbonnier_loss, edge_loss
from blurbench.models.schedules import cosine

Features = list[Tensor]  # (N, C, H, W), of full, half and quarter size
MakeBlock = Callable[[int], nn.Module]  # channels -> a block that keeps them


class MPRNetConfig(ModelConfig):
    """Widths, loss and optimiser of MPRNet."""

    network: Literal["full", "stage1"] = Field("full", description="stage1: one U-Net, no patches")
    width: int = Field(96, gt=0, multiple_of=4, description="channels at full size")
    step: int = Field(48, gt=0, multiple_of=4, description="added at each coarser level")
    original_step: int = Field(32, ge=0, multiple_of=4, description="added at original resolution")
    original_blocks: int = Field(8, gt=0, description="in each third of the last stage")
    edge_weight: float = Field(0.05, ge=0)
    rate: float = Field(2e-4, gt=0)
    lowest_rate: float = Field(1e-6, ge=0, description="at the end of the cosine")
    warm_up: float = Field(0.001, ge=0, lt=1, description="part of the steps the rate rises over")
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")


def conv(inputs: int, outputs: int, size: int = 3) -> nn.Conv2d:
    """A convolution that keeps the image size; this network has no bias anywhere."""
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)


class ChannelAttention(nn.Module):
    """A factor in (0, 1) for each channel, from the means of all."""

    def __init__(self, width: int) -> None:
        """Squeeze `width` channels to a quarter."""
        super().__init__()
        self.conv_du = nn.Sequential(
            conv(width, width // 4, 1), nn.ReLU(), conv(width // 4, width, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> (N, width, 1, 1)."""
        factors: Tensor = self.conv_du(F.adaptive_avg_pool2d(x, 1))
        return factors


class AttentionBlock(nn.Module):
    """CAB: x + attention * conv(PReLU(conv(x)))."""

    def __init__(self, width: int, act: nn.PReLU) -> None:
        """`width` channels throughout; `act` is the one that the whole network shares."""
        super().__init__()
        self.CA = ChannelAttention(width)
        self.body = nn.Sequential(conv(width, width), act, conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        y = self.body(x)
        return torch.addcmul(x, y, self.CA(y))


class Resize(nn.Module):
    """Bilinear resizing, then a 1x1 convolution; released files call it by its direction."""

    def __init__(self, name: str, factor: float, inputs: int, outputs: int) -> None:
        """`name` is the parameter's: NAME.1.weight."""
        super().__init__()
        scale = nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=False)
        self.add_module(name, nn.Sequential(scale, conv(inputs, outputs, 1)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, factor * H, factor * W)."""
        (resize,) = self.children()
        resized: Tensor = resize(x)
        return resized


def down(inputs: int, outputs: int) -> Resize:
    """Half the size."""
    return Resize("down", 0.5, inputs, outputs)


def up(inputs: int, outputs: int) -> Resize:
    """Twice the size."""
    return Resize("up", 2, inputs, outputs)


def pair(make: MakeBlock, width: int) -> nn.Sequential:
    """Two blocks."""
    return nn.Sequential(make(width), make(width))


class Encoder(nn.Module):
    """Three levels of two blocks, which may add the features of an earlier U-Net to theirs."""

    def __init__(self, make: MakeBlock, widths: tuple[int, int, int], fuse: bool) -> None:
        """`fuse`: it follows another U-Net (cross-stage feature fusion)."""
        super().__init__()
        first, second, third = widths
        self.encoder_level1 = pair(make, first)
        self.encoder_level2 = pair(make, second)
        self.encoder_level3 = pair(make, third)
        self.down12 = down(first, second)
        self.down23 = down(second, third)
        for side in ("enc", "dec") if fuse else ():
            for level, width in enumerate(widths, start=1):
                self.add_module(f"csff_{side}{level}", conv(width, width, 1))

    def forward(self, x: Tensor, earlier: tuple[Features, Features] | None = None) -> Features:
        """(N, C, H, W), and encoder and decoder features of an earlier U-Net -> three levels."""
        first = self.fused(1, self.encoder_level1(x), earlier)
        second = self.fused(2, self.encoder_level2(self.down12(first)), earlier)
        third = self.fused(3, self.encoder_level3(self.down23(second)), earlier)
        return [first, second, third]

    def fused(self, level: int, x: Tensor, earlier: tuple[Features, Features] | None) -> Tensor:
        """Add the features of the same level of the earlier U-Net."""
        if earlier is None:
            return x
        for side, features in zip(("enc", "dec"), earlier, strict=True):
            x = x + self.get_submodule(f"csff_{side}{level}")(features[level - 1])
        return x


class Decoder(nn.Module):
    """Three levels of two blocks, coarse to fine; a block on each skip."""

    def __init__(self, make: MakeBlock, widths: tuple[int, int, int]) -> None:
        """Widths from full to quarter size."""
        super().__init__()
        first, second, third = widths
        self.decoder_level1 = pair(make, first)
        self.decoder_level2 = pair(make, second)
        self.decoder_level3 = pair(make, third)
        self.skip_attn1 = make(first)
        self.skip_attn2 = make(second)
        self.up21 = up(second, first)
        self.up32 = up(third, second)

    def forward(self, features: Features) -> Features:
        """Three levels of an encoder -> three levels."""
        first, second, third = features
        third = self.decoder_level3(third)
        second = self.decoder_level2(self.up32(third) + self.skip_attn2(second))
        first = self.decoder_level1(self.up21(second) + self.skip_attn1(first))
        return [first, second, third]


class SupervisedAttention(nn.Module):
    """SAM: an image from the features, and from it a mask on the features of the next stage."""

    def __init__(self, width: int) -> None:
        """`width` channels throughout."""
        super().__init__()
        self.conv1 = conv(width, width, 1)
        self.conv2 = conv(width, 3, 1)
        self.conv3 = conv(3, width, 1)

    def forward(self, x: Tensor, blur: Tensor) -> tuple[Tensor, Tensor]:
        """(N, width, H, W) and (N, 3, H, W) -> features and image, of the same shapes."""
        image = self.conv2(x) + blur
        return torch.addcmul(x, self.conv1(x), torch.sigmoid(self.conv3(image))), image


class ResidualBlocks(nn.Module):
    """ORB: x + conv(blocks(x))."""

    def __init__(self, make: MakeBlock, width: int, blocks: int) -> None:
        """`blocks` blocks of `width` channels."""
        super().__init__()
        self.body = nn.Sequential(*(make(width) for _ in range(blocks)), conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        return x + self.body(x)


class OriginalResolution(nn.Module):
    """ORSNet: no change of size, so that fine texture stays; each third adds one level."""

    def __init__(
        self, make: MakeBlock, widths: tuple[int, int, int], width: int, blocks: int
    ) -> None:
        """`widths` of the U-Nets; `width` and number of blocks of its own."""
        super().__init__()
        first, second, third = widths
        for number in (1, 2, 3):
            self.add_module(f"orb{number}", ResidualBlocks(make, width, blocks))
        for side in ("enc", "dec"):
            self.add_module(f"up_{side}1", up(second, first))
            twice = nn.Sequential(up(third, second), up(second, first))
            self.add_module(f"up_{side}2", twice)
            for number in (1, 2, 3):
                self.add_module(f"conv_{side}{number}", conv(first, width, 1))

    def forward(self, x: Tensor, encoder: Features, decoder: Features) -> Tensor:
        """(N, width, H, W) and the features of a U-Net -> (N, width, H, W)."""
        for number in (1, 2, 3):
            x = self.get_submodule(f"orb{number}")(x)
            for side, features in (("enc", encoder), ("dec", decoder)):
                feature = features[number - 1]
                if number > 1:
                    feature = self.get_submodule(f"up_{side}{number - 1}")(feature)
                x = x + self.get_submodule(f"conv_{side}{number}")(feature)
        return x


def split(x: Tensor, axis: int) -> Tensor:
    """Both halves of the images, as one batch: first all first halves."""
    return torch.cat(x.chunk(2, axis))


def join(x: Tensor, axis: int) -> Tensor:
    """The images whose halves these are."""
    return torch.cat(x.chunk(2), axis)


ROWS, COLUMNS = -2, -1


class Network(nn.Module):
    """All three stages."""

    def __init__(
        self, width: int = 96, step: int = 48, original_step: int = 32, original_blocks: int = 8
    ) -> None:
        """Channels at full size, added a level, added in the last stage; its blocks a third."""
        super().__init__()
        act = nn.PReLU()  # one number for the whole network

        def make(channels: int) -> nn.Module:
            return AttentionBlock(channels, act)

        widths = (width, width + step, width + 2 * step)
        last = width + original_step
        self.shallow_feat1 = nn.Sequential(conv(3, width), make(width))
        self.shallow_feat2 = nn.Sequential(conv(3, width), make(width))
        self.shallow_feat3 = nn.Sequential(conv(3, width), make(width))
        self.stage1_encoder = Encoder(make, widths, fuse=False)
        self.stage1_decoder = Decoder(make, widths)
        self.stage2_encoder = Encoder(make, widths, fuse=True)
        self.stage2_decoder = Decoder(make, widths)
        self.stage3_orsnet = OriginalResolution(make, widths, last, original_blocks)
        self.sam12 = SupervisedAttention(width)
        self.sam23 = SupervisedAttention(width)
        self.concat12 = conv(2 * width, width)
        self.concat23 = conv(2 * width, last)
        self.tail = conv(last, 3)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1], multiples of 8 -> the images of stages 3, 2 and 1."""
        halves = split(x, ROWS)
        quarters = split(halves, COLUMNS)
        encoder = self.stage1_encoder(self.shallow_feat1(quarters))
        encoder = [join(level, COLUMNS) for level in encoder]
        decoder = self.stage1_decoder(encoder)
        attended, first = self.sam12(decoder[0], halves)

        start = self.concat12(torch.cat([self.shallow_feat2(halves), attended], 1))
        encoder = self.stage2_encoder(start, (encoder, decoder))
        encoder = [join(level, ROWS) for level in encoder]
        decoder = self.stage2_decoder(encoder)
        attended, second = self.sam23(decoder[0], x)

        start = self.concat23(torch.cat([self.shallow_feat3(x), attended], 1))
        third = self.tail(self.stage3_orsnet(start, encoder, decoder)) + x
        return [third, second, join(first, ROWS)]


class FirstStage(nn.Module):
    """The U-Net of stage 1 alone, on the whole image: what "Take a Prior" calls MPRNet-dagger.

    That paper prints no table of it; the 1x1 convolution to the image is ours.
    """

    def __init__(self, width: int = 96, step: int = 48) -> None:
        """Channels at full size, and added a level."""
        super().__init__()
        act = nn.PReLU()

        def make(channels: int) -> nn.Module:
            return AttentionBlock(channels, act)

        widths = (width, width + step, width + 2 * step)
        self.shallow_feat1 = nn.Sequential(conv(3, width), make(width))
        self.stage1_encoder = Encoder(make, widths, fuse=False)
        self.stage1_decoder = Decoder(make, widths)
        self.out = conv(width, 3, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1], multiples of 4 -> the image, alone in a list."""
        decoder = self.stage1_decoder(self.stage1_encoder(self.shallow_feat1(x)))
        return [self.out(decoder[0]) + x]


class MPRNet(Model):
    """Either network, trained by the Charbonnier and edge losses of every image it gives."""

    Config = MPRNetConfig
    PRESETS: ClassVar = {
        # 3,000 epochs of GoPro's 2,103 training pairs in batches of 16, the first three to warm up.
        "paper": MPRNetConfig(steps=394_313, batch_size=16, crop_size=256),
        "stage1": MPRNetConfig(steps=394_313, batch_size=16, crop_size=256, network="stage1"),
        "tiny": MPRNetConfig(
            steps=4_000,
            batch_size=4,
            crop_size=128,
            ema=0.99,
            width=16,
            step=8,
            original_step=8,
            original_blocks=2,
            rate=2e-3,
            warm_up=0.02,
            clip=1.0,
        ),
    }
    PAPER = "Zamir et al., Multi-Stage Progressive Image Restoration, CVPR, 2021"
    LAYOUT = torch.channels_last

    config: MPRNetConfig

    def __init__(self, config: MPRNetConfig) -> None:
        """Build the network."""
        super().__init__(config)
        c = config
        self.network: nn.Module
        if c.network == "full":
            self.network = Network(c.width, c.step, c.original_step, c.original_blocks)
        else:
            self.network = FirstStage(c.width, c.step)
        # Two halvings, of half images where there are patches.
        self.multiple = 8 if c.network == "full" else 4

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], multiples of `multiple` -> the same shape."""
        restored: Tensor = self.network(blur)[0]
        return restored

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """All of it."""
        return (self.network,)

    def loss(self, batch: Batch) -> Losses:
        """Charbonnier and edge losses summed over the stages; the last stage's L1 beside them."""
        sharp = batch["sharp"]
        restored = self.network(batch["blur"])
        found = {
            "charbonnier": torch.stack([charbonnier_loss(r, sharp) for r in restored]).sum(),
            "edge": torch.stack([edge_loss(r, sharp) for r in restored]).sum(),
        }
        loss = found["charbonnier"] + self.config.edge_weight * found["edge"]
        return {"loss": loss, "l1": F.l1_loss(restored[0].detach(), sharp), **found}

    def stages(self) -> tuple[Stage, ...]:
        """One stage of Adam under a cosine."""
        c = self.config
        update = Update(
            "mprnet",
            (self.network,),
            self.loss,
            c.rate,
            schedule=cosine(c.lowest_rate / c.rate, c.warm_up),
            clip=c.clip,
        )
        return (Stage("mprnet", 1.0, (update,)),)
