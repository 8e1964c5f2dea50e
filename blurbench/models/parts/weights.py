"""Weights on disk: safetensors, aliases stored once, every name and shape checked on the way in."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from blurbench.errors import UserError
from blurbench.files import write_bytes


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as safetensors; what shares storage is stored once, with its other names."""
    # By hand, and not by safetensors' save_model: an optimiser's state is no module, and files of
    # 0.1.0 have their aliases in the metadata.
    first: dict[tuple[Any, ...], str] = {}
    aliases: dict[str, str] = {}
    stored: dict[str, Tensor] = {}
    # Sorted: which of several names is stored must not hang on the order of modules.
    for name, tensor in sorted(tensors.items()):
        place = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        # Empty tensors all lie at address 0, and share nothing.
        known = first.setdefault(place, name) if tensor.numel() else name
        if known == name:
            stored[name] = tensor.detach().cpu().contiguous()
        else:
            aliases[name] = known
    write_bytes(path, save(stored, metadata={"aliases": json.dumps(aliases)}))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name, aliases included; a missing or damaged file is a UserError."""
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            aliases = json.loads((file.metadata() or {}).get("aliases", "{}"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable safetensors file ({error})") from None
    return tensors | {name: tensors[known] for name, known in aliases.items()}


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill `model` from a safetensors file; every name and shape must match."""
    tensors = load_tensors(path)
    told = differences(model.state_dict(), tensors)
    if told:
        raise UserError(f"{path}: weights of another model or preset: {told}")
    model.load_state_dict(tensors)


def differences(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What keeps `found` from being loaded as `wanted`, with three names of each kind; or ""."""
    # Files from before PyTorch 0.4.1 do not count batches, and nothing reads the count.
    missing = [n for n in wanted.keys() - found.keys() if not n.endswith("num_batches_tracked")]
    both = [(n, (*found[n].shape,), (*wanted[n].shape,)) for n in wanted.keys() & found.keys()]
    other = [f"{n} {theirs} for {ours}" for n, theirs, ours in both if theirs != ours]
    kinds = {
        "missing": missing,
        "unexpected": found.keys() - wanted.keys(),
        "of another shape": other,
    }
    return ", ".join(
        f"{len(names)} {kind} ({', '.join(sorted(names)[:3])}{', ...' if len(names) > 3 else ''})"
        for kind, names in kinds.items()
        if names
    )
