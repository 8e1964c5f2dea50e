"""The most blurred patch of a picture, from a map of how blurred its places are."""

from typing import NamedTuple

import torch
from torch import Tensor


class Box(NamedTuple):
    """A rectangle of pixels; data sets store boxes in this order too."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, image: Tensor) -> Tensor:
        """The part of (..., H, W) inside; a view."""
        return image[..., self.top : self.top + self.height, self.left : self.left + self.width]


def hottest(heat: Tensor, size: int, stride: int) -> list[Box]:
    """For each map of (N, H, W), H and W >= size, the square window whose mean is largest.

    Windows are `stride` apart, left to right and then top to bottom; the last of a row or column
    ends at the border. Of equals the first is taken, as it is of pictures without values (meta).
    """
    height, width = heat.shape[-2:]
    tops, lefts = starts(height, size, stride), starts(width, size, stride)
    if heat.is_meta:
        return [Box(0, 0, size, size)] * len(heat)
    # Sums of float32 values in float64 are exact but for wild maps, so that equals stay equal.
    rows, columns = covers(tops, size, height), covers(lefts, size, width)
    sums = rows @ heat.detach().cpu().double() @ columns.T
    found = sums.flatten(1).argmax(1).tolist()
    return [Box(lefts[i % len(lefts)], tops[i // len(lefts)], size, size) for i in found]


def grid(height: int, width: int, size: int, stride: int) -> list[Box]:
    """All windows, in the order of the search."""
    tops, lefts = starts(height, size, stride), starts(width, size, stride)
    return [Box(left, top, size, size) for top in tops for left in lefts]


def drawn(boxes: list[Box], generator: torch.Generator | None = None) -> Box:
    """One of them, each with the same chance; none: from torch's own generator."""
    return boxes[int(torch.randint(len(boxes), (), generator=generator, device="cpu"))]


def starts(length: int, size: int, stride: int) -> list[int]:
    """Where windows of `size` begin, `stride` apart and the last at the end; length >= size."""
    return [*range(0, length - size, stride), length - size]


def covers(firsts: list[int], size: int, length: int) -> Tensor:
    """(windows, length): 1 where a window covers a place, else 0."""
    distance = torch.arange(length) - torch.tensor(firsts)[:, None]
    return ((distance >= 0) & (distance < size)).double()


def outlined(image: Tensor, boxes: list[Box]) -> Tensor:
    """(3, H, W) in [0, 1] with 2 px outlines of boxes, from red for the first to green."""
    image = image.clone()
    for number, box in enumerate(boxes):
        green = number / max(1, len(boxes) - 1)
        colour = image.new_tensor([1 - green, green, 0.0])[:, None, None]
        inside = box.cut(image)
        for side in (inside[:, :2], inside[:, -2:], inside[..., :2], inside[..., -2:]):
            side.copy_(colour.expand_as(side))
    return image
