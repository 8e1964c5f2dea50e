"""Pictures beside what several captioners say of them: Fig. 7 of S3E-Deblur."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from blurbench import drawing
from blurbench.captions import parse_caption
from blurbench.captions.trees import ENTITIES

WIDTH, SIDE = 1_000, 160  # px, of the sheet and of a picture's longer side
TEXT = WIDTH - SIDE - 3 * drawing.GAP  # px, width of what is beside a picture
GREEN, GREY, BLACK = (0, 109, 44), (68, 68, 68), (0, 0, 0)
LEGEND = "green: names something that people name and no other run does"


@dataclass(frozen=True)
class Described:
    """A picture, what each model says, and what people say."""

    image: np.ndarray  # (H, W, 3) uint8
    said: dict[str, str]
    references: list[str] | None


def caption_sheet(rows: list[Described]) -> np.ndarray:
    """(H, W, 3) uint8: one row a picture.

    Green are sentences whose entities include one that people name and no other model does.
    """
    panels = [
        drawing.beside([thumbnail(row.image), drawing.below(list(sentences(row)), gap=0)])
        for row in rows
    ]
    if any(alone_right(row) for row in rows):
        panels.append(drawing.text(LEGEND, WIDTH - 2 * drawing.GAP, ink=GREEN))
    return drawing.below(panels, margin=drawing.GAP)


def thumbnail(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 with SIDE px on its longer side, at most; white to its right."""
    small = Image.fromarray(image)
    small.thumbnail((SIDE, SIDE))
    wide = Image.new("RGB", (SIDE, small.height), "white")
    wide.paste(small)
    return np.asarray(wide)


def sentences(row: Described) -> Iterator[np.ndarray]:
    """What people and models say, each a picture TEXT px wide."""
    if row.references:
        yield drawing.paragraph(f"people: {row.references[0]}", TEXT, ink=BLACK)
    alone = alone_right(row)
    for name, said in row.said.items():
        yield drawing.paragraph(f"{name}: {said}", TEXT, ink=GREEN if name in alone else GREY)


def alone_right(row: Described) -> set[str]:
    """Of several models those that name an entity which people name, and no other model does."""
    if len(row.said) < 2:
        return set()
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
    return {entity for node in ENTITIES if (entity := tree[node]) is not None}
