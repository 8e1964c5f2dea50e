"""SN, the F-Nets, BN and CN (Figs. 2-6), on images in [-1, 1].

The paper's text leaves out widths and details; these are the released code's, and its names.
"""

import torch
from torch import Tensor, nn

from blurbench.models.umsn.blocks import (
    DILATED,
    PLAIN,
    SMOOTHED,
    BilinearTransition,
    NestedResidual,
    ResBlock,
    SegmentationBlock,
    ShortBlock,
    SmoothingConv,
    Transition,
    add_taps,
    conv1,
    conv3,
    half_size,
    leaky,
    with_taps,
)

CLASSES = 4  # background; skin; brows, eyes, nose, lips, teeth; hair
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


class Segmentation(nn.Module):
    """SN: four class maps of a face at full and at half size (Fig. 3)."""

    def __init__(self, width: int = 64, refine: int = 16, softmax: bool = False) -> None:
        """Maps are independent sigmoids, or a softmax over the classes."""
        super().__init__()
        w, self.softmax = width, softmax
        self.dense_block1 = ResBlock(3, w - 3, DILATED)
        self.trans_block1 = Transition(w, w, nn.AvgPool2d(2))
        self.dense_block2 = SegmentationBlock(w + 3, w)
        self.trans_block2 = Transition(2 * w + 3, w, nn.AvgPool2d(2))
        self.dense_block3 = SegmentationBlock(w, w)
        self.trans_block3 = Transition(2 * w, w)
        self.dense_block3_1 = SegmentationBlock(w, w)
        self.trans_block3_1 = Transition(2 * w, w)
        self.dense_block3_2 = SegmentationBlock(w, w)
        self.trans_block3_2 = Transition(2 * w, w)
        self.dense_block4 = SegmentationBlock(2 * w, w)
        self.trans_block4 = Transition(3 * w, w, nn.Upsample(scale_factor=2))
        self.dense_block5 = SegmentationBlock(2 * w, w)
        self.trans_block5 = Transition(3 * w + CLASSES, w, nn.Upsample(scale_factor=2))
        self.dense_block6 = ResBlock(w, w, DILATED)
        self.trans_block6 = Transition(2 * w, refine)
        self.conv_refin64 = conv3(3 * w, refine, bias=True)
        self.refine3_i = conv3(refine, CLASSES, bias=True)
        self.conv_refin = conv3(refine + 7, refine, bias=True)
        self.refine3 = conv3(refine, CLASSES, bias=True)
        add_taps(self, w)

    def activate(self, logits: Tensor) -> Tensor:
        """Logits (N, 4, H, W) -> maps in [0, 1]."""
        return logits.softmax(1) if self.softmax else logits.sigmoid()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [-1, 1], multiples of 4 -> logits, (N, 4, H, W) and half that size."""
        x1 = self.trans_block1(self.dense_block1(x))
        x2 = self.trans_block2(self.dense_block2(torch.cat([x1, half_size(x)], 1)))
        x3 = self.trans_block3(self.dense_block3(x2))
        x3_1 = self.trans_block3_1(self.dense_block3_1(x3))
        x3_2 = self.trans_block3_2(self.dense_block3_2(x3_1))
        x4 = self.trans_block4(self.dense_block4(torch.cat([x3_2, x2], 1)))
        deep = self.dense_block5(torch.cat([x4, x1], 1))
        half = self.refine3_i(leaky(self.conv_refin64(deep)))
        x5 = self.trans_block5(torch.cat([deep, self.activate(half)], 1))
        x6 = self.trans_block6(self.dense_block6(x5))
        x6 = with_taps(self, x6, [x5, x4, x3_2, x3_1, x3, x2, x1])
        return self.refine3(leaky(self.conv_refin(x6))), half

    def maps(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> class maps (N, 4, H, W) in [0, 1]."""
        return self.activate(self(x)[0])


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
        x1 = self.trans_block1(self.dense_block1(torch.cat([x, class_map], 1)))
        x2 = self.trans_block2(self.dense_block2(x1))
        x3 = self.trans_block3(self.dense_block3(x2))
        return self.trans_block5(self.dense_block5(torch.cat([x3, x1], 1)))

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
        x = self.trans_block1(self.conv1(torch.cat([restored, sharp], 1)))
        x = self.trans_block2(self.conv2(x))
        x = self.trans_block3(self.conv3(x))
        x = self.trans_block4(self.conv3(x))  # the same block twice, as released
        return self.conv_refin(x.mean((2, 3), keepdim=True).sigmoid()).sigmoid()


