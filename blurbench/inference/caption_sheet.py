"""Pictures beside what several captioners say of them: Fig. 7 of S3E-Deblur."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from blurbench.captions import parse_caption
from blurbench.captions.trees import ENTITIES

SIDE, GAP, LINE, WIDTH = 160, 10, 20, 1_000  # px
GREEN = "#006d2c"


@dataclass(frozen=True)
class Described:
    """A picture, what each model says, and what people say."""

    image: np.ndarray  # (H, W, 3) uint8
    said: dict[str, str]
    references: list[str] | None


def caption_sheet(rows: list[Described]) -> Tensor:
    """(3, H, W) in [0, 1]: one row a picture.

    Green are sentences whose entities include one that people name and no other model does.
    """
    lines = 1 + max(len(row.said) for row in rows)
    height = max(SIDE, lines * LINE) + GAP
    paper = Image.new("RGB", (WIDTH, len(rows) * height + GAP), "white")
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(LINE - 6)
    for number, row in enumerate(rows):
        top = GAP + number * height
        small = Image.fromarray(row.image)
        small.thumbnail((SIDE, SIDE))
        paper.paste(small, (GAP, top))
        left = SIDE + 2 * GAP
        if row.references:
            draw.text((left, top), f"people: {row.references[0]}", "black", font)
        alone = alone_right(row)
        for line, (name, sentence) in enumerate(row.said.items(), start=1):
            colour = GREEN if name in alone else "#444444"
            draw.text((left, top + line * LINE), f"{name}: {sentence}", colour, font)
    return torch.from_numpy(np.asarray(paper).copy()).permute(2, 0, 1).float() / 255


def alone_right(row: Described) -> set[str]:
    """Models that name an entity which people name, and which no other model names."""
    found = {name: entities(sentence) for name, sentence in row.said.items()}
    wanted = set().union(*(entities(sentence) for sentence in row.references or []))
    right = set()
    for name, own in found.items():
        others = set().union(*(each for other, each in found.items() if other != name))
        if (own & wanted) - others:
            right.add(name)
    return right


def entities(sentence: str) -> set[str]:
    """The entities of a sentence's tree."""
    tree = parse_caption(sentence)
    return {tree[node] for node in ENTITIES} - {None}
