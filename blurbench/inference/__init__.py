"""Inference: restored pictures from a finished run."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Restored:
    """One restored picture, and how it came about."""

    image: np.ndarray  # (H, W, 3) uint8
    figures: dict[str, float] = field(default_factory=dict)  # what the model counted
    tile: int | None = None  # px, where the picture went by tiles
