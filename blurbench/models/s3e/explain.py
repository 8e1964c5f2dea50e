"""A picture of what the tree sees: Figs. 4 and 8 of the paper."""

import torch
from torch import Tensor
from torch.nn import functional as F

from blurbench import drawing
from blurbench.captions.trees import ENTITIES, NODES
from blurbench.images import to_float, to_uint8
from blurbench.models.base import Maps
from blurbench.models.captioners.base import Captioned
from blurbench.models.captioners.language import Language
from blurbench.models.parts.maps import coloured
from blurbench.models.s3e.tree import Read

TILE = 192  # px, longest side of a picture
TOP = 3  # labels shown of a node


def explained(model: Captioned, read: Read, v: Tensor, blur: Tensor) -> Maps:
    """`nodes`: V beside the nodes (Fig. 4), with likeliest labels and the caption (Fig. 8).

    `v`, `read` are of the picture `blur`, (1, 3, H, W) in [0, 1]. Heat is the mean over channels.
    """
    tile = fitted(blur)[0].cpu()
    heats = [warmed(tile, heat) for heat in (v[0].mean(0), *read.maps[0].mean(1))]
    names = [f"{number} {name}" for number, name in enumerate(NODES, start=1)]
    language = model.language
    told = [labels(language, node, y[0]) for node, y in enumerate(read.labels())]
    caption = model.caption(blur)[0] if language else "no vocabulary: not trained"
    return {"nodes": sheet([tile, *heats], ["picture", "ResNet", *names], [[], [], *told], caption)}


def fitted(picture: Tensor) -> Tensor:
    """(N, 3, H, W) -> with TILE px on its longer side."""
    height, width = picture.shape[-2:]
    share = TILE / max(height, width)
    size = max(1, round(share * height)), max(1, round(share * width))
    return F.interpolate(picture, size, mode="bilinear", antialias=True).clamp(0, 1)


def warmed(tile: Tensor, heat: Tensor) -> Tensor:
    """Half a picture (3, H, W), half the colours of (h, w)."""
    smooth = F.interpolate(heat[None, None].float().cpu(), tile.shape[-2:], mode="bicubic")[0, 0]
    return (tile + coloured(smooth)) / 2


def labels(language: Language | None, node: int, y: Tensor) -> list[str]:
    """The likeliest labels of a node, with their chances."""
    if language is None:
        return []
    trees = language.trees
    names = ("null", *(trees.entities if node in ENTITIES else trees.relations))
    chances, classes = y[: len(names)].topk(min(TOP, len(names)))
    return [
        f"{names[index]} {chance:.2f}"
        for chance, index in zip(chances.tolist(), classes.tolist(), strict=True)
    ]


def sheet(tiles: list[Tensor], names: list[str], below: list[list[str]], title: str) -> Tensor:
    """Tiles of one size side by side, a name above and lines below each: (3, H, W) in [0, 1]."""
    columns = [
        drawing.below(
            [drawing.text(name, TILE), to_uint8(tile), *(drawing.text(x, TILE) for x in lines)],
            gap=0,
        )
        for tile, name, lines in zip(tiles, names, below, strict=True)
    ]
    row = drawing.beside(columns)
    paper = drawing.below([drawing.text(title, row.shape[1]), row], margin=drawing.GAP)
    return torch.from_numpy(to_float(paper))
