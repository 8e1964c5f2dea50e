"""Look at the blur of a recipe: a contact sheet of what it draws."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from blurbench import drawing
from blurbench.blurs.base import Blurred
from blurbench.blurs.kernel_files import stack
from blurbench.blurs.registry import parts_of
from blurbench.datasets.splits import PairKey
from blurbench.errors import UserError
from blurbench.files import write_bytes
from blurbench.images import encode
from blurbench.preview.kernels import ITEM, WIDTH, draw_kernels, drawn
from blurbench.recipes.recipe import Recipe
from blurbench.sources import photos
from blurbench_kernels import bank

HEIGHT = 480  # of the picture that is blurred, px
SPACING = 80  # between the dots of a picture, px; twice that where a blur would not fit
# The histograms of kernels come from so many, if they are small enough to be drawn at once.
SAMPLE, SMALL = 400, 65
COLUMNS, SIDE = 8, 136  # of the sheet, px; few kernels are drawn larger
FEW, LARGE = 5, 228
TILE = 50  # px, of a dot on the sheet
PLOTS = 1200  # px, width of the histograms
MOTION = 2  # px a frame, of the window whose frames are averaged
WINDOW = 96  # px


@dataclass(frozen=True)
class Look:
    """One drawn blur: its picture, its words, and the lengths (px) and angles (degrees) in it."""

    picture: np.ndarray
    caption: str
    lengths: list[float] = field(default_factory=list)
    angles: list[float] = field(default_factory=list)


def write_preview(
    recipe: Recipe, out: Path, count: int | None = None, seed: int = 0, split: str = "train"
) -> Path:
    """Write the sheet of `preview` to a .png file; gives its path."""
    if out.suffix.lower() != ".png" or out.is_dir():
        raise UserError(f"{out}: a sheet is written to a file that ends in .png")
    write_bytes(out, encode(preview(recipe, count, seed, split)))
    return out


def preview(
    recipe: Recipe, count: int | None = None, seed: int = 0, split: str = "train"
) -> np.ndarray:
    """A contact sheet of `count` blurs that the recipe draws: (H, W, 3) uint8 RGB.

    Kernels for families with one a picture (by default 24), a picture of dots for those with one a
    pixel, photographs for those without kernels (12 or more); below, histograms of their lengths
    and angles. UserError where the recipe cannot be drawn, or has fewer kernels than asked for.
    """
    parts = parts_of(recipe.blur)
    if recipe.cuts:
        raise UserError(f"{recipe.name}: cuts pictures by their masks; use blurbench synthesize")
    if all(part.KERNELS == "one" for part in parts):
        looks, panel, note = _kernels(recipe, count, seed, split)
    elif any(part.KERNELS == "none" for part in parts):
        looks, panel, note = _photos(recipe, count or max(12, 2 * len(parts)), seed, split)
    else:
        looks, panel, note = _fields(recipe, count or 12, seed, split)
    families = ", ".join(dict.fromkeys(part.family for part in parts))
    note = f"Recipe {recipe.name}, blur family {families}, split {split}, seed {seed}. {note}"
    return drawing.page(recipe.title or recipe.name, note, [panel, *_histograms(looks)])


def angle(kernel: np.ndarray) -> float | None:
    """Degrees, 0 to 180, from right towards down, of a kernel's longest axis; None if it has none.

    The axis of its second moments; none where the shorter is over 0.9 of the longer.
    """
    rows, columns = np.nonzero(kernel)
    weights = kernel[rows, columns] / kernel.sum()
    y, x = rows - weights @ rows, columns - weights @ columns
    xx, yy, xy = weights @ (x * x), weights @ (y * y), weights @ (x * y)
    spread = math.hypot(xx - yy, 2 * xy)
    if xx + yy - spread >= 0.81 * (xx + yy + spread):
        return None
    return math.degrees(math.atan2(2 * xy, xx - yy)) / 2 % 180


def _measured(kernel: np.ndarray) -> tuple[list[float], list[float]]:
    found = angle(kernel)
    return [bank.extent(kernel)], [] if found is None else [found]


Sheet = tuple[list[Look], np.ndarray, str]  # what was drawn, its panel, words about it


def _kernels(recipe: Recipe, count: int | None, seed: int, split: str) -> Sheet:
    most = recipe.blur.shared() or SAMPLE
    kernels = list(draw_kernels(recipe, count or min(24, most), seed, split))
    stacked = stack(kernels)
    reach = max(_reach(kernel) for kernel in stacked)
    cell = LARGE if len(kernels) <= FEW else SIDE
    cells = []
    for kernel, padded in zip(kernels, stacked, strict=True):
        caption = f"{kernel.shape[1]} x {kernel.shape[0]}, length {bank.extent(kernel):.1f}"
        cells.append(
            drawing.LabelledPicture(drawing.enlarged(_middle(padded, reach), cell), caption)
        )
    if stacked.shape[1] <= SMALL:
        sample = max(len(kernels), min(SAMPLE, most))
        kernels = list(draw_kernels(recipe, sample, seed, split))
    looks = [Look(kernel, "", *_measured(kernel)) for kernel in kernels]
    note = (
        f"{len(cells)} kernels, all to one scale, each as bright as its brightest tap allows; "
        f"histograms of {len(kernels)}. Size and length in px."
    )
    return looks, drawing.grid(cells, COLUMNS), note


def _fields(recipe: Recipe, count: int, seed: int, split: str) -> Sheet:
    """A picture of dots a draw: what blur makes of a dot at each place."""
    keys = [PairKey(recipe.name, seed, split, ITEM, n) for n in range(count)]
    for spacing in (SPACING, 2 * SPACING):
        blurs = [_dots(recipe, key, spacing) for key in keys]
        longest = max(made.severity[1] if made.severity else 0.0 for made, _ in blurs)
        if longest <= 0.9 * spacing:
            break
    reach = max(_reach(tile) for _, tiles in blurs for row in tiles for tile in row)
    looks = []
    for made, tiles in blurs:
        measured = [_measured(tile) for row in tiles for tile in row if tile.max() > 0]
        lengths, angles = ([x for each in measured for x in each[n]] for n in (0, 1))
        mean, longest = made.severity or (float(np.mean(lengths)), max(lengths, default=0.0))
        caption = f"length {mean:.1f} on average, up to {longest:.1f}"
        picture = np.block([[_tile(tile, reach) for tile in row] for row in tiles])
        looks.append(Look(picture, caption, lengths, angles))
    cells = [drawing.LabelledPicture(look.picture, look.caption) for look in looks]
    side = 2 * reach + 1
    note = (
        f"{count} blurs of a {WIDTH} x {HEIGHT} picture of bright dots, {spacing} px apart. Each "
        f"square is the blur of one dot, {side} x {side} px around it, as bright as its brightest "
        "pixel allows; histograms over all dots. Lengths in px."
    )
    return looks, drawing.grid(cells, 3), note


Tiles = list[list[np.ndarray]]


def _dots(recipe: Recipe, key: PairKey, spacing: int) -> tuple[Blurred, Tiles]:
    image = np.zeros((HEIGHT, WIDTH, 3))
    image[spacing // 2 :: spacing, spacing // 2 :: spacing] = 255
    made = drawn(recipe, image, key)
    rows = np.split(made.image[..., 0], HEIGHT // spacing)
    return made, [np.split(row, WIDTH // spacing, axis=1) for row in rows]


def _reach(tile: np.ndarray) -> int:
    """How far from the middle its visible blur goes, px, and one to spare where there is one."""
    middle = len(tile) // 2
    rows, columns = np.nonzero(tile > 0.01 * tile.max())
    if not len(rows):
        return 1
    far = max(np.abs(rows - middle).max(), np.abs(columns - middle).max())
    return int(min(far + 1, (len(tile) - 1) // 2))


def _middle(tile: np.ndarray, reach: int) -> np.ndarray:
    inner = slice(len(tile) // 2 - reach, len(tile) // 2 + reach + 1)
    return tile[inner, inner]


def _tile(tile: np.ndarray, reach: int) -> np.ndarray:
    """A tile's middle in its part of the sheet, with a faint rule around it."""
    side = TILE * len(tile) // SPACING
    how = cv2.INTER_AREA if 2 * reach + 1 > side else cv2.INTER_LINEAR
    small = drawing.bright(cv2.resize(_middle(tile, reach), (side, side), interpolation=how))
    small[0], small[:, 0] = 64, 64
    return small


