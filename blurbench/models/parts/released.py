"""Checkpoints of the released networks, by other hands, into ours: strictly, or with a reason."""

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from io import BytesIO
from itertools import product
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from blurbench.errors import UserError
from blurbench.files import read_regular, sha256
from blurbench.guarded import SLOWEST, guarded
from blurbench.images.header import refuse_instead
from blurbench.models.base import Model
from blurbench.models.parts.weights import differences, load_tensors

# Name -> module:attribute, which makes the released network.
RELEASED: dict[str, str] = {
    "deblurgan_D": "blurbench.models.deblurgan:Critic",
    "deblurgan_G": "blurbench.models.deblurgan:Generator",
    "deepdeblur_D": "blurbench.models.deepdeblur:Discriminator",
    "deepdeblur_rb19": "blurbench.models.deepdeblur:Network",
    "deepdeblur_rb6": "blurbench.models.deepdeblur:SixBlockNetwork",
    "maxim_s3": "blurbench.models.maxim:Network",
    "mimounet": "blurbench.models.mimo_unet:Network",
    "mimounetplus": "blurbench.models.mimo_unet:PlusNetwork",
    "mprnet": "blurbench.models.mprnet:Network",
    "mprnet_s1": "blurbench.models.mprnet:FirstStage",
    "mssnet": "blurbench.models.mssnet:Network",
    "mssnet_large": "blurbench.models.mssnet:Network",
    "mssnet_small": "blurbench.models.mssnet:Network",
    "nafnet_w32": "blurbench.models.nafnet:Network",
    "nafnet_w64": "blurbench.models.nafnet:Network",
    "pix2pix_D70": "blurbench.models.parts.pix2pix:PatchDiscriminator",
    "pix2pix_unet128_G": "blurbench.models.parts.pix2pix:unet_128",
    "pix2pix_unet256_G": "blurbench.models.parts.pix2pix:UnetGenerator",
    "restormer": "blurbench.models.restormer:Network",
    "udeconv_burst": "blurbench.models.udeconv:Network",
    "umsn_CN": "blurbench.models.umsn.released:ReleasedConfidence",
    "umsn_G": "blurbench.models.umsn.released:ReleasedDeblurNet",
    "umsn_SN": "blurbench.models.umsn.released:ReleasedSegmentation",
}
# Where the released network is not the one that is made without arguments.
SETTINGS: dict[str, dict[str, int]] = {
    "mssnet_large": {"width": 80, "step": 50},
    "mssnet_small": {"width": 20, "step": 40},
    "nafnet_w32": {"width": 32},
}
# Files of other makers than PyTorch, by their ending -> module:function, which gives the tensors
# under our names.
READERS: dict[str, str] = {
    ".json": "blurbench.models.maxim.released:read_graph",
    ".npz": "blurbench.models.maxim.released:read_flax",
}
MOST_HEADS = 8  # modules at the top of what wraps a network
DEEPEST = 8  # of dictionaries in each other: one may hold itself
SHARDS = "blurbench.models.maxim.released:graph_shards"  # that a .json names


FOREIGN = re.compile(r"GLOBAL ([\w.]+)")
# What profilers leave in a module, and no network reads.
COUNTS = ("total_ops", "total_params")


def load_network(name: str, source: Mapping[str, Any] | str | Path) -> nn.Module:
    """`blurbench.models.convert`."""
    network = released_network(name)
    told = f"{source}: not weights of {name}" if isinstance(source, str | Path) else name
    _, tensors = best_fit((network,), read_checkpoint(source), told)
    dtypes = [tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()]
    network.to(dtypes[0]).load_state_dict(tensors)
    return network.eval()


def load_released(model: Model, path: Path) -> None:
    """Fill a model, or the one of its networks that a file of weights belongs to."""
    # A model may hold another, as a backbone: that one's networks too.
    parts = [model, *model.children()]
    inner = (network for part in parts[1:] for network in part.children())
    networks = (*parts, *inner, *model.init_parts())
    told = f"{path}: weights of another model or preset"
    network, tensors = best_fit(networks, read_checkpoint(path), told)
    network.load_state_dict(tensors)


def released_network(name: str) -> nn.Module:
    """A released network, untrained; UserError for an unknown name."""
    if name not in RELEASED:
        raise UserError(f"no released network {name!r}; there are {', '.join(sorted(RELEASED))}")
    module, _, attribute = RELEASED[name].partition(":")
    network: nn.Module = getattr(import_module(module), attribute)(**SETTINGS.get(name, {}))
    return network


