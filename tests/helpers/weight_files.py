"""Made-up files of weights: MAXIM's, as a checkpoint and as a TF.js graph; and face-api's."""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

WEIGHTS = 18  # UpSampleRatio of a stage


def flax_name(name: str) -> str:
    """The authors' name of one of our tensors, without what it holds."""
    stage, layer = re.fullmatch(r"stages\.(\d+)\.(.+)\.(?:weight|bias)", name).groups()
    layer = layer.replace(".", "/")
    if found := re.fullmatch(r"UpSampleRatio/(\d+)/Conv_0", layer):
        return f"UpSampleRatio_{WEIGHTS * int(stage) + int(found[1])}/Conv_0"
    layer = re.sub(r"^([a-z_]+)/(\d+)", r"\1_\2", layer)
    layer = re.sub(r"(SplitHeadMultiAxisGmlpLayer)/(\d)", r"\1_\2", layer)
    # Of the bottleneck's, an underscore stands before the number.
    between = "_" if layer.startswith("global_block") else ""
    layer = re.sub(r"(channel_attention_block_1)/(\d)", rf"\1{between}\2", layer)
    layer = re.sub(r"(Grid|Block)(GmlpLayer/)GatingUnit", r"\1\2\1GatingUnit", layer)
    return f"stage_{stage}_{layer}"


def flax_arrays(tensors: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """A state dict under the authors' names, axes in their order."""
    found = {}
    for name, value in tensors.items():
        array, layer = value.numpy(), flax_name(name)
        if name.endswith("bias"):
            found[f"{layer}/bias"] = array
        elif array.ndim == 1:
            found[f"{layer}/scale"] = array
        elif array.ndim == 2:
            found[f"{layer}/kernel"] = array.T
        elif "ConvTranspose" in name:  # (in, out, h, w), the kernel turned round
            found[f"{layer}/kernel"] = array.transpose(2, 3, 0, 1)[::-1, ::-1]
        else:
            found[f"{layer}/kernel"] = array.transpose(2, 3, 1, 0)
    return found


def write_flax(path: Path, tensors: dict[str, torch.Tensor], head: str = "opt/target/") -> None:
    """An .npz as a Flax optimiser's: parameters, and what it knows of each."""
    held = {head + name: array for name, array in flax_arrays(tensors).items()}
    first = next(iter(held))
    held |= {"opt/state/step": np.int32(7), f"opt/state/param_states/{first}/grad_ema": held[first]}
    np.savez(path, **held)


def graph_of(tensors: dict[str, torch.Tensor]) -> tuple[dict[str, Any], bytes]:
    """The JSON of a TF.js graph that takes these tensors, and the bytes of its numbers."""
    weights, nodes, data = [], [], []
    top = "Call/jax2tf/Wrapper/backbone/"
    arrays: dict[str, np.ndarray] = {"Const_eps": np.float32(1e-6), "Const_axes": np.int32([1, 2])}
    for number, (name, array) in enumerate(flax_arrays(tensors).items()):
        if name.startswith(last_heads(tensors)):
            continue
        layer, _, kind = name.rpartition("/")
        op = {"bias": "jit_fn_/AddV2", "scale": "jit_fn_/Mul_4"}.get(kind, "Conv2D")
        if kind == "kernel" and array.ndim == 2:
            op = "einsum/Einsum"
        elif "ConvTranspose" in layer and kind == "kernel":
            op, array = "conv2d_transpose", array[::-1, ::-1].transpose(0, 1, 3, 2)
        elif array.ndim == 1:
            array = array.reshape(1, 1, 1, -1)
        arrays[f"arg_{number}"] = array
        nodes.append({"name": f"{top}{layer}/{op}", "op": "X", "input": ["x", f"arg_{number}:0"]})
        eps = {"name": f"{top}{layer}/jit_fn_/AddV2_1", "op": "X", "input": ["x", "Const_eps"]}
        nodes += [eps] if kind == "scale" else []
    for name, array in arrays.items():
        entry = {"name": name, "shape": list(array.shape), "dtype": str(array.dtype)}
        weights.append(entry)
        data.append(np.ascontiguousarray(array).tobytes())
    groups = [{"paths": ["shard1.bin", "shard2.bin"], "weights": weights}]
    topology = {"node": [{"name": name, "op": "Const"} for name in arrays] + nodes}
    held = {"format": "graph-model", "modelTopology": topology, "weightsManifest": groups}
    return held, b"".join(data)


def last_heads(tensors: dict[str, torch.Tensor]) -> tuple[str, ...]:
    """What such a graph leaves out."""
    last = max(int(name.split(".")[1]) for name in tensors)
    return tuple(f"stage_{last}_output_conv_{level}/" for level in (1, 2))


def write_graph(folder: Path, held: dict[str, Any], data: bytes) -> Path:
    """A model.json and its two shards."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shard1.bin").write_bytes(data[:1000])
    (folder / "shard2.bin").write_bytes(data[1000:])
    (folder / "model.json").write_text(json.dumps(held))
    return folder / "model.json"


def write_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], quantised: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """Write them, some in 8 bits; gives them as they are read again."""
    entries, data, found = [], b"", {}
    for name, array in arrays.items():
        entry = {"name": name, "shape": list(array.shape), "dtype": "float32"}
        if name in quantised:
            low, scale = float(array.min()), float(np.ptp(array) / 255) or 1.0
            levels = np.rint((array - low) / scale).astype(np.uint8)
            entry["quantization"] = {"dtype": "uint8", "scale": scale, "min": low}
            data += levels.tobytes()
            found[name] = levels * np.float32(scale) + np.float32(low)
        else:
            found[name] = array.astype(np.float32)
            data += found[name].tobytes()
        entries.append(entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    manifest = path.with_name(f"{path.stem}-weights_manifest.json")
    manifest.write_text(json.dumps([{"paths": [path.name], "weights": entries}]))
    return found


def arrays_of(network: nn.Module, names: Mapping[str, str]) -> dict[str, np.ndarray]:
    """A network's tensors as TF.js orders them, under the file's names."""
    orders = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
    found = {}
    for ours, theirs in names.items():
        array = network.state_dict()[ours].numpy()
        order = (2, 3, 0, 1) if "depthwise" in theirs else orders[array.ndim]
        found[theirs] = array.transpose(order)
    return found
