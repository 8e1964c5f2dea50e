"""Sheets: labelled pictures in a grid, text, histograms and curves with axes, in one picture.

Everything is (H, W, 3) uint8 RGB on white, drawn by Pillow with the font that it carries.
"""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

Ink = tuple[int, int, int]  # RGB, 0 to 255
INK = (34, 34, 34)
FAINT = (110, 110, 110)
RULE = (224, 224, 224)
BAR = (58, 110, 165)
PAPER = 255
MARGIN = 24  # px around a sheet
GAP = 14  # px between pictures, and between rows of a sheet
TITLE, LABEL, CAPTION = 22, 15, 13  # sizes of text, px
# Around the bars of a histogram, px: left, top, right, bottom.
FRAME = (56, 60, 16, 52)
# Drawn so much larger, then reduced: at its own size the font's letters stick together.
FINE = 4


# The font that Pillow carries has none of these, nor accents.
SPELT = {
    **dict.fromkeys("\u2013\u2014\u2212", "-"),
    **dict.fromkeys("\u03bc\u00b5", "u"),
    "\u00d7": "x",
    "\u2192": "->",
    "\u2264": "<=",
    "\u2265": ">=",
    "\u00df": "ss",
    "\u00e6": "ae",
    "\u0153": "oe",
    "\u00f8": "o",
    "\u0142": "l",
}


@dataclass(frozen=True)
class LabelledPicture:
    """A picture, (H, W) or (H, W, 3) uint8, and the line below it."""

    picture: np.ndarray
    caption: str = ""


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FINE * size)


@cache
def _has(letter: str) -> bool:
    """Whether the font draws this letter, and no box in its place."""
    unknown = bytes(_font(TITLE).getmask("\U0010ffff"))
    return letter == " " or bytes(_font(TITLE).getmask(letter)) not in (unknown, b"")


def drawable(line: str) -> str:
    """The line in letters that the font has: others are spelt, or else are "?"."""
    return "".join(
        each if _has(each) else _spelt(each) for each in unicodedata.normalize("NFC", line)
    )


def _spelt(letter: str) -> str:
    """Such as "e" for an accented one."""
    known = SPELT.get(letter) or unicodedata.normalize("NFKD", letter)
    return "".join(filter(_has, known)) or "?"


def _width(line: str, size: int) -> int:
    return math.ceil(_font(size).getlength(line) / FINE)


def _blank(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), PAPER, np.uint8)


def _canvas(height: int, width: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (FINE * width, FINE * height), "white")
    return image, ImageDraw.Draw(image)


def _clip(line: str, size: int, width: int) -> str:
    """The line, cut so that it fits `width` px."""
    if _width(line, size) <= width:
        return line
    while line and _width(line + "...", size) > width:
        line = line[:-1]
    return line.rstrip() + "..."


def text(line: str, width: int, size: int = LABEL, ink: Ink = INK) -> np.ndarray:
    """One line of text on a strip of `width` px, cut where it does not fit."""
    image, draw = _canvas(round(1.4 * size), width)
    draw.text((0, 0.15 * FINE * size), _clip(drawable(line), size, width), ink, _font(size))
    return np.array(image.reduce(FINE))


def paragraph(words: str, width: int, size: int = LABEL, ink: Ink = FAINT) -> np.ndarray:
    """Text broken into lines of at most `width` px."""
    return np.concatenate([text(line, width, size, ink) for line in wrapped(words, width, size)])


