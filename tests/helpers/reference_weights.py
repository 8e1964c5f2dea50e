"""Weights that anybody can regenerate: the rule under which the reference outputs were made."""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn

SALT = "dev"
# Gains of 1 would let the deeper networks overflow or fade.
GAINS = {
    "deblurgan_G": 0.5,
    "pix2pix_unet256_G": 0.8,
    "pix2pix_unet128_G": 0.8,
    "deepdeblur_rb19": 0.7,
    "mimounet": 0.8,
    "mimounetplus": 0.6,
    "mprnet": 0.8,
    "mssnet": 0.6,
    "nafnet_w32": 0.8,
    "nafnet_w64": 0.8,
    "restormer": 0.8,
}
# Their only tensors of one number are names of one shared PReLU; the last name's value is kept.
LAST_ALIAS = {
    "mprnet": "stage3_orsnet.orb3.body.7.body.1.weight",
    "mssnet": "shallow_feat3.1.body.1.weight",
}


def fill(key: str, shape: tuple[int, ...], gain: float = 1.0) -> np.ndarray:
    """The tensor named `key`: its own random stream, scaled by its fan-in."""
    digest = hashlib.blake2b((SALT + key).encode(), digest_size=8).digest()
    rng = np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
    normal = rng.standard_normal(shape)
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if key.endswith("running_var"):
        return 1 + 0.1 * np.abs(normal)
    if len(shape) >= 2:
        return gain * normal / math.sqrt(math.prod(shape[1:]))
    return 0.1 * normal + (1 if key.endswith("weight") and shape != (1,) else 0)


def reference_shapes(shared: Path, name: str) -> dict[str, tuple[int, ...]]:
    """Key -> shape of a reference network's state dict."""
    keys = json.loads((shared / "golden" / "state_dicts" / f"{name}.json").read_text())["keys"]
    return {key: tuple(shape) for key, (shape, _dtype) in keys.items()}


def reference_tensors(shared: Path, name: str) -> dict[str, torch.Tensor]:
    """The float64 state dict of a reference network with the weights of the rule."""
    shapes, gain = reference_shapes(shared, name), GAINS.get(name, 1.0)
    tensors = {key: torch.tensor(fill(key, shape, gain)) for key, shape in shapes.items()}
    if name in LAST_ALIAS:
        kept = tensors[LAST_ALIAS[name]]
        tensors = {k: kept if v.shape == kept.shape else v for k, v in tensors.items()}
    return tensors


def load_reference(network: nn.Module, shared: Path, name: str) -> nn.Module:
    """`network` in float64 eval mode with the weights of the rule, loaded strictly."""
    network.double().load_state_dict(reference_tensors(shared, name))
    return network.eval()


def reference_arrays(shared: Path, name: str) -> dict[str, torch.Tensor]:
    """Inputs and outputs of a reference network."""
    with np.load(shared / "golden" / "forward" / f"{name}.npz") as file:
        return {k: torch.tensor(file[k]) for k in file.files if file[k].dtype == np.float64}


def relative_error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Largest deviation over the largest magnitude."""
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max() / wanted.abs().max())