def read_checkpoint(source: Mapping[str, Any] | str | Path) -> Mapping[str, Any]:
    """What a file holds, tensors and plain containers only: no file may run code."""
    if isinstance(source, Mapping):
        return source
    path = Path(source)
    try:
        refuse_instead(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    if path.suffix == ".safetensors":
        return load_tensors(path)
    if path.suffix in READERS:
        tensors: dict[str, Tensor] = resolve_name(READERS[path.suffix])(path)
        return tensors
    data = read_regular(path)
    seconds = 10 + len(data) // SLOWEST
    try:
        # In a child: torch.load takes a minute to refuse some files of 20 kB.
        held = guarded(load_plain, data, str(path), name=str(path), seconds=seconds)
    except UserError:
        raise
    except Exception as error:  # tensors whose parts are damaged cannot be sent
        raise _refused(str(path), error) from None
    if not isinstance(held, Mapping):
        raise UserError(f"{path}: holds no state dict but a {type(held).__name__}")
    return held


def load_plain(data: bytes, name: str) -> Any:
    """What torch.load gives of tensors and plain containers; UserError for anything else."""
    try:
        with torch.serialization.safe_globals(numpy_scalars()):
            return torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # of bytes that are no checkpoint, torch.load raises anything
        raise _refused(name, error) from None


def _refused(name: str, error: Exception) -> UserError:
    what = f"not a checkpoint of plain tensors ({_reason(error)})"
    return UserError(f"{name}: {what}; save its state_dict() alone")


def numpy_scalars() -> list[Any]:
    """What the pickle of a NumPy number calls, such as a best PSNR beside weights."""
    kinds = (getattr(np.dtypes, name) for name in np.dtypes.__all__)
    number = np.float64(0).__reduce__()[0]
    # Files of NumPy 1 name it by another module.
    return [number, (number, "numpy.core.multiarray.scalar"), np.dtype, *kinds]


def _reason(error: Exception) -> str:
    """Of several lines of torch's the one that tells: the class that a pickle names, if it does."""
    if named := FOREIGN.search(str(error)):
        return f"holds {named[1]}, whose code would run"
    reason = str(error).split(". ")[0].splitlines()
    return reason[0] if reason else type(error).__name__


def fingerprint(path: Path) -> str:
    """SHA-256 of a file of weights, and of the files of numbers that it names."""
    files = [path, *(resolve_name(SHARDS)(path) if path.suffix == ".json" else [])]
    return sha256(b"".join(map(read_regular, files)))


def best_fit(
    networks: tuple[nn.Module, ...], held: Mapping[str, Any], told: str
) -> tuple[nn.Module, dict[str, Tensor]]:
    """The network and the state dict in `held` that share most names; they must share all."""
    found = list(state_dicts(held))
    if not found:
        raise UserError(f"{told}: no tensors in it, but {', '.join(map(str, held)) or 'nothing'}")
    wanted = {network: network.state_dict() for network in networks}
    network, tensors = max(
        product(networks, found),
        # Of equals the smallest network: a part, where the file has nothing of the rest.
        key=lambda pair: (len(wanted[pair[0]].keys() & pair[1].keys()), -len(wanted[pair[0]])),
    )
    tensors = without_old_statistics(network, tensors)
    difference = differences(wanted[network], tensors)
    if difference:
        raise UserError(f"{told}: {difference}")
    return network, tensors


def state_dicts(held: Mapping[Any, Any], depth: int = DEEPEST) -> Iterator[dict[str, Tensor]]:
    """The tensors of a checkpoint and of all that it nests; also without their common prefixes."""
    tensors = {
        key: value for key, value in held.items() if isinstance(key, str) and torch.is_tensor(value)
    }
    yield from _below(tensors, depth)
    # Averaged weights first: of equals, the first is taken.
    for key in sorted(held, key=lambda key: "ema" not in str(key)):
        if isinstance(held[key], Mapping) and depth:
            yield from state_dicts(held[key], depth - 1)


def _below(tensors: dict[str, Tensor], depth: int) -> Iterator[dict[str, Tensor]]:
    """Tensors, and those below each of their prefixes: a network may have a loss beside it."""
    if not tensors or not depth:
        return
    yield tensors
    heads = dict.fromkeys(key.partition(".")[0] for key in tensors if "." in key)
    if len(heads) > MOST_HEADS:  # the layers of a network, and not what was wrapped round it
        return
    for head in heads:
        start = f"{head}."
        below = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
        yield from _below(below, depth - 1)


def without_old_statistics(network: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop what nothing reads: counts of profilers, running statistics of instance norms.

    PyTorch 0.3 stored the latter.
    """
    tensors = {k: v for k, v in tensors.items() if k.rpartition(".")[2] not in COUNTS}
    norms = {n for n, module in network.named_modules() if isinstance(module, nn.InstanceNorm2d)}
    kept = network.state_dict().keys()
    return {k: v for k, v in tensors.items() if k in kept or k.rpartition(".")[0] not in norms}
