"""A distance between pictures as EfficientNet-Lite0 sees them, which was trained on ImageNet.

Built like LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
Metric", CVPR 2018, equation 1), but it is not LPIPS: another network, all channels weigh the same,
and nobody has compared it with what people see.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.errors import UserError, reason
from blurbench.metrics.features import batch
from blurbench.metrics.levels import rounded
from blurbench.metrics.networks.state_dicts import read_state
from blurbench.metrics.protocols import Protocol
from blurbench.weights.efficientnet import FETCHED, by_order, untrained
from blurbench.weights.places import Needed, paths_of
from blurbench.weights.registry import OUTSIDE

MIDDLE = 127.5  # it learnt from levels less this, over this
SMALLEST = 32  # px: of less, its last map would be all border


def distance(restored: np.ndarray, sharp: np.ndarray, _protocol: Protocol) -> float:
    """From 0, alike, to 4: squared distance of unit vectors, its mean over pixels, then levels."""
    both = torch.cat([batch(rounded(restored)), batch(sharp)])
    return float(torch.stack([apart(*maps) for maps in levels(load(), both)]).mean())


def apart(one: Tensor, other: Tensor) -> Tensor:
    """Of two maps (C, H, W): mean over pixels of |u - v|^2, u and v of length 1."""
    u, v = F.normalize(one, dim=0), F.normalize(other, dim=0)
    return (u - v).square().sum(0).mean()


@torch.no_grad()
def levels(network: nn.Module, images: Tensor) -> list[Tensor]:
    """(N, 3, H, W) of 0..255 -> its maps at strides of 2, 4, 8, 16 and 32 px.

    The last of each stride, of 16, 24, 40, 112 and 320 channels; small pictures get borders.
    """
    height, width = images.shape[2:]
    pad = (0, max(SMALLEST - width, 0), 0, max(SMALLEST - height, 0))
    x = F.pad((images - MIDDLE) / MIDDLE, pad, "replicate")
    found: list[Tensor] = network.forward_intermediates(  # type: ignore[operator]
        x, intermediates_only=True
    )
    return found


@lru_cache
def load() -> nn.Module:
    """The network with the published weights; UserError where their file is missing or another.

    The fetched file and no other, so that all who measure have the same numbers.
    """
    network: nn.Module = untrained()
    path = Needed("metric lite0", paths_of(OUTSIDE[FETCHED])[0], FETCHED).read_from()
    try:
        named = by_order(read_state(path), network)
        missing, _ = network.load_state_dict(named, strict=False)
        if any(not name.endswith("num_batches_tracked") for name in missing):
            raise ValueError(f"it has no {missing[0]}")
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: not the weights of {FETCHED} ({reason(error)})") from None
    return network.eval().requires_grad_(False)
