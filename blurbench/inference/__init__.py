"""Inference: restored pictures from a finished run."""

from dataclasses import dataclass, field

import numpy as np

from blurbench.images import to_levels


@dataclass(frozen=True)
class Restored:
    """One restored picture, and how it came about."""

    values: np.ndarray  # (H, W, 3), uint8 or float32 in [0, 1]
    figures: dict[str, float] = field(default_factory=dict)  # what the model counted
    tile: int | None = None  # px, where the picture went by tiles

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8, clipped and rounded."""
        return self.values if self.values.dtype == np.uint8 else to_levels(self.values)