def _photos(recipe: Recipe, count: int, seed: int, split: str) -> Sheet:
    """Photographs, sharp beside blurred."""
    looks = []
    ids = sorted(photos.SPLIT_OF)
    for index in range(count):
        id = ids[17 * index % len(ids)]  # 17: the next comes from another photograph
        sharp = photos.load(id)[0]
        frames = _moving(recipe, sharp)
        sharp = sharp if frames is None else frames[len(frames) // 2]
        key = PairKey(recipe.name, seed, split, ITEM, index)
        made = drawn(recipe, sharp, key, frames=frames)
        blurred = np.rint(made.image).clip(0, 255).astype(np.uint8)
        caption = made.type or made.family
        if made.severity:
            caption += f", length {made.severity[0]:.1f}"
        elif "frames" in made.drawn:
            caption = f"{made.drawn['frames']} frames"
        lengths = [made.severity[0]] if made.severity else []
        looks.append(Look(np.concatenate([sharp, blurred], axis=1), caption, lengths))
    cells = [drawing.LabelledPicture(look.picture, look.caption) for look in looks]
    note = f"{count} photographs of {len(sharp)} px, sharp and blurred. Lengths in px."
    if recipe.frames:
        note += f" The frames are a window that moves {MOTION} px a frame, or less for many frames."
    return looks, drawing.grid(cells, 4), note


def _moving(recipe: Recipe, photo: np.ndarray) -> np.ndarray | None:
    """Frames of a window that moves over a photograph, as many as the recipe asks for."""
    if recipe.frames is None:
        return None
    count = recipe.frames[0]
    room = photo.shape[1] - WINDOW
    step = min(MOTION, room / (count - 1))
    starts = (round(n * step) for n in range(count))
    return np.stack([photo[:WINDOW, left : left + WINDOW] for left in starts])


def _histograms(looks: list[Look]) -> list[np.ndarray]:
    """Of lengths and of angles, as far as there are any."""
    lengths = [length for look in looks for length in look.lengths]
    angles = [angle for look in looks for angle in look.angles]
    width = (PLOTS - drawing.GAP) // 2 if angles else PLOTS
    plots = []
    if lengths:
        plots.append(
            drawing.histogram(lengths, "blur length, px", counted="blurs", size=(280, width))
        )
    if angles:
        plots.append(
            drawing.histogram(
                angles,
                "angle of the longest axis, degrees from right towards down",
                counted="blurs that have one",
                span=(0, 180),
                step=30,
                bins=18,
                size=(280, width),
            )
        )
    return [drawing.beside(plots)] if plots else []
