"""A figure for a paper: one picture by several models, the same crop of each, with its scores."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blurbench import __version__
from blurbench.errors import UserError
from blurbench.files import replacing
from blurbench.images import read_image
from blurbench.metrics import find_metric
from blurbench.ranking.boards import Board, Entry
from blurbench.ranking.page.pictures import ROLES, first_picture, picture_file, sample_ids

WIDTH = 6.9  # inches: the text width of a two-column paper
PANEL_GAP = 0.04  # of a panel's width
LINE = 0.16  # inches a line of 8 pt takes
DPI = 300
SHOWN = ("psnr", "ssim", "lpips")  # what is printed below a panel, where it was measured

CropBox = tuple[int, int, int, int]  # x, y, width, height in px


@dataclass(frozen=True)
class Panel:
    """A picture of the figure, (H, W, 3) uint8, and the lines below it."""

    image: np.ndarray
    lines: tuple[str, ...]


def draw_figure(
    boards: Sequence[Board],
    id: str,
    out: Path,
    *,
    box: CropBox | None = None,
    models: Sequence[str] = (),
) -> list[Path]:
    """Write figure-ID.pdf and .png into `out`, of the first board that kept pictures of `id`.

    Blurred, the models (all of the board, in its order, if none are named), sharp: `box` of each,
    and before them the whole blurred picture with the box. Scores are those of the whole picture.
    UserError for an id without pictures, a model without this one, and a box outside of it.
    """
    board = _board_of(boards, id)
    entries = _chosen(board, id, models)
    panels = _panels(board, entries, id)
    if box is not None:
        _refuse_outside(box, panels[0].image, id)
        whole = Panel(panels[0].image, ("blurred, whole",))
        panels = [whole, *(Panel(_cut(each.image, box), each.lines) for each in panels)]
    drawn = _drawn(panels, box)
    name = re.sub(r"[^\w.-]+", "-", id)  # an id is of a file of others
    paths = [out / f"figure-{name}.{kind}" for kind in ("pdf", "png")]
    told = _metadata(board, entries, id, box)
    for path in paths:
        with replacing(path) as file:
            drawn.savefig(file, format=path.suffix[1:], dpi=DPI, metadata=told[path.suffix[1:]])
    return paths


def parse_box(text: str) -> CropBox:
    """`x,y,width,height` in px; UserError for anything else."""
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        x = y = width = height = -1
    if min(x, y) < 0 or min(width, height) < 1:
        raise UserError(f"--box {text[:40]}: give x,y,width,height in px, such as 40,60,96,96")
    return x, y, width, height


def _board_of(boards: Sequence[Board], id: str) -> Board:
    for board in boards:
        if id in sample_ids(board.entries):
            return board
    kept = [name for board in boards for name in sample_ids(board.entries)]
    there = f"those of {', '.join(kept[:8])}" if kept else "none"
    raise UserError(f"--figure {id}: no result kept pictures of it; there are {there}")


def _chosen(board: Board, id: str, models: Sequence[str]) -> list[Entry]:
    by_name = {one.result.model: one for one in board.entries if not one.result.is_baseline}
    for model in models:
        if model not in by_name or picture_file(by_name[model], id) is None:
            having = [name for name, one in by_name.items() if picture_file(one, id)]
            raise UserError(
                f"--models {model}: has no picture of {id}; there are {', '.join(having)}"
            )
    chosen = [by_name[model] for model in models] if models else list(by_name.values())
    return [entry for entry in chosen if picture_file(entry, id)]


def _panels(board: Board, entries: Sequence[Entry], id: str) -> list[Panel]:
    """Blurred, the models, and sharp where there is one."""
    baseline = next((one for one in board.entries if one.result.is_baseline), None)
    found = {
        ROLES["blur"]: (first_picture(board.entries, id, "blur"), _scores(baseline, id)),
        **{one.result.model: (picture_file(one, id), _scores(one, id)) for one in entries},
        ROLES["sharp"]: (first_picture(board.entries, id, "sharp"), ""),
    }
    return [
        Panel(read_image(path), (name, scores)) for name, (path, scores) in found.items() if path
    ]


def _scores(entry: Entry | None, id: str) -> str:
    """Such as "24.31 dB / 0.7105"."""
    parts = []
    for name in SHOWN:
        value = entry.result.scores.get(name, {}).get(id) if entry else None
        if value is not None:
            metric = find_metric(name)
            parts.append(f"{value:.{metric.digits}f} {metric.unit}".strip())
    return " / ".join(parts)


def _refuse_outside(box: CropBox, image: np.ndarray, id: str) -> None:
    x, y, width, height = box
    if x + width > image.shape[1] or y + height > image.shape[0]:
        size = f"{image.shape[1]}x{image.shape[0]}"
        raise UserError(
            f"--box {','.join(map(str, box))}: reaches out of {id}, which has {size} px"
        )


def _cut(image: np.ndarray, box: CropBox) -> np.ndarray:
    x, y, width, height = box
    return image[y : y + height, x : x + width]


def _drawn(panels: Sequence[Panel], box: CropBox | None) -> Any:
    """The panels in a row, equally high, and their lines below them."""
    # Not pyplot, which keeps every figure and looks for a display.
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    shapes = [each.image.shape[1] / each.image.shape[0] for each in panels]
    unit = WIDTH / (sum(shapes) + PANEL_GAP * (len(panels) - 1))
    below = LINE * max(len(each.lines) for each in panels) + 0.05
    height = unit + below
    drawn = Figure(figsize=(WIDTH, height))
    left = 0.0
    for number, (panel, shape) in enumerate(zip(panels, shapes, strict=True)):
        axes = drawn.add_axes((left / WIDTH, below / height, shape * unit / WIDTH, unit / height))
        # Pixels stay pixels: smoothing would restore what no model did.
        axes.imshow(panel.image, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        if box is not None and number == 0:
            x, y, w, h = box
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), w, h, fill=False, color="#e8590c", lw=1))
        for line, text in enumerate(filter(None, panel.lines)):
            place = (left + shape * unit / 2) / WIDTH, (below - 0.04 - LINE * line) / height
            # No mathematics between dollar signs: names are text.
            drawn.text(*place, text, ha="center", va="top", fontsize=7, parse_math=False)
        left += (shape + PANEL_GAP) * unit
    return drawn


def _metadata(
    board: Board, entries: Sequence[Entry], id: str, box: CropBox | None
) -> dict[str, dict[str, Any]]:
    """What each format keeps of how the figure came about; no date, so that bytes stay the same."""
    models = "; ".join(
        f"{one.result.model} (seed {one.result.summary.made_by.seed})" for one in entries
    )
    of = f"{board.recipe} {board.split} {board.digest}, protocol {board.protocol}"
    crop = "" if box is None else f", box {','.join(map(str, box))}"
    told = {"Title": id, "Author": models, "Subject": of + crop}
    maker = f"blurbench {__version__}"
    # A PNG's text has no letters beyond Latin-1.
    text = {
        name: value.encode("latin-1", "replace").decode("latin-1") for name, value in told.items()
    }
    return {
        "pdf": {**told, "Creator": maker, "Producer": maker, "CreationDate": None},
        "png": {**text, "Software": maker},
    }
