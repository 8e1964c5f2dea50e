"""Pictures beside what several captioners say of them: Fig. 7 of S3E-Deblur."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from blurbench.captions import parse_caption
from blurbench.captions.trees import ENTITIES

SIDE, GAP, LINE, WIDTH = 160, 10, 20, 1_000  # px
LEFT = SIDE + 2 * GAP  # where texts begin
GREEN, GREY = "#006d2c", "#444444"
LEGEND = "green: names something that people name and no other run does"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


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
    font = ImageFont.load_default(LINE - 6)
    pictures = [thumbnail(row.image) for row in rows]
    texts = [lines_of(row, font) for row in rows]
    if any(colour == GREEN for lines in texts for _, colour in lines):
        pictures.append(Image.new("RGB", (1, 1), "white"))
        texts.append([(LEGEND, GREEN)])
    heights = [
        max(picture.height, len(lines) * LINE) + GAP
        for picture, lines in zip(pictures, texts, strict=True)
    ]
    paper = Image.new("RGB", (WIDTH, sum(heights) + GAP), "white")
    draw, top = ImageDraw.Draw(paper), GAP
    for picture, lines, height in zip(pictures, texts, heights, strict=True):
        paper.paste(picture, (GAP, top))
        for line, (text, colour) in enumerate(lines):
            draw.text((LEFT, top + line * LINE), text, colour, font)
        top += height
    return np.asarray(paper)


def thumbnail(image: np.ndarray) -> Image.Image:
    """(H, W, 3) uint8 with SIDE px on its longer side, at most."""
    small = Image.fromarray(image)
    small.thumbnail((SIDE, SIDE))
    return small


def lines_of(row: Described, font: Font) -> list[tuple[str, str]]:
    """What people and models say, in lines that fit, with their colours."""
    said = [("people", row.references[0], "black")] if row.references else []
    alone = alone_right(row)
    said += [(name, text, GREEN if name in alone else GREY) for name, text in row.said.items()]
    return [
        (line, colour)
        for name, text, colour in said
        for line in wrapped(f"{name}: {text}", font, WIDTH - LEFT - GAP)
    ]


def wrapped(text: str, font: Font, width: int) -> list[str]:
    """Words in lines of at most `width` px; a longer word has a line of its own."""
    first, *words = text.split(" ")
    lines = [first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


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
    return {tree[node] for node in ENTITIES} - {None}
