"""Weights on disk: safetensors with a checksum, aliases stored once, all checked on the way in."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from blurbench.errors import UserError, reason
from blurbench.files import load_json, read_regular, replacing
from blurbench.progress import tell_once
from blurbench.schemas import parse_as

# What our files have as metadata; others' have their own, of which "sha256" is likely.
CHECKSUM, ALIASES = "blurbench_sha256", "aliases"
FORMER = "sha256"  # the checksum's key in our files that have it beside the aliases alone
BLANK = "0" * 64  # in the place of the checksum while it is reckoned
DAMAGED = "damaged, or changed by another program; take another copy of it"
# Files from before PyTorch 0.4.1 do not count batches, and nothing reads the count.
COUNT = "num_batches_tracked"
FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write `packed` tensors."""
    head, body = packed(tensors)
    with replacing(path) as file:
        file.write(head)
        file.write(body)


def packed(tensors: Mapping[str, Tensor]) -> tuple[bytes, memoryview]:
    """Head and body of a file of safetensors; what shares storage is stored once, with its names.

    The metadata has the SHA-256 of the whole file, reckoned with 64 zeros in its place.
    """
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
    plain = save(stored)
    start = _start(plain)
    # safetensors would write several entries of metadata in another order each time.
    about = {CHECKSUM: BLANK, ALIASES: json.dumps(aliases)}
    text = json.dumps({"__metadata__": about, **json.loads(plain[8:start])}).encode()
    text += b" " * (-len(text) % 8)
    head, body = len(text).to_bytes(8, "little") + text, memoryview(plain)[start:]
    return head.replace(BLANK.encode(), sha256_of(head, body).encode(), 1), body


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name, aliases included.

    UserError where the file is missing or damaged, or holds NaN or infinity. Files of 0.1.0 have no
    checksum, and are told once as unchecked; those of others have none either.
    """
    try:
        data = read_regular(path)
        tensors: dict[str, Tensor] = load(data)
        metadata = _metadata(path, data)
        odd = not_finite(tensors)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:  # of bytes that are no safetensors, it raises anything
        raise UserError(f"{path}: not a readable safetensors file ({reason(error)})") from None
    if odd:
        raise UserError(f"{path}: NaN or infinite numbers in {some(odd)}")
    return tensors | _aliases(path, metadata.get(ALIASES, "{}"), tensors)


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill `model` from a safetensors file; every name, shape and type must match."""
    tensors = load_tensors(path)
    told = differences(model.state_dict(), tensors)
    if told:
        raise UserError(f"{path}: weights of another model or preset: {told}")
    model.load_state_dict(tensors)


def differences(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What keeps `found` from being loaded as `wanted`, with three names of each kind; or "".

    Numbers of floating point may have any width; NaN and infinity are none.
    """
    missing = [n for n in wanted.keys() - found.keys() if not n.endswith(COUNT)]
    both = [(n, found[n], wanted[n]) for n in wanted.keys() & found.keys()]
    kinds = {
        "missing": missing,
        "unexpected": found.keys() - wanted.keys(),
        "of another shape": [
            f"{n} {(*theirs.shape,)} for {(*ours.shape,)}"
            for n, theirs, ours in both
            if theirs.shape != ours.shape
        ],
        "of another type": [
            f"{n} {_type(theirs)} for {_type(ours)}"
            for n, theirs, ours in both
            if not _alike(theirs, ours)
        ],
    }
    if not any(kinds.values()):
        kinds["with NaN or infinite numbers"] = not_finite({n: theirs for n, theirs, _ in both})
    return ", ".join(
        f"{len(names)} {kind} ({some(names)})" for kind, names in kinds.items() if names
    )


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of those that hold NaN or infinity."""
    # Both survive a sum, which takes a fifth of the time; the sum of large numbers may be infinite.
    floats = {name: value for name, value in tensors.items() if value.is_floating_point()}
    odd = {name: value for name, value in floats.items() if not math.isfinite(value.sum())}
    return [name for name, value in odd.items() if not value.isfinite().all()]


def some(names: Iterable[str]) -> str:
    """The first three of some names."""
    ordered = sorted(names)
    return ", ".join(ordered[:3]) + (", ..." if len(ordered) > 3 else "")


def _alike(theirs: Tensor, ours: Tensor) -> bool:
    """Whether both are of the very same type, or both of floating point."""
    # A file of PyTorch may hold sparse tensors, or such as have a shape and no numbers.
    plain = theirs.layout == ours.layout and not theirs.is_meta
    return plain and (theirs.dtype == ours.dtype or {theirs.dtype, ours.dtype} <= FLOATS)


def _type(tensor: Tensor) -> str:
    odd = [tensor.layout] * (tensor.layout != torch.strided) + [tensor.device] * tensor.is_meta
    return " ".join(str(each).removeprefix("torch.") for each in (tensor.dtype, *odd))


def _start(data: bytes) -> int:
    """Where the numbers of a safetensors file begin."""
    return 8 + int.from_bytes(data[:8], "little")


def sha256_of(head: bytes, body: memoryview) -> str:
    """Of a file of both, one behind the other."""
    total = hashlib.sha256(head)
    total.update(body)
    return total.hexdigest()


def _metadata(path: Path, data: bytes) -> dict[str, str]:
    """The metadata of a file; UserError unless it has the checksum that it states."""
    start = _start(data)
    head, body = data[:start], memoryview(data)[start:]
    found: dict[str, str] = load_json(head[8:]).get("__metadata__", {})
    key = FORMER if found.keys() == {FORMER, ALIASES} else CHECKSUM
    if key in found:
        stated = found[key]
        blank = head.replace(stated.encode(), BLANK.encode(), 1)
        if len(stated) != len(BLANK) or stated != sha256_of(blank, body):
            raise UserError(f"{path}: its checksum does not match: {DAMAGED}")
    elif ALIASES in found:
        # With anything beside them, the checksum's own name is what was damaged.
        if len(found) > 1:
            raise UserError(f"{path}: odd metadata ({some(found)}): {DAMAGED}")
        tell_once(f"{path.parent}: weights written before there were checks: unchecked")
    return found


def _aliases(path: Path, text: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The other names of tensors that are stored under one."""
    aliases = parse_as(dict[str, str], text.encode(), f"{path}: its aliases")
    if wrong := {n for n, known in aliases.items() if known not in tensors or n in tensors}:
        raise UserError(f"{path}: no tensors for the aliases {some(wrong)}: {DAMAGED}")
    return {name: tensors[known] for name, known in aliases.items()}
