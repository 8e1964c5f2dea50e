"""The hierarchical context loss: the distance of two feature maps at several sizes."""

import torch
from torch import Tensor
from torch.nn import functional as F

from blurbench.models.parts.losses import unmixed
from blurbench.models.sp.config import Reading

FACTORS = (1, 2, 4)  # of the average pooling, eq. 2
SIDES = (4, 2, 1)  # of the pooled maps in ReviewKD


@unmixed
def context_loss(made: Tensor, wanted: Tensor, reading: Reading) -> Tensor:
    """Distance of two maps (N, C, H, W) of one level, averaged over the batch.

    "mean": mean squared error, averaged over the factors. "printed": eq. 2 to the letter, norms
    that are not squared and divided by H W. "reviewkd": as released by Chen et al., "Distilling
    Knowledge via Knowledge Review", CVPR 2021, on whom the paper draws.
    """
    # Of one pair of noise maps, 152x64x64, they are 0.875, 0.358 and 1.069: beta means another
    # weight in each.
    difference = made - wanted
    if reading == "reviewkd":
        return review_loss(difference)
    pooled = [F.avg_pool2d(difference, factor) for factor in FACTORS]
    if reading == "mean":
        return torch.stack([d.square().mean() for d in pooled]).mean()
    height, width = difference.shape[-2:]
    norms = torch.stack([d.flatten(1).norm(dim=1).mean() for d in pooled])
    return norms.sum() / (height * width)


def review_loss(difference: Tensor) -> Tensor:
    """Mean squared error at full size, and at each smaller size with half the weight before."""
    total, weight, weights = difference.square().mean(), 1.0, 1.0
    for side in SIDES:
        if side < difference.shape[-2]:
            weight /= 2
            weights += weight
            total = total + weight * F.adaptive_avg_pool2d(difference, side).square().mean()
    return total / weights
