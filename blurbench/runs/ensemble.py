"""Self-ensemble: a picture restored in its eight positions, and the mean of them (TTA)."""

from itertools import product

import torch
from torch import Tensor

from blurbench.models.base import Figures
from blurbench.runs.tiles import Restore


def self_ensemble(restore: Restore, blur: Tensor) -> tuple[Tensor, Figures]:
    """Mean over four quarter turns, mirrored or not, each turned back; (N, 3, H, W).

    What is counted is a mean over the eight, too. Source: Lim et al. (2017), section 3.3.
    """
    total, figures = torch.zeros_like(blur), dict[str, float]()
    for turns, mirrored in product(range(4), (False, True)):
        turned = torch.rot90(blur.flip(-1) if mirrored else blur, turns, (-2, -1))
        restored, counted = restore(turned.contiguous())
        back = torch.rot90(restored, -turns, (-2, -1))
        total += back.flip(-1) if mirrored else back
        for name, value in counted.items():
            figures[name] = figures.get(name, 0.0) + value / 8
    return total / 8, figures
