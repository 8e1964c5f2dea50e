"""What the released networks hold and never use: strict loading of their files needs it."""

from torch import nn

from blurbench.models.umsn.blocks import (
    CLASSES,
    SegmentationBlock,
    ShortBlock,
    SmoothingConv,
    conv1,
)
from blurbench.models.umsn.network import UNUSED, ConfidenceNet, DeblurNet
from blurbench.models.umsn.segmentation import Segmentation


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
