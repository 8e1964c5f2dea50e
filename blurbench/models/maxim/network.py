"""The network of MAXIM: U-Nets of gated MLPs, one after the other, at three sizes of the picture.

Tu et al., CVPR 2022, section 3.1 and Fig. 2; names of parameters follow the authors' weights.
"""

from math import lcm

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.maxim.blocks import (
    Conv,
    ConvAttention,
    CrossGating,
    Double,
    MlpAttention,
    MultiAxisGmlp,
    SupervisedAttention,
)
from blurbench.models.parts.losses import widened

LEVELS = 3  # sizes of the picture: full, half, a quarter
HIGH = 2  # of them, with blocks and grids of the finer size


class Resize(nn.Module):
    """Features of one level at the size of another, and with its channels."""

    def __init__(self, inputs: int, outputs: int, ratio: float) -> None:
        """`ratio` of the new sides to the old ones."""
        super().__init__()
        self.ratio = ratio
        self.Conv_0 = Conv(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, inputs) -> (N, ratio H, ratio W, outputs)."""
        # Both are linear: the convolution is done where there are fewer pixels.
        if self.ratio > 1:
            return resize(self.Conv_0(x), self.ratio)
        out: Tensor = self.Conv_0(resize(x, self.ratio))
        return out


def resize(x: Tensor, ratio: float) -> Tensor:
    """(N, H, W, C) -> (N, ratio H, ratio W, C), bilinear; a smaller one is smoothed, as by JAX."""
    if ratio == 1:
        return x
    picture = x.permute(0, 3, 1, 2)
    if ratio < 1:
        # PyTorch does not smooth in bfloat16.
        picture = F.interpolate(
            widened(picture), scale_factor=ratio, mode="bilinear", antialias=True
        )
    else:
        picture = F.interpolate(picture, scale_factor=ratio, mode="bilinear")
    return picture.permute(0, 2, 3, 1)


class Encode(nn.Module):
    """One level of an encoder, or, with `halve` off, of a decoder (Fig. 2b)."""

    def __init__(
        self, inputs: int, width: int, size: int, groups: int, halve: bool, earlier: bool
    ) -> None:
        """`inputs` channels of x and skip; `earlier`: a stage before this one is listened to."""
        super().__init__()
        self.Conv_0 = Conv(inputs, width)
        self.SplitHeadMultiAxisGmlpLayer = nn.ModuleList(
            MultiAxisGmlp(width, size) for _ in range(groups)
        )
        self.channel_attention_block_1 = nn.ModuleList(ConvAttention(width) for _ in range(groups))
        self.cross_gating_block = CrossGating(width, width, size) if earlier else None
        self.Conv_1 = Conv(width, width, 4) if halve else None

    def forward(self, x: Tensor, skip: Tensor, earlier: Tensor | None = None) -> Tensor:
        """(N, H, W, .) each -> (N, H, W, width); `earlier` of the stage before."""
        x = shortcut = self.Conv_0(torch.cat([x, skip], -1))
        gmlps, attentions = self.SplitHeadMultiAxisGmlpLayer, self.channel_attention_block_1
        x = shortcut + in_turns(x, gmlps, attentions)
        if self.cross_gating_block is not None:
            x, _ = self.cross_gating_block(x, earlier)
        return x

    def halved(self, x: Tensor) -> Tensor:
        """(N, H, W, width) -> (N, H / 2, W / 2, width), for the level below."""
        assert self.Conv_1 is not None
        out: Tensor = self.Conv_1(x)
        return out


class Decode(nn.Module):
    """One level of a decoder: twice the size, and the skips of all levels (Fig. 2b)."""

    def __init__(self, inputs: int, width: int, size: int, groups: int) -> None:
        """`inputs` channels from below."""
        super().__init__()
        self.ConvTranspose_0 = Double(inputs, width)
        wide = (1 + LEVELS) * width
        self.UNetEncoderBlock_0 = Encode(wide, width, size, groups, halve=False, earlier=False)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(N, H / 2, W / 2, inputs) and (N, H, W, 3 width) -> (N, H, W, width)."""
        out: Tensor = self.UNetEncoderBlock_0(self.ConvTranspose_0(x), skip)
        return out


