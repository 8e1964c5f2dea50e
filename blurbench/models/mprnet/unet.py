"""The U-Nets of MPRNet, which MSSNet shares; names are those of the released checkpoints."""

from collections.abc import Callable

from torch import Tensor, nn

Features = list[Tensor]  # (N, C, H, W), of full, half and quarter size
MakeBlock = Callable[[int], nn.Module]  # channels -> a block that keeps them


def conv(inputs: int, outputs: int, size: int = 3) -> nn.Conv2d:
    """A convolution that keeps the image size; this network has no bias anywhere."""
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)


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
