"""The F-Nets, BN and CN (Figs. 2, 4-6), on images in [-1, 1].

The paper's text leaves out widths and details; these are the released code's, and its names.
"""

import torch
from torch import Tensor, nn

from blurbench.models.umsn.blocks import (
    CLASSES,
    DILATED,
    PLAIN,
    SMOOTHED,
    TAPS,
    BilinearTransition,
    NestedResidual,
    ResBlock,
    ShortBlock,
    Transition,
    add_taps,
    conv3,
    half_size,
    with_taps,
)

# What an F-Net needs only while it is trained alone.
HEAD = (
    "dense_block6",
    "trans_block6",
    "conv_refin",
    "conv_refin_in",
    "refine3",
    "refineclean1",
    "refineclean2",
)
# What the released networks hold and never use.
UNUSED = ("conv1010", "conv1020", "conv1030", "conv1040")


class FNet(NestedResidual):
    """F-Net: features of one class for BN, and a head to learn them with (Fig. 5)."""

    def __init__(self, width: int = 16, handed_on: int = 16) -> None:
        """`handed_on` channels go to BN."""
        super().__init__(width)
        w = width
        self.dense_block1 = ResBlock(4, 2 * w - 4, PLAIN)
        self.trans_block1 = Transition(2 * w, w, nn.AvgPool2d(2))
        self.dense_block2 = ResBlock(w, w, SMOOTHED)
        self.trans_block2 = Transition(2 * w, w)
        self.dense_block3 = ResBlock(w, w, SMOOTHED)
        self.trans_block3 = Transition(2 * w, w)
        self.dense_block5 = ResBlock(2 * w, w, SMOOTHED)
        self.trans_block5 = Transition(3 * w, handed_on)
        self.dense_block6 = ResBlock(handed_on, w, PLAIN)
        self.trans_block6 = BilinearTransition(handed_on + w, w)
        self.conv_refin = conv3(w, w, bias=True)
        self.conv_refin_in = conv3(4, w, bias=True)

    def forward(self, x: Tensor, class_map: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1], (N, 1, H, W) -> features (N, handed_on, H / 2, W / 2)."""
        x1 = self.trans_block1(self.dense_block1(torch.cat([x, class_map], 1)))  # (N, w, H/2, W/2)
        x2 = self.trans_block2(self.dense_block2(x1))
        x3 = self.trans_block3(self.dense_block3(x2))
        out: Tensor = self.trans_block5(self.dense_block5(torch.cat([x3, x1], 1)))
        return out

    def restore(self, x: Tensor, class_map: Tensor) -> Tensor:
        """The same input -> the image restored by this class's network alone."""
        deep = self.trans_block6(self.dense_block6(self(x, class_map)))
        shallow = self.conv_refin_in(torch.cat([x, class_map], 1))
        return self.clean(x - self.residual(shallow, self.conv_refin(deep)))


class ConfidenceNet(nn.Module):
    """CN: how well one class was restored (Fig. 6)."""

    def __init__(self, width: int = 16) -> None:
        """`width` channels, twice that inside the blocks."""
        super().__init__()
        self.conv1 = conv3(6, width, bias=True)
        self.trans_block1 = Transition(width, width, nn.AvgPool2d(2))
        self.conv2 = ShortBlock(width, 2 * width, shortcut=False)
        self.trans_block2 = Transition(2 * width, width, nn.AvgPool2d(2))
        self.conv3 = ShortBlock(width, 2 * width, shortcut=False)
        self.trans_block3 = Transition(2 * width, width, nn.AvgPool2d(2))
        self.trans_block4 = Transition(2 * width, width)
        self.conv_refin = nn.Conv2d(width, 3, 1)

    def forward(self, restored: Tensor, sharp: Tensor) -> Tensor:
        """Two masked images (N, 3, H, W), sides >= 16 -> confidence in (0, 1), (N, 3, 1, 1)."""
        x = self.trans_block1(self.conv1(torch.cat([restored, sharp], 1)))  # (N, width, H/2, W/2)
        x = self.trans_block2(self.conv2(x))
        x = self.trans_block3(self.conv3(x))
        x = self.trans_block4(self.conv3(x))  # the same block twice, as released
        # A sigmoid before the last convolution too, and a C for each colour: as released.
        out: Tensor = self.conv_refin(x.mean((2, 3), keepdim=True).sigmoid()).sigmoid()
        return out


