"""What UMSN saw in a picture and took from it, as pictures."""

import torch
from torch import Tensor

from blurbench.models.base import Maps
from blurbench.models.parts.maps import coloured, grey

CLASS_NAMES = ("background", "skin", "parts", "hair")
COLOURS = ((0.15, 0.15, 0.15), (0.95, 0.75, 0.55), (0.85, 0.15, 0.2), (0.2, 0.35, 0.75))


def class_pictures(maps: Tensor) -> Maps:
    """Each of (4, H, W) in [0, 1] in grey, and the largest of them in colours (Fig. 7)."""
    pictures = {f"map_{name}": grey(values) for name, values in zip(CLASS_NAMES, maps, strict=True)}
    colours = torch.tensor(COLOURS)[maps.argmax(0).cpu()]
    return {**pictures, "map_classes": colours.permute(2, 0, 1)}


def residual_pictures(r: Tensor, maps: Tensor) -> Maps:
    """r, (3, H, W) in [-1, 1], and how much of it lies in each of the classes (Fig. 12)."""
    strength = r.abs().mean(0)
    parts = {
        f"residual_{name}": coloured(strength * values)
        for name, values in zip(CLASS_NAMES, maps, strict=True)
    }
    return {"residual": around_grey(r), **parts}


def around_grey(r: Tensor) -> Tensor:
    """(3, H, W) of both signs -> [0, 1]: grey is 0, and the strongest value full."""
    r = r.detach().float().cpu()
    return 0.5 + 0.5 * r / r.abs().max().clamp_min(1e-12)
