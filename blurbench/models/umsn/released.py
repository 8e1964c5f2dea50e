"""UMSN's networks as released: their tensors, what they take, what they return.

They hold tensors that nothing uses, and strict loading of their files asks for them.
"""

from torch import Tensor, nn

from blurbench.models.umsn.blocks import (
    CLASSES,
    SegmentationBlock,
    ShortBlock,
    SmoothingConv,
    conv1,
)
from blurbench.models.umsn.network import UNUSED, ConfidenceNet, DeblurNet
from blurbench.models.umsn.segmentation import Segmentation


class ReleasedSegmentation(Segmentation):
    """SN: image in, maps out."""

    def __init__(self) -> None:
        """The released widths."""
        super().__init__()
        add_unused_to_segmentation(self)

    def forward(self, x: Tensor, _half: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [-1, 1], its half -> four maps in [0, 1] at full and at half size."""
        full, half = super().forward(x)
        return self.activate(full), self.activate(half)

    def maps(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> class maps (N, 4, H, W) in [0, 1]."""
        out: Tensor = self(x)[0]
        return out


class ReleasedConfidence(ConfidenceNet):
    """CN: two images in, an image of constants out."""

    def __init__(self) -> None:
        """The released widths."""
        super().__init__()
        add_unused_to_confidence(self)

    def forward(self, restored: Tensor, sharp: Tensor) -> Tensor:
        """Two masked images (N, 3, H, W), sides >= 16 -> confidence in (0, 1), (N, 3, H, W)."""
        return super().forward(restored, sharp).expand_as(restored)


class ReleasedDeblurNet(DeblurNet):
    """The two-stage network with the outputs that only its training needs."""

    def __init__(self) -> None:
        """The released widths."""
        super().__init__()
        add_unused_to_network(self)

    def forward(  # type: ignore[override]  # the released order of arguments
        self, x: Tensor, _half: Tensor, maps: Tensor, *others: Tensor
    ) -> tuple[Tensor, ...]:
        """Image, its half and its maps -> restored, and at half size.

        With the four maps one by one, the sharp image and its four maps of three channels: also
        the four confidences as images, and the image restored by each F-Net alone.
        """
        restored = super().forward(x, maps)
        if not others:
            return restored
        sharp, masks = others[4], others[5:]
        full = restored[0]
        pairs = ((mask * full, mask * sharp) for mask in masks)
        confidences = [self.conf_ker(*pair).expand_as(full) for pair in pairs]
        heads = [n.restore(x, m) for n, m in zip(self.fnets(), others[:4], strict=True)]
        return (*restored, *confidences, *heads)


def add_unused_to_network(network: DeblurNet) -> None:
    """Add the unused tensors of BN, the F-Nets and CN."""
    for holder in (network, *network.fnets()):
        for name in UNUSED:
            holder.add_module(name, nn.Conv2d(20, 1, 1))
    add_unused_to_confidence(network.conf_ker)


def add_unused_to_confidence(cn: ConfidenceNet) -> None:
    """Add the unused tensors of CN."""
    width = cn.conv1.out_channels
    cn.add_module("conv4", ShortBlock(width, 2 * width, shortcut=False))
    for block in (cn.conv2, cn.conv3, cn.get_submodule("conv4")):
        block.add_module("conv_o", conv1(width, 2 * width))


def add_unused_to_segmentation(segmentation: Segmentation) -> None:
    """Add the unused tensors of SN."""
    for module in segmentation.modules():
        if isinstance(module, SegmentationBlock):
            module.add_module("sharewconv1", SmoothingConv())
    segmentation.add_module("refineclean1", nn.Conv2d(CLASSES, 8, 7, padding=3))
    segmentation.add_module("refineclean2", nn.Conv2d(8, CLASSES, 3, padding=1))
    segmentation.add_module("batchnorm20", nn.BatchNorm2d(20))
    segmentation.add_module("batchnorm1", nn.BatchNorm2d(1))
