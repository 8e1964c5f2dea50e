"""The same square cut from every picture of a pair."""

from typing import Any

import numpy as np
import torch


def cropped(item: dict[str, Any], size: int) -> dict[str, Any]:
    """An item of a data set with its pictures cut at one place, which torch's generator draws."""
    down, right = torch.rand(2).tolist()
    return {
        name: crop(value, size, down, right) if isinstance(value, torch.Tensor) else value
        for name, value in item.items()
    }


def crop(image: torch.Tensor, size: int, down: float, right: float) -> torch.Tensor:
    """(C, size, size) cut from (C, H, W) at fractions `down`, `right` of the free room."""
    # Border-cropped pairs of small photographs can be smaller than a paper's crop.
    missing = [max(0, size - side) for side in image.shape[-2:]]
    if any(missing):
        rows = _mirror_indices(image.shape[-2], missing[0])
        columns = _mirror_indices(image.shape[-1], missing[1])
        image = image[:, rows][:, :, columns]
    top = int(down * (image.shape[-2] - size + 1))
    left = int(right * (image.shape[-1] - size + 1))
    return image[:, top : top + size, left : left + size]


def _mirror_indices(side: int, missing: int) -> torch.Tensor:
    """0..side-1, then back again, until `missing` indices are added."""
    there_and_back = np.concatenate([np.arange(side), np.arange(side)[::-1]])
    return torch.from_numpy(np.resize(there_and_back, side + missing))
