"""UMSN's networks as released: their tensors, what they take, what they return."""

from torch import Tensor

from blurbench.models.umsn.network import ConfidenceNet, DeblurNet
from blurbench.models.umsn.segmentation import Segmentation
from blurbench.models.umsn.unused import (
    add_unused_to_confidence,
    add_unused_to_network,
    add_unused_to_segmentation,
)


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
        return self(x)[0]


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
