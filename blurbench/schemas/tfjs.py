"""Arrays as TF.js keeps them: named in JSON, their bytes in shards beside it."""

import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, NotRequired

import numpy as np
from pydantic import Field
from typing_extensions import TypedDict

from blurbench.errors import UserError
from blurbench.files import read_regular

TYPES = {"float32": "<f4", "int32": "<i4", "bool": "?"}
LEVELS = {"uint8": "u1", "uint16": "<u2"}


class Quantised(TypedDict):
    """Levels in the place of numbers, each of them min + scale times its level."""

    dtype: Literal["uint8", "uint16"]  # the keys of LEVELS
    scale: float
    min: float


class ArrayEntry(TypedDict):
    """An array: what it is called, and how its bytes are read."""

    name: str
    shape: list[Annotated[int, Field(ge=0, lt=2**31)]]
    dtype: Literal["float32", "int32", "bool"]  # the keys of TYPES
    quantization: NotRequired[Quantised]


class ArrayGroup(TypedDict):
    """Arrays one behind the other, in the shards of these names."""

    paths: list[str]
    weights: list[ArrayEntry]


def read_arrays(path: Path, groups: list[ArrayGroup]) -> dict[str, np.ndarray]:
    """Every array by its name, quantised ones as float32; `path` is the JSON that names them.

    UserError where shards are missing or their sizes are not what the arrays say.
    """
    entries = [entry for group in groups for entry in group["weights"]]
    data = read_shards(path, groups, sum(map(size_of, entries)))
    ends = np.cumsum([0, *map(size_of, entries)]).tolist()
    found = {
        entry["name"]: as_array(entry, data[start:stop])
        for entry, (start, stop) in zip(entries, pairwise(ends), strict=True)
    }
    if len(found) < len(entries):
        raise UserError(f"{path}: weightsManifest names an array twice")
    return found


def read_shards(path: Path, groups: list[ArrayGroup], wanted: int) -> bytes:
    """The bytes of all shards, `wanted` of them."""
    shards = shards_of(path, groups)
    try:
        held = sum(shard.stat().st_size for shard in shards)
        if held != wanted:
            raise UserError(f"{path}: its shards hold {held} bytes, not {wanted}; fetch it again")
        return b"".join(map(read_regular, shards))
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from None


def shards_of(path: Path, groups: list[ArrayGroup]) -> list[Path]:
    """Files beside the JSON, in order; a name may lead nowhere else."""
    names = [name for group in groups for name in group["paths"]]
    for name in names:
        if name in ("", ".", "..") or re.search(r"[/\\\0]", name):
            raise UserError(f"{path}: shard {name!r} does not lie beside it")
    return [path.parent / name for name in names]


def stored_type(entry: ArrayEntry) -> str:
    """NumPy's name of what its bytes are."""
    levels = entry.get("quantization")
    return LEVELS[levels["dtype"]] if levels else TYPES[entry["dtype"]]


def size_of(entry: ArrayEntry) -> int:
    """In bytes."""
    return math.prod(entry["shape"]) * np.dtype(stored_type(entry)).itemsize


def as_array(entry: ArrayEntry, data: bytes) -> np.ndarray:
    """The array of its bytes."""
    array = np.frombuffer(data, stored_type(entry)).reshape(entry["shape"])
    if levels := entry.get("quantization"):
        return array * np.float32(levels["scale"]) + np.float32(levels["min"])
    return array
