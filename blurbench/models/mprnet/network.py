"""MPRNet's networks: three stages, on four patches, two halves, and the whole image.

Names of parameters are those of the released checkpoints. Patches of a stage go through the
network as one batch.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.mprnet.unet import Decoder, Encoder, Features, MakeBlock, conv, up

ROWS, COLUMNS = -2, -1  # axes of an image


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
        out: Tensor = x + self.body(x)
        return out


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
        halves = split(x, ROWS)  # (2N, 3, H/2, W)
        quarters = split(halves, COLUMNS)  # (4N, 3, H/2, W/2)
        encoder = self.stage1_encoder(self.shallow_feat1(quarters))
        # Joined before the decoder, which then sees over the seam; so in the next stage.
        encoder = [join(level, COLUMNS) for level in encoder]
        decoder = self.stage1_decoder(encoder)
        attended, first = self.sam12(decoder[0], halves)  # (2N, width, H/2, W), (2N, 3, H/2, W)

        start = self.concat12(torch.cat([self.shallow_feat2(halves), attended], 1))
        encoder = self.stage2_encoder(start, (encoder, decoder))
        encoder = [join(level, ROWS) for level in encoder]
        decoder = self.stage2_decoder(encoder)
        attended, second = self.sam23(decoder[0], x)  # (N, width, H, W), (N, 3, H, W)

        start = self.concat23(torch.cat([self.shallow_feat3(x), attended], 1))  # (N, last, H, W)
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