def wrapped(words: str, width: int, size: int = LABEL) -> list[str]:
    """Words in lines of at most `width` px; a longer word has a line of its own."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _rgb(picture: np.ndarray) -> np.ndarray:
    return np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture


def grid(cells: Sequence[LabelledPicture], columns: int) -> np.ndarray:
    """Pictures row by row, each with its caption below; the largest decides the room of each."""
    pictures = [_rgb(cell.picture) for cell in cells]
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    captioned = any(cell.caption for cell in cells)
    step_y = height + GAP + (round(1.6 * CAPTION) if captioned else 0)
    step_x = width + GAP
    columns = min(columns, len(cells))
    sheet = _blank(math.ceil(len(cells) / columns) * step_y - GAP, columns * step_x - GAP)
    for n, (cell, picture) in enumerate(zip(cells, pictures, strict=True)):
        row, column = divmod(n, columns)
        top, left = row * step_y, column * step_x
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        if cell.caption:
            caption = text(cell.caption, width, CAPTION)
            below = top + height + 3
            sheet[below : below + len(caption), left : left + width] = caption
    return sheet


def bright(picture: np.ndarray) -> np.ndarray:
    """uint8, the largest value white."""
    out: np.ndarray = np.rint(picture * (255 / max(picture.max(), 1e-12))).astype(np.uint8)
    return out


def enlarged(kernel: np.ndarray, side: int) -> np.ndarray:
    """A kernel as a (side, side) uint8 picture, every tap of it a square of pixels if it fits."""
    times = side // max(kernel.shape)
    if times:
        inner = np.kron(bright(kernel), np.ones((times, times), np.uint8))
    else:
        share = side / max(kernel.shape)
        size = [max(1, round(share * length)) for length in kernel.shape[::-1]]
        inner = bright(cv2.resize(kernel, size, interpolation=cv2.INTER_AREA))
    picture = np.zeros((side, side), np.uint8)
    top, left = ((side - length) // 2 for length in inner.shape)
    picture[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return picture


def beside(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures in one row, their tops level."""
    sheet = _blank(
        max(len(picture) for picture in pictures),
        sum(picture.shape[1] for picture in pictures) + GAP * (len(pictures) - 1),
    )
    left = 0
    for picture in pictures:
        sheet[: len(picture), left : left + picture.shape[1]] = _rgb(picture)
        left += picture.shape[1] + GAP
    return sheet


def below(pictures: Sequence[np.ndarray], gap: int = GAP, margin: int = 0) -> np.ndarray:
    """Pictures in one column, their left sides level, with room around them."""
    height = sum(len(picture) for picture in pictures) + gap * (len(pictures) - 1)
    width = max(picture.shape[1] for picture in pictures)
    sheet = _blank(height + 2 * margin, width + 2 * margin)
    top = margin
    for picture in pictures:
        sheet[top : top + len(picture), margin : margin + picture.shape[1]] = _rgb(picture)
        top += len(picture) + gap
    return sheet


def page(title: str, note: str, panels: Sequence[np.ndarray]) -> np.ndarray:
    """A sheet: its title, a note, then the panels one below the other, with margins."""
    width = max(640, *(panel.shape[1] for panel in panels))
    return below([text(title, width, TITLE), paragraph(note, width), *panels], margin=MARGIN)


def nice_step(span: float, marks: int) -> float:
    """The smallest of 1, 2, 5, 10, 20, ... (or 0.5, 0.2, ...) that cuts `span` into <= `marks`."""
    rough = span / marks
    power = 10.0 ** math.floor(math.log10(rough))
    steps = (factor * power for factor in (1, 2, 5, 10))
    return next(step for step in steps if step >= rough * (1 - 1e-9))


def histogram(
    values: Sequence[float] | np.ndarray,
    label: str,
    *,
    counted: str = "pairs",
    span: tuple[float, float] | None = None,
    step: float | None = None,
    bins: int = 24,
    size: tuple[int, int] = (280, 600),
) -> np.ndarray:
    """Bars of the share of `values` (finite, at least one) in each of about `bins` bins.

    label: what they are and their unit, below the axis; counted: what they are of; size: (height,
    width), px. span: ends of the axis, by default round numbers about the values, whose mean and
    middle 90 % are then told above; step: between marks, by default a round one.
    """
    values = np.asarray(values, np.float64)
    low, high = span or _span(values)
    step = step or nice_step(high - low, 10)
    # Whole bins between marks, so that a mark is an edge.
    per_step = max(1, round(bins * step / (high - low)))
    edges = np.linspace(low, high, round(per_step * (high - low) / step) + 1)
    shares = 100 * np.histogram(values.clip(low, high), edges)[0] / len(values)
    image, draw = _canvas(*size)
    box = _Box(FRAME[0], FRAME[1], size[1] - FRAME[2], size[0] - FRAME[3])
    top_mark = _rules(draw, box, float(shares.max()))
    _bars(draw, box, shares / top_mark)
    _marks(draw, box, (low, high, step))
    _write(draw, (box.left, box.top - 12), f"% of {counted}", CAPTION, "lb", FAINT)
    _write(draw, ((box.left + box.right) / 2, box.bottom + 28), label, LABEL, "mt")
    if span is None:
        _write(draw, (box.left, 4), _summary(values), LABEL, "lt")
    return np.array(image.reduce(FINE))


