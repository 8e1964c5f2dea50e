"""The four confidences along a run of UMSN: Table VII as a table and as a picture."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from blurbench.errors import UserError
from blurbench.files import read_jsonl
from blurbench.models.umsn.explain import CLASS_NAMES, COLOURS
from blurbench.runs.folder import LOG

COLUMNS = [f"confidence_{number}" for number in range(1, len(CLASS_NAMES) + 1)]
HEIGHT, WIDTH, MARGIN = 360, 640, 48  # px of the picture


def confidence_table(run: Path, iterations: tuple[int, ...] = ()) -> pd.DataFrame:
    """C_1 to C_4, means over the pictures between two rows of RUN/log.jsonl.

    The index counts the steps of the network's own stage. `iterations` keeps the last rows at or
    before each of them. UserError where a run logged no confidences.
    """
    path = run / LOG
    rows = [row for row in read_jsonl(path) if row["stage"] != "validation"]
    found = pd.DataFrame([row for row in rows if COLUMNS[0] in row])
    if found.empty:
        raise UserError(f"{path}: no confidences; only UMSN's stage `network` logs them")
    first = max((row["step"] for row in rows if COLUMNS[0] not in row), default=0)
    table = found[COLUMNS].set_axis(found["step"] - first).rename_axis("iteration")
    if not iterations:
        return table
    places = table.index.searchsorted(iterations, side="right") - 1
    return table.iloc[places[places >= 0]]


def confidence_picture(table: pd.DataFrame) -> np.ndarray:
    """Confidence from 0 to 1 over iterations, a line a class: (360, 640, 3) uint8 RGB."""
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    wide, high, last = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN, max(table.index)
    for level in (0, 0.5, 1):
        y = round(MARGIN + high * (1 - level))
        cv2.line(picture, (MARGIN, y), (MARGIN + wide, y), (210, 210, 210))
        _write(picture, f"{level:g}", (12, y + 4))
    _write(picture, str(last), (MARGIN + wide - 30, HEIGHT - MARGIN + 20))
    x = MARGIN + wide * table.index.to_numpy() / last
    for number, (column, name, colour) in enumerate(
        zip(COLUMNS, CLASS_NAMES, COLOURS, strict=True)
    ):
        y = MARGIN + high * (1 - table[column].to_numpy())
        points = np.stack([x, y], 1).round().astype(np.int32)
        rgb = tuple(round(255 * value) for value in colour)
        cv2.polylines(picture, [points], False, rgb, 2, cv2.LINE_AA)
        _write(picture, f"C{number + 1} {name}", (MARGIN + 130 * number, 24), rgb)
    return picture


def _write(
    picture: np.ndarray, text: str, place: tuple[int, int], rgb: tuple[int, ...] = (60, 60, 60)
) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, rgb, 1, cv2.LINE_AA)
