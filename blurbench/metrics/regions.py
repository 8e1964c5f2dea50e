"""What is blurred, and what moved: the region found, the layers scored apart.

The region: BRMR (Lin et al., ACM Multimedia 2019), section 4.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from blurbench.metrics.faces import on_black
from blurbench.metrics.protocols import PSNR_CEILING_DB, Protocol

Box = Sequence[int]  # left, top, width, height, px


def box_iou(first: Box, second: Box) -> float:
    """Intersection over union of two boxes; 0 where both are empty."""
    shared = 1
    for near, size in ((0, 2), (1, 3)):
        end = min(first[near] + first[size], second[near] + second[size])
        shared *= max(0, end - max(first[near], second[near]))
    union = first[2] * first[3] + second[2] * second[3] - shared
    return shared / union if union else 0.0


def detection_iou(
    _restored: np.ndarray,
    _sharp: np.ndarray,
    _protocol: Protocol,
    *,
    blur: np.ndarray,
    box: Box,
    detector: Callable[[np.ndarray], Box],
) -> float:
    """IoU of the true box and the one that `detector` finds in the (H, W, 3) blurred picture."""
    return box_iou(detector(blur), box)


def layer_psnr(
    restored: np.ndarray, sharp: np.ndarray, protocol: Protocol, *, mask: np.ndarray, objects: bool
) -> float:
    """PSNR in dB over the pixels of all objects, or of the background; `mask` (H, W) is 0 there.

    By the protocol's own PSNR. NaN where the picture shows none.
    """
    inside = (mask > 0) == objects
    # On black the errors are spread over the whole picture.
    score = on_black("psnr", restored, sharp, protocol, inside)
    return score if score >= PSNR_CEILING_DB else score + 10 * math.log10(inside.mean() or 1.0)
