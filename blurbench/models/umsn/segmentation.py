"""SN, which tells the parts of a face apart (Fig. 3), on images in [-1, 1].

Widths and details are the released code's, and its names.
"""

import torch
from torch import Tensor, nn

from blurbench.models.umsn.blocks import (
    CLASSES,
    DILATED,
    BatchNorm,
    ResBlock,
    SegmentationBlock,
    Transition,
    add_taps,
    conv3,
    half_size,
    leaky,
    with_taps,
)


class Segmentation(nn.Module):
    """SN: four class maps of a face at full and at half size (Fig. 3)."""

    def __init__(
        self,
        width: int = 64,
        refine: int = 16,
        softmax: bool = False,
        own_statistics: bool = False,
    ) -> None:
        """Maps are independent sigmoids, or a softmax over the classes.

        `own_statistics`: batch norms go on with those of each picture after training.
        """
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
        for module in self.modules():
            if isinstance(module, BatchNorm):
                module.own_statistics = own_statistics

    def activate(self, logits: Tensor) -> Tensor:
        """Logits (N, 4, H, W) -> maps in [0, 1]."""
        return logits.softmax(1) if self.softmax else logits.sigmoid()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [-1, 1], multiples of 4 -> logits, (N, 4, H, W) and half that size."""
        x1 = self.trans_block1(self.dense_block1(x))  # (N, w, H/2, W/2)
        x2 = self.trans_block2(self.dense_block2(torch.cat([x1, half_size(x)], 1)))
        x3 = self.trans_block3(self.dense_block3(x2))  # (N, w, H/4, W/4), as x2, x3_1, x3_2
        x3_1 = self.trans_block3_1(self.dense_block3_1(x3))
        x3_2 = self.trans_block3_2(self.dense_block3_2(x3_1))
        x4 = self.trans_block4(self.dense_block4(torch.cat([x3_2, x2], 1)))  # (N, w, H/2, W/2)
        deep = self.dense_block5(torch.cat([x4, x1], 1))  # (N, 3w, H/2, W/2)
        half = self.refine3_i(leaky(self.conv_refin64(deep)))  # (N, 4, H/2, W/2)
        x5 = self.trans_block5(torch.cat([deep, self.activate(half)], 1))  # (N, w, H, W)
        x6 = self.trans_block6(self.dense_block6(x5))  # (N, refine, H, W)
        x6 = with_taps(self, x6, [x5, x4, x3_2, x3_1, x3, x2, x1])
        return self.refine3(leaky(self.conv_refin(x6))), half

    def maps(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> class maps (N, 4, H, W) in [0, 1]."""
        return self.activate(self(x)[0])
