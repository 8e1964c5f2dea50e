"""Made-up files of face-api: arrays in a .bin, and the manifest beside it."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from torch import nn


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