class Bottleneck(nn.Module):
    """Gated MLPs at an eighth of the size (Fig. 2b)."""

    def __init__(self, width: int, size: int, groups: int) -> None:
        """`width` channels in and out."""
        super().__init__()
        self.input_proj = Conv(width, width)
        self.SplitHeadMultiAxisGmlpLayer = nn.ModuleList(
            MultiAxisGmlp(width, size) for _ in range(groups)
        )
        self.channel_attention_block_1 = nn.ModuleList(MlpAttention(width) for _ in range(groups))

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, width) -> the same shape."""
        x = shortcut = self.input_proj(x)
        gmlps, attentions = self.SplitHeadMultiAxisGmlpLayer, self.channel_attention_block_1
        out: Tensor = shortcut + in_turns(x, gmlps, attentions)
        return out


def in_turns(x: Tensor, gmlps: nn.ModuleList, attentions: nn.ModuleList) -> Tensor:
    """(N, H, W, width) through one of each after the other -> the same shape."""
    for gmlp, attention in zip(gmlps, attentions, strict=True):
        x = attention(gmlp(x))
    return x


class Stage(nn.Module):
    """One U-Net; all lists go from full to a quarter of the size, as the weights are numbered."""

    def __init__(
        self,
        width: int,
        groups: int,
        bottlenecks: int,
        sizes: tuple[int, int],
        later: bool,
        last: bool,
    ) -> None:
        """`sizes` of blocks and grids of the finer and coarser levels; `later` than another."""
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        size = [sizes[0 if level < HIGH else 1] for level in range(LEVELS)]
        below = [*widths[1:], widths[-1]]  # channels that come from below
        above = [widths[0], *widths[:-1]]
        self.input_conv = nn.ModuleList(Conv(3, w, 3) for w in widths)
        self.input_fuse_sam = nn.ModuleList(
            CrossGating(w, w, s) for w, s in zip(widths, size, strict=True) if later
        )
        self.encoder_block = nn.ModuleList(
            Encode(a + w, w, s, groups, halve=True, earlier=later)
            for a, w, s in zip(above, widths, size, strict=True)
        )
        self.global_block = nn.ModuleList(
            Bottleneck(widths[-1], sizes[1], groups) for _ in range(bottlenecks)
        )
        self.cross_gating_block = nn.ModuleList(
            CrossGating(LEVELS * w, w, s, half)
            for w, s, half in zip(widths, size, below, strict=True)
        )
        self.UpSampleRatio = nn.ModuleList(self._resizes(widths))
        self.decoder_block = nn.ModuleList(
            Decode(half, w, s, groups) for w, s, half in zip(widths, size, below, strict=True)
        )
        self.supervised_attention_module = nn.ModuleList(
            SupervisedAttention(w) for w in widths if not last
        )
        self.output_conv = nn.ModuleList(Conv(w, 3, 3) for w in widths if last)

    @staticmethod
    def _resizes(widths: list[int]) -> list[Resize]:
        """Of the skips and then of the decoder, each from a quarter to full size."""
        targets = range(LEVELS - 1, -1, -1)
        skips = [(j, i) for i in targets for j in range(LEVELS)]
        decoder = [(j, i) for i in targets for j in targets]
        return [Resize(widths[j], widths[i], 2.0 ** (j - i)) for j, i in skips + decoder]

    def forward(
        self, pictures: list[Tensor], passed: list[Tensor], earlier: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Blurred pictures, (N, H, W, 3); features that the stage before passed, and its own.

        Gives restored pictures; features to be passed; the encoder's and decoder's, added. Lists
        are of full, half, quarter size, and empty where there is nothing.
        """
        scales = [conv(picture) for conv, picture in zip(self.input_conv, pictures, strict=True)]
        for level, fuse in enumerate(self.input_fuse_sam):
            scales[level], _ = fuse(scales[level], passed[level])
        encoded, x = self._encode(scales, earlier)
        del scales  # of a picture's memory a tenth, as what was encoded is
        skips = self._gate(encoded, x)
        if self.output_conv:
            encoded = []
        decoded = self._decode(skips, x)
        found = [(x, pictures[level]) for level, x in enumerate(decoded)]
        if self.output_conv:
            restored = [y + conv(x) for conv, (x, y) in zip(self.output_conv, found, strict=True)]
            return restored, [], []
        heads = zip(self.supervised_attention_module, found, strict=True)
        features, pictures = map(list, zip(*(head(*pair) for head, pair in heads), strict=True))
        return pictures, features, [a + b for a, b in zip(encoded, decoded, strict=True)]

    def _encode(self, scales: list[Tensor], earlier: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Features of each level, and of the bottleneck."""
        x, encoded = scales[0], []
        for level, encode in enumerate(self.encoder_block):
            assert isinstance(encode, Encode)
            encoded.append(encode(x, scales[level], earlier[level] if earlier else None))
            x = encode.halved(encoded[-1])
        for block in self.global_block:
            x = block(x)
        return encoded, x

    def _gate(self, encoded: list[Tensor], x: Tensor) -> list[Tensor]:
        """Skips, gated by what comes from the bottleneck."""
        skips: list[Tensor] = [x] * LEVELS
        for place, level in enumerate(range(LEVELS - 1, -1, -1)):
            resizes = self.UpSampleRatio[place * LEVELS : (place + 1) * LEVELS]
            signal = torch.cat([r(e) for r, e in zip(resizes, encoded, strict=True)], -1)
            skips[level], x = self.cross_gating_block[level](signal, x)
        return skips

    def _decode(self, skips: list[Tensor], x: Tensor) -> list[Tensor]:
        """Features of each level."""
        decoded: list[Tensor] = [x] * LEVELS
        for place, level in enumerate(range(LEVELS - 1, -1, -1), start=LEVELS):
            resizes = self.UpSampleRatio[place * LEVELS : (place + 1) * LEVELS]
            signal = torch.cat([r(s) for r, s in zip(resizes, skips[::-1], strict=True)], -1)
            decoded[level] = x = self.decoder_block[level](x, signal)
        return decoded


class Network(nn.Module):
    """The stages; no argument gives the released network for deblurring (S-3)."""

    def __init__(
        self,
        width: int = 32,
        stages: int = 3,
        groups: int = 2,
        bottlenecks: int = 2,
        sizes: tuple[int, int] = (16, 8),
    ) -> None:
        """`width` channels at full size; `groups` a level; `sizes` of blocks and grids, px."""
        super().__init__()
        self.stages = nn.ModuleList(
            Stage(width, groups, bottlenecks, sizes, later=n > 0, last=n == stages - 1)
            for n in range(stages)
        )
        # The finer ones see half the size, too; the coarser ones an eighth, in the bottleneck.
        self.multiple = lcm(2 ** (HIGH - 1) * sizes[0], 2**LEVELS * sizes[1])

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """(N, 3, H, W) in [0, 1], multiples of `multiple` -> of each stage, at three sizes.

        Full, half and a quarter; the last stage's first is what it restores.
        """
        rows = x.permute(0, 2, 3, 1)
        # The pixel right below the middle, as JAX resizes by nearest neighbours.
        pictures = [rows, rows[:, 1::2, 1::2], rows[:, 2::4, 2::4]]
        passed: list[Tensor] = []
        earlier: list[Tensor] = []
        restored = []
        for stage in self.stages:
            found, passed, earlier = stage(pictures, passed, earlier)
            restored.append([picture.permute(0, 3, 1, 2) for picture in found])
        return restored
