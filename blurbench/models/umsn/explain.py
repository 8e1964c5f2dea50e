"""What UMSN saw in a picture and took from it, as pictures."""

from collections.abc import Iterable

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


def residual_pictures(r: Tensor, features: Tensor, maps: Tensor) -> Maps:
    """r, (3, H, W) in [-1, 1]; and of the features (C, H, W) that it is made of, for each class the
    one that is most of this class (Fig. 12): maps (4, H, W) in [0, 1].
    """
    strength = features.float().abs()
    inside = torch.einsum("chw,khw->kc", strength, maps.float())
    share = inside / strength.sum((1, 2)).clamp_min(1e-12)  # of a feature, in each class
    parts = {
        f"residual_{name}": coloured(strength[int(number)])
        for name, number in zip(CLASS_NAMES, share.argmax(1), strict=True)
    }
    return {"residual": around_grey(r), **parts}


def stream_pictures(restored: Iterable[Tensor]) -> Maps:
    """What each F-Net makes of the picture by itself, (3, H, W) in [-1, 1] (Fig. 8)."""
    pictures = zip(CLASS_NAMES, restored, strict=False)  # of four or, without F-Nets, none
    return {f"fnet_{name}": ((x + 1) / 2).clamp(0, 1).cpu() for name, x in pictures}


def around_grey(r: Tensor) -> Tensor:
    """(3, H, W) of both signs -> [0, 1]: grey is 0, and the strongest value full."""
    r = r.detach().float().cpu()
    return 0.5 + 0.5 * r / r.abs().max().clamp_min(1e-12)
