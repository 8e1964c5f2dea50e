"""What a model looked at while it restored a picture, as files."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from blurbench.files import inside, write_bytes
from blurbench.images import encode, to_float, to_uint8
from blurbench.runs.trained import TrainedModel

FRAME_MS = 700  # of an animation


def write_maps(model: TrainedModel, blur: np.ndarray, folder: Path) -> int:
    """`folder`/MAP.png for each map of `Model.explain`, .webp where it moves; how many files.

    `blur` is (H, W, 3) uint8. A model without maps makes no folder; one frame is no
    animation, and left out.
    """
    maps = model.model.explain(torch.from_numpy(to_float(blur))[None].to(model.device))
    maps = {name: values for name, values in maps.items() if values.ndim == 3 or len(values) > 1}
    for name, values in maps.items():
        moves = values.ndim == 4
        data = animation(values) if moves else encode(to_uint8(values.float().cpu()))
        write_bytes(inside(folder, f"{name}.webp" if moves else f"{name}.png"), data)
    return len(maps)


def animation(frames: Tensor) -> bytes:
    """A lossless WebP of (T, 3, H, W) in [0, 1] that starts over at its end."""
    first, *others = (Image.fromarray(to_uint8(frame)) for frame in frames.float().cpu())
    buffer = io.BytesIO()
    first.save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=FRAME_MS,
        loop=0,
        lossless=True,
        method=0,
    )
    return buffer.getvalue()