def curves(
    places: Sequence[float] | np.ndarray,
    lines: Mapping[str, tuple[Sequence[float] | np.ndarray, Ink]],
    size: tuple[int, int] = (360, 640),
) -> np.ndarray:
    """Lines of values 0 to 1 over `places`, from 0 to the last, positive one; names above.

    lines: name -> (values, a colour); size: (height, width), px.
    """
    image, draw = _canvas(*size)
    box = _Box(FRAME[0], FRAME[1], size[1] - FRAME[2], size[0] - FRAME[3])
    for level in (0, 0.5, 1):
        _line(draw, (box.left, box.y(level)), (box.right, box.y(level)), RULE)
        _write(draw, (box.left - 8, box.y(level)), f"{level:g}", CAPTION, "rm")
    last = places[-1]
    _write(draw, (box.right, box.bottom + 9), f"{last:g}", CAPTION, "rt")
    for number, (name, (values, ink)) in enumerate(lines.items()):
        points = [
            (FINE * box.x(place / last), FINE * box.y(value))
            for place, value in zip(places, values, strict=True)
        ]
        draw.line(points, ink, 2 * FINE, "curve")
        _write(draw, (box.left + 130 * number, 28), name, LABEL, "ls", ink)
    return np.array(image.reduce(FINE))


def _span(values: np.ndarray) -> tuple[float, float]:
    """Round numbers about the values; from 0 unless that would leave most of the axis empty."""
    low, high = float(values.min()), float(values.max())
    if 0 <= low < high and low < 0.6 * high:
        low = 0.0
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 1, high + 1
    step = nice_step(high - low, 10)
    return math.floor(low / step) * step, math.ceil(high / step - 1e-9) * step


def _summary(values: np.ndarray) -> str:
    low, high = np.percentile(values, [5, 95])
    if high - low < 0.05:
        return f"mean {values.mean():.1f}"
    return f"mean {values.mean():.1f}, nine in ten from {low:.1f} to {high:.1f}"


@dataclass(frozen=True)
class _Box:
    """Where the bars are, px."""

    left: int
    top: int
    right: int
    bottom: int

    def x(self, part: float) -> float:
        return self.left + (self.right - self.left) * part

    def y(self, part: float) -> float:
        return self.bottom - (self.bottom - self.top) * part


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    line: str,
    size: int,
    anchor: str,
    ink: Ink = INK,
) -> None:
    fine = FINE * place[0], FINE * place[1]
    draw.text(fine, drawable(line), ink, _font(size), anchor=anchor)


def _line(
    draw: ImageDraw.ImageDraw,
    start: tuple[float, float],
    end: tuple[float, float],
    ink: Ink,
) -> None:
    """One px thick, on whole px, to the right of or below its ends."""
    left, top, right, bottom = (FINE * round(place) for place in (*start, *end))
    draw.rectangle((left, top, right + FINE - 1, bottom + FINE - 1), ink)


def _rules(draw: ImageDraw.ImageDraw, box: _Box, largest: float) -> float:
    """Horizontal rules with their marks; gives the share (%) of the highest."""
    step = nice_step(largest, 4)
    count = math.ceil(largest / step - 1e-9)
    for n in range(count + 1):
        y = box.y(n / count)
        _line(draw, (box.left, y), (box.right, y), RULE)
        _write(draw, (box.left - 8, y), f"{n * step:g}", CAPTION, "rm")
    return count * step


def _marks(draw: ImageDraw.ImageDraw, box: _Box, horizontal: tuple[float, float, float]) -> None:
    low, high, step = horizontal
    _line(draw, (box.left, box.bottom), (box.right, box.bottom), FAINT)
    count = round((high - low) / step)
    for n in range(count + 1):
        x = box.x(n / count)
        _line(draw, (x, box.bottom), (x, box.bottom + 4), FAINT)
        _write(draw, (x, box.bottom + 9), f"{round(low + n * step, 9):g}", CAPTION, "mt")


def _bars(draw: ImageDraw.ImageDraw, box: _Box, heights: np.ndarray) -> None:
    """Bars of heights 0..1, a line apart; one that is not empty is at least a line high."""
    for n, part in enumerate(heights):
        left, right = (FINE * round(box.x(each / len(heights))) for each in (n, n + 1))
        if part > 0:
            top = FINE * min(box.bottom - 1, round(box.y(part)))
            draw.rectangle((left + FINE, top, right - 1, FINE * box.bottom), BAR)
