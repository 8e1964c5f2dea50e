"""Files of face-api: quantised arrays of TF.js, a .bin beside a manifest, into PyTorch's order."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from blurbench.errors import UserError
from blurbench.schemas import read_as
from blurbench.schemas.tfjs import ArrayGroup, read_arrays

SUFFIX = ".bin"
FETCHED = "manifest.json"  # what `blurbench weights fetch` calls it
# Ends of names -> how their axes become ours.
CONVOLUTION, DEPTHWISE = (3, 2, 0, 1), (2, 3, 0, 1)  # from (h, w, in, out), and from (h, w, in, 1)


def load(network: nn.Module, path: Path, names: Mapping[str, str]) -> nn.Module:
    """Fill a network from a .bin, in eval mode; `names`: its tensors -> the file's arrays.

    The manifest lies beside the file. UserError where either is missing, or of something else.
    """
    manifest = manifest_of(path)
    arrays = read_arrays(manifest, read_as(list[ArrayGroup], manifest))
    if odd := sorted(arrays.keys() ^ set(names.values())):
        raise UserError(
            f"{path}: not the arrays of {type(network).__name__} ({', '.join(odd[:3])})"
        )
    found = {ours: tensor(theirs, arrays[theirs]) for ours, theirs in names.items()}
    for name, wanted in network.state_dict().items():
        if found[name].shape != wanted.shape or not found[name].isfinite().all():
            told = f"{names[name]} is {(*found[name].shape,)} for {(*wanted.shape,)}, or not finite"
            raise UserError(f"{path}: not the arrays of {type(network).__name__}: {told}")
    network.load_state_dict(found)
    return network.eval().requires_grad_(False)


def manifest_of(path: Path) -> Path:
    """Beside a .bin: as fetched, or as in the package."""
    fetched = path.with_name(FETCHED)
    return fetched if fetched.is_file() else path.with_name(f"{path.stem}-weights_manifest.json")


def tensor(name: str, array: np.ndarray) -> Tensor:
    """A copy in PyTorch's order, outputs first."""
    if array.ndim == 4:
        array = array.transpose(DEPTHWISE if "depthwise" in name else CONVOLUTION)
    elif array.ndim == 2:
        array = array.T
    return torch.from_numpy(np.array(array, np.float32, order="C"))
