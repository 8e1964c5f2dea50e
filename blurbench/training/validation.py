"""How a run is doing: PSNR or CIDEr on the validation split, and samples to look at."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from blurbench.captions import score
from blurbench.datasets.pairs import Pairs
from blurbench.drawing import below
from blurbench.files import write_bytes, write_text
from blurbench.images import encode, to_uint8
from blurbench.metrics import compute
from blurbench.models.base import Figures, Model
from blurbench.runs.memory import out_of_memory
from blurbench.runs.trained import TrainedModel

VALIDATION_PAIRS = 50
SAMPLE_PAIRS = 4
FOLLOWED_PAIRS = 2  # of them, whose figures are logged
NAMES = {"psnr": "PSNR", "cider": "CIDEr"}


def spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` indices spread evenly over `count` items."""
    return sorted({int(i) for i in np.linspace(0, count - 1, min(count, wanted))})


def restore_item(model: Model, item: dict[str, Any]) -> np.ndarray:
    """(H, W, 3) uint8 restored from one item of a data set."""
    device = next(model.parameters()).device
    try:
        return to_uint8(model.deblur(item["blur"][None].to(device), [item])[0].cpu())
    except RuntimeError as error:
        if not out_of_memory(error) or model.restore_labels:  # labels are of the whole picture
            raise
    # Beside crops, a GPU that trains may have no room for a whole picture: go on in tiles.
    torch.cuda.empty_cache()
    return TrainedModel(type(model).__name__, model, device, {})(to_uint8(item["blur"]))


def mean_psnr(model: Model, pairs: Pairs) -> float:
    """Mean PSNR in dB over at most 50 pairs of a split."""
    items = (pairs[index] for index in spread(len(pairs), VALIDATION_PAIRS))
    scores = [compute("psnr", restore_item(model, item), to_uint8(item["sharp"])) for item in items]
    return float(np.mean(scores))


def blurred_psnr(pairs: Pairs) -> float:
    """`mean_psnr` of the blurred pictures themselves."""
    items = (pairs[index] for index in spread(len(pairs), VALIDATION_PAIRS))
    scores = [compute("psnr", to_uint8(item["blur"]), to_uint8(item["sharp"])) for item in items]
    return float(np.mean(scores))


def told_score(name: str, metric: float, blurred: float | None) -> str:
    """A validation score in words: "PSNR 28.10 dB, +0.41 dB over blurred"."""
    unit = " dB" if name == "psnr" else ""
    over = "" if blurred is None else f", {metric - blurred:+.2f}{unit} over blurred"
    return f"{NAMES[name]} {metric:.2f}{unit}{over}"


def caption_items(
    model: Model, pairs: Pairs, indices: Iterable[int]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """References and the greedy caption of some pairs, by id."""
    device = next(model.parameters()).device
    references, captions = {}, {}
    for index in indices:
        item = pairs[index]
        references[item["id"]] = item["captions"]
        picture = item[model.INPUT][None].to(device)
        (captions[item["id"]],) = model.caption(picture, [item["id"]], beams=1)
    return references, captions


def mean_cider(model: Model, pairs: Pairs) -> float:
    """CIDEr, 0 to 10, of greedy captions of 2 to 50 pairs of a split."""
    found = caption_items(model, pairs, spread(len(pairs), VALIDATION_PAIRS))
    # Java's tokenizer would have to be there, and started at each look.
    cider = score(*found, ("cider",), tokenizer="python").scores["CIDEr"]
    assert cider is not None
    return float(cider)


def judge(model: Model, pairs: Pairs) -> tuple[str, float]:
    """What a run keeps the best weights by."""
    if model.RESTORES:
        return "psnr", mean_psnr(model, pairs)
    return "cider", mean_cider(model, pairs)


def save_samples(model: Model, pairs: Pairs, path: Path) -> None:
    """What the model makes of a few pairs: a picture, or sentences beside a person's."""
    if model.RESTORES:
        save_rows(model, pairs, path)
    else:
        save_sentences(model, pairs, path.with_suffix(".txt"))


def sample_figures(model: Model, pairs: Pairs) -> Iterator[tuple[str, Figures]]:
    """What the model tells of each of the first two sample pairs, by id."""
    device = next(model.parameters()).device
    for index in spread(len(pairs), SAMPLE_PAIRS)[:FOLLOWED_PAIRS]:
        item = pairs[index]
        blur, sharp = (item[name][None].to(device) for name in ("blur", "sharp"))
        if figures := model.sample_figures(blur, sharp):
            yield item["id"], figures


def save_sentences(model: Model, pairs: Pairs, path: Path) -> None:
    """A line a pair: the model's sentence and a person's."""
    references, captions = caption_items(model, pairs, spread(len(pairs), SAMPLE_PAIRS))
    lines = [f"{id}: {captions[id]} | {references[id][0]}\n" for id in captions]
    write_text(path, "".join(lines))


def save_rows(model: Model, pairs: Pairs, path: Path) -> None:
    """One picture: a row of blur | restored | sharp for each of a few pairs."""
    rows = []
    for index in spread(len(pairs), SAMPLE_PAIRS):
        item = pairs[index]
        blur, sharp = to_uint8(item["blur"]), to_uint8(item["sharp"])
        rows.append(np.hstack([blur, restore_item(model, item), sharp]))
    write_bytes(path, encode(below(rows, gap=4)))