class BaseNet(NestedResidual):
    """BN: the network that restores, by itself or after the F-Nets (Fig. 2, appendix A)."""

    def __init__(
        self,
        width: int = 64,
        refine: int = 16,
        inner: float = 3.0,
        guided: bool = False,
        nested: bool = False,
        fused: int = 0,
    ) -> None:
        """`width` even; `fused` channels come from class streams; `refine` make the residual.

        `guided`: sees class maps too. `nested`: its residual is a difference of two features.
        """
        super().__init__(refine)
        w, seen, shallow = width, 3 + CLASSES * guided, width // 2 + fused
        self.nested = nested
        self.dense_block1 = ResBlock(seen, w - seen, PLAIN, inner)
        self.trans_block1 = Transition(w, w // 2, nn.AvgPool2d(2))
        self.dense_block2 = ResBlock(shallow + 3, w, DILATED, inner)
        self.trans_block2 = Transition(shallow + 3 + w, w)
        self.dense_block3 = ResBlock(w, w, SMOOTHED, inner)
        self.trans_block3 = Transition(2 * w, w)
        self.dense_block3_1 = ResBlock(w, w, SMOOTHED, inner)
        self.trans_block3_1 = Transition(2 * w, w)
        self.dense_block3_2 = ResBlock(w, w, SMOOTHED, inner)
        self.trans_block3_2 = Transition(2 * w, w)
        self.dense_block4 = ResBlock(w, w, SMOOTHED, inner)
        self.trans_block4 = Transition(2 * w, w)
        self.dense_block5 = ResBlock(w + shallow, w, DILATED, inner)
        self.trans_block5 = BilinearTransition(2 * w + shallow + 3, w)
        self.dense_block6 = ResBlock(w + seen, w, PLAIN, inner)
        self.trans_block6 = Transition(2 * w + seen, refine)
        self.conv_refin = conv3(refine + len(TAPS), refine, bias=True)
        self.conv_refin64 = conv3(2 * w + shallow, refine, bias=True)
        if nested:
            self.conv_refin_in = conv3(seen, refine, bias=True)
            self.conv_refin_in64 = conv3(3, refine, bias=True)
        add_taps(self, w)
        self.conv11 = conv3(shallow, 1, bias=True)

    def class_features(self, _x: Tensor, _maps: Tensor) -> Tensor | None:
        """What other networks tell of the classes, at half size."""
        return None

    def residuals(self, x: Tensor, maps: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What is to be taken from x, and from half of it; maps (N, 4, H, W) in [0, 1].

        (N, 3, H, W) in [-1, 1], even -> (N, 3, H, W) and (N, 3, H / 2, W / 2) in [-1, 1].
        """
        half = half_size(x)  # (N, 3, H/2, W/2)
        guided = x if maps is None else torch.cat([x, maps], 1)
        x1 = self.trans_block1(self.dense_block1(guided))  # (N, w/2, H/2, W/2)
        features = None if maps is None else self.class_features(x, maps)
        x_cl = [] if features is None else [features]
        x2 = self.trans_block2(self.dense_block2(torch.cat([x1, half, *x_cl], 1)))
        x3 = self.trans_block3(self.dense_block3(x2))
        x3_1 = self.trans_block3_1(self.dense_block3_1(x3))
        x3_2 = self.trans_block3_2(self.dense_block3_2(x3_1))
        x4 = self.trans_block4(self.dense_block4(x3_2))
        deep = self.dense_block5(torch.cat([x4, x1, *x_cl], 1))  # (N, 2w + shallow, H/2, W/2)
        shallow = self.conv_refin_in64(half) if self.nested else None
        r_half = self.residual(shallow, self.conv_refin64(deep))
        x5 = self.trans_block5(torch.cat([deep, r_half], 1))  # (N, w, H, W)
        x6 = self.trans_block6(self.dense_block6(torch.cat([x5, guided], 1)))  # (N, refine, H, W)
        x6 = with_taps(self, x6, [x5, x4, x3_2, x3_1, x3, x2, torch.cat([x1, *x_cl], 1)])
        shallow = self.conv_refin_in(guided) if self.nested else None
        return self.residual(shallow, self.conv_refin(x6)), r_half

    def forward(self, x: Tensor, maps: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [-1, 1], even -> restored, and at half size."""
        r, r_half = self.residuals(x, maps)
        return self.clean(x - r), self.clean(half_size(x) - r_half)


class DeblurNet(BaseNet):
    """The two-stage network: four F-Nets, then BN; CN beside them, for the loss (Fig. 2)."""

    def __init__(
        self,
        width: int = 64,
        fnet_width: int = 16,
        handed_on: int = 16,
        refine: int = 16,
        confidence_width: int = 16,
        inner: float = 3.0,
        nested: bool = True,
        streams: bool = True,
        confidence: bool = True,
    ) -> None:
        """`width` is BN's; `streams` and `confidence` False leave out F-Nets and CN."""
        fused = width // 2 if streams else 0
        super().__init__(width, refine, inner, guided=True, nested=nested, fused=fused)
        self.streams = streams
        if streams:
            self.deblur_class1 = FNet(fnet_width, handed_on)
            self.deblur_class2 = FNet(fnet_width, handed_on)
            self.deblur_class3 = FNet(fnet_width, handed_on)
            self.deblur_class4 = FNet(fnet_width, handed_on)
            self.dense_block_cl = ShortBlock(CLASSES * handed_on, fused, shortcut=True)
        if confidence:
            self.conf_ker = ConfidenceNet(confidence_width)

    def class_features(self, x: Tensor, maps: Tensor) -> Tensor | None:
        """What the F-Nets hand on to BN, at half size; none without F-Nets."""
        if not self.streams:
            return None
        # One after the other: as grouped convolutions they took 174 ms at 128x128, so 110.
        classes = zip(self.fnets(), torch.split(maps, 1, 1), strict=True)
        out: Tensor = self.dense_block_cl(torch.cat([fnet(x, m) for fnet, m in classes], 1))
        return out

    def fnets(self) -> tuple[FNet, ...]:
        """The four F-Nets, in the order of the classes, or none."""
        if not self.streams:
            return ()
        return self.deblur_class1, self.deblur_class2, self.deblur_class3, self.deblur_class4

    def confidence(self, restored: Tensor, sharp: Tensor, maps: Tensor) -> Tensor:
        """Two images (N, 3, H, W) and class maps (N, 4, H, W) -> C, (N, 4, 3)."""
        masks = maps.unsqueeze(2)
        pair = ((masks * image.unsqueeze(1)).flatten(0, 1) for image in (restored, sharp))
        out: Tensor = self.conf_ker(*pair).view(*maps.shape[:2], 3)
        return out

    def restoring_modules(self) -> tuple[nn.Module, ...]:
        """What `forward` runs: no CN, no heads of F-Nets, nothing unused."""
        skipped = {"conf_ker", *UNUSED, *(f"deblur_class{i + 1}" for i in range(CLASSES))}
        own = (child for name, child in self.named_children() if name not in skipped)
        theirs = (
            child
            for fnet in self.fnets()
            for name, child in fnet.named_children()
            if name not in HEAD and name not in UNUSED
        )
        return (*own, *theirs)