class DeblurNet(NestedResidual):
    """The two-stage network: four F-Nets, then BN; CN beside them, for the loss (Fig. 2)."""

    def __init__(
        self,
        width: int = 64,
        fnet_width: int = 16,
        handed_on: int = 16,
        refine: int = 16,
        confidence_width: int = 16,
    ) -> None:
        """`width` is BN's (even); `refine` channels make the residual."""
        super().__init__(refine)
        w = width
        self.deblur_class1 = FNet(fnet_width, handed_on)
        self.deblur_class2 = FNet(fnet_width, handed_on)
        self.deblur_class3 = FNet(fnet_width, handed_on)
        self.deblur_class4 = FNet(fnet_width, handed_on)
        self.dense_block_cl = ShortBlock(CLASSES * handed_on, w // 2, shortcut=True)
        self.dense_block1 = ResBlock(7, w - 7, PLAIN)
        self.trans_block1 = Transition(w, w // 2, nn.AvgPool2d(2))
        self.dense_block2 = ResBlock(w + 3, w, DILATED)
        self.trans_block2 = Transition(2 * w + 3, w)
        self.dense_block3 = ResBlock(w, w, SMOOTHED)
        self.trans_block3 = Transition(2 * w, w)
        self.dense_block3_1 = ResBlock(w, w, SMOOTHED)
        self.trans_block3_1 = Transition(2 * w, w)
        self.dense_block3_2 = ResBlock(w, w, SMOOTHED)
        self.trans_block3_2 = Transition(2 * w, w)
        self.dense_block4 = ResBlock(w, w, SMOOTHED)
        self.trans_block4 = Transition(2 * w, w)
        self.dense_block5 = ResBlock(2 * w, w, DILATED)
        self.trans_block5 = BilinearTransition(3 * w + 3, w)
        self.dense_block6 = ResBlock(w + 7, w, PLAIN)
        self.trans_block6 = Transition(2 * w + 7, refine)
        self.conv_refin = conv3(refine + 7, refine, bias=True)
        self.conv_refin_in = conv3(7, refine, bias=True)
        self.conv_refin_in64 = conv3(3, refine, bias=True)
        self.conv_refin64 = conv3(3 * w, refine, bias=True)
        add_taps(self, w)
        self.conf_ker = ConfidenceNet(confidence_width)

    def forward(self, x: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [-1, 1], even; maps (N, 4, H, W) -> restored, and at half size."""
        half = half_size(x)
        guided = torch.cat([x, maps], 1)
        classes = zip(self.fnets(), maps.split(1, 1), strict=True)
        x_cl = self.dense_block_cl(torch.cat([fnet(x, m) for fnet, m in classes], 1))
        x1 = self.trans_block1(self.dense_block1(guided))
        x2 = self.trans_block2(self.dense_block2(torch.cat([x1, half, x_cl], 1)))
        x3 = self.trans_block3(self.dense_block3(x2))
        x3_1 = self.trans_block3_1(self.dense_block3_1(x3))
        x3_2 = self.trans_block3_2(self.dense_block3_2(x3_1))
        x4 = self.trans_block4(self.dense_block4(x3_2))
        deep = self.dense_block5(torch.cat([x4, x1, x_cl], 1))
        r_half = self.residual(self.conv_refin_in64(half), self.conv_refin64(deep))
        x5 = self.trans_block5(torch.cat([deep, r_half], 1))
        x6 = self.trans_block6(self.dense_block6(torch.cat([x5, guided], 1)))
        x1_cl = torch.cat([x1, x_cl], 1)
        x6 = with_taps(self, x6, [x5, x4, x3_2, x3_1, x3, x2, x1_cl])
        r = self.residual(self.conv_refin_in(guided), self.conv_refin(x6))
        return self.clean(x - r), self.clean(half - r_half)

    def fnets(self) -> tuple[FNet, FNet, FNet, FNet]:
        """The four F-Nets, in the order of the classes."""
        return self.deblur_class1, self.deblur_class2, self.deblur_class3, self.deblur_class4

    def confidence(self, restored: Tensor, sharp: Tensor, maps: Tensor) -> Tensor:
        """Two images (N, 3, H, W) and class maps (N, 4, H, W) -> C, (N, 4, 3)."""
        masks = maps.unsqueeze(2)
        pair = ((masks * image.unsqueeze(1)).flatten(0, 1) for image in (restored, sharp))
        return self.conf_ker(*pair).view(*maps.shape[:2], 3)

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


# Each of these adds what the released code holds and never uses: strict loading of its files
# needs it.


def add_unused_to_network(network: DeblurNet) -> None:
    """Those of BN, the F-Nets and CN."""
    for holder in (network, *network.fnets()):
        for name in UNUSED:
            holder.add_module(name, nn.Conv2d(20, 1, 1))
    add_unused_to_confidence(network.conf_ker)


def add_unused_to_confidence(cn: ConfidenceNet) -> None:
    """Those of CN."""
    width = cn.conv1.out_channels
    cn.add_module("conv4", ShortBlock(width, 2 * width, shortcut=False))
    for block in (cn.conv2, cn.conv3, cn.get_submodule("conv4")):
        block.add_module("conv_o", conv1(width, 2 * width))


def add_unused_to_segmentation(segmentation: Segmentation) -> None:
    """Those of SN."""
    for module in segmentation.modules():
        if isinstance(module, SegmentationBlock):
            module.add_module("sharewconv1", SmoothingConv())
    segmentation.add_module("refineclean1", nn.Conv2d(CLASSES, 8, 7, padding=3))
    segmentation.add_module("refineclean2", nn.Conv2d(8, CLASSES, 3, padding=1))
    segmentation.add_module("batchnorm20", nn.BatchNorm2d(20))
    segmentation.add_module("batchnorm1", nn.BatchNorm2d(1))
