"""How a run is doing: PSNR on the validation split, and pictures to look at."""

from pathlib import Path
from typing import Any

import numpy as np

from blurbench.data.dataset import BlurDataset, OnTheFlyDataset
from blurbench.files import write_bytes
from blurbench.images import encode, to_uint8
from blurbench.metrics import compute
from blurbench.models.base import Model

VALIDATION_PAIRS = 50
SAMPLE_PAIRS = 4


def spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` indices spread evenly over `count` items."""
    return sorted({int(i) for i in np.linspace(0, count - 1, min(count, wanted))})


def restore_item(model: Model, item: dict[str, Any]) -> np.ndarray:
    """(H, W, 3) uint8 restored from one item of a data set."""
    device = next(model.parameters()).device
    return to_uint8(model.deblur(item["blur"][None].to(device))[0].cpu())


def mean_psnr(model: Model, pairs: BlurDataset | OnTheFlyDataset) -> float:
    """Mean PSNR in dB over at most 50 pairs of a split."""
    items = (pairs[index] for index in spread(len(pairs), VALIDATION_PAIRS))
    scores = [compute("psnr", restore_item(model, item), to_uint8(item["sharp"])) for item in items]
    return float(np.mean(scores))


def save_samples(model: Model, pairs: BlurDataset | OnTheFlyDataset, path: Path) -> None:
    """One picture: a row of blur | restored | sharp for each of a few pairs."""
    rows = []
    for index in spread(len(pairs), SAMPLE_PAIRS):
        item = pairs[index]
        blur, sharp = to_uint8(item["blur"]), to_uint8(item["sharp"])
        rows.append(np.hstack([blur, restore_item(model, item), sharp]))
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows]
    write_bytes(path, encode(np.vstack(padded)))
