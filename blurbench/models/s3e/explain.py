"""Pictures of what the tree sees: Fig. 8 and Fig. 4 of the paper."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from blurbench.models.base import Maps
from blurbench.models.captioners.base import Captioned
from blurbench.models.captioners.language import Language
from blurbench.models.captioners.resnet import squared
from blurbench.models.maps import coloured
from blurbench.models.s3e.tree import ENTITIES, NODES, Read

TILE, GAP, LINE = 192, 8, 18  # px: side of a picture, space between two, height of a line of text
TOP = 3  # labels shown of a node


def explained(model: Captioned, read: Read, v: Tensor, blur: Tensor) -> Maps:
    """`nodes`: heat, labels and the caption (Fig. 8); `features`: V beside the nodes (Fig. 4).

    `v`, `read` are of the picture `blur`, (1, 3, H, W) in [0, 1]. Heat is the mean over channels.
    """
    tile = squared(blur, TILE)[0].cpu()
    heats = [warmed(tile, heat) for heat in read.maps[0].mean(1)]
    language = model.language
    told = [labels(language, node, y[0]) for node, y in enumerate(read.labels())]
    names = [f"{number} {name}" for number, name in enumerate(NODES, start=1)]
    caption = model.caption(blur)[0] if language else "no vocabulary: not trained"
    return {
        "nodes": sheet([tile, *heats], ["", *names], [[], *told], caption),
        "features": sheet([tile, warmed(tile, v[0].mean(0)), *heats], ["", "ResNet", *names]),
    }


def warmed(tile: Tensor, heat: Tensor) -> Tensor:
    """Half a picture (3, TILE, TILE), half the colours of (h, w)."""
    smooth = F.interpolate(heat[None, None].float().cpu(), (TILE, TILE), mode="bicubic")[0, 0]
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


def sheet(
    tiles: list[Tensor], names: list[str], below: list[list[str]] | None = None, title: str = ""
) -> Tensor:
    """Tiles side by side with a name above and lines below each: (3, H, W) in [0, 1]."""
    head = LINE * (1 + bool(title)) + GAP
    width = len(tiles) * (TILE + GAP) + GAP
    paper = Image.new("RGB", (width, head + TILE + (LINE * TOP if below else 0) + GAP), "white")
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(LINE - 4)
    if title:
        draw.text((GAP, GAP // 2), title, "black", font)
    for column, (tile, name) in enumerate(zip(tiles, names, strict=True)):
        left = GAP + column * (TILE + GAP)
        draw.text((left, head - LINE), name, "black", font)
        levels = (tile.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        paper.paste(Image.fromarray(np.ascontiguousarray(levels)), (left, head))
        for line, text in enumerate(below[column] if below else []):
            draw.text((left, head + TILE + line * LINE), text, "black", font)
    return torch.from_numpy(np.asarray(paper).copy()).permute(2, 0, 1).float() / 255
