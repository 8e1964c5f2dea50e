"""The four confidences along a run of UMSN: Table VII as a table and as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from blurbench import drawing
from blurbench.errors import UserError
from blurbench.models.umsn.explain import CLASS_NAMES, COLOURS
from blurbench.runs.folder import LOG
from blurbench.runs.log import read_log

NO_STAGES = ("validation", "identity", "sample")  # rows about single pictures, or the val split
COLUMNS = [f"confidence_{number}" for number in range(1, len(CLASS_NAMES) + 1)]


def confidence_table(run: Path, iterations: tuple[int, ...] = ()) -> pd.DataFrame:
    """C_1 to C_4, means over the pictures between two rows of RUN/log.jsonl.

    The index counts the steps of the network's own stage. `iterations` keeps the last rows at or
    before each of them. UserError where a run logged no confidences.
    """
    rows = [row for row in read_log(run) if row["stage"] not in NO_STAGES]
    found = pd.DataFrame([row for row in rows if _whole(row)])
    if found.empty:
        raise UserError(f"{run / LOG}: no confidences; only UMSN's stage `network` logs them")
    first = max((row["step"] for row in rows if not _whole(row)), default=0)
    table = found[COLUMNS].set_axis(found["step"] - first).rename_axis("iteration")
    if not iterations:
        return table
    places = table.index.searchsorted(iterations, side="right") - 1
    return table.iloc[places[places >= 0]]


def _whole(row: Mapping[str, Any]) -> bool:
    return all(isinstance(row.get(name), float | int) for name in COLUMNS)


def sampled_confidences(run: Path, step: int) -> list[list[float]]:
    """C_1 to C_4 of each fixed picture at one step of RUN/log.jsonl.

    UserError where it has none of that step: only runs with `sample_at` do.
    """
    rows = [row for row in read_log(run) if row["stage"] == "sample" and row["step"] == step]
    by_picture = {row["id"]: [row[name] for name in COLUMNS] for row in rows if _whole(row)}
    if not by_picture:
        raise UserError(f"{run / LOG}: no confidences of single pictures at step {step}")
    return list(by_picture.values())


def confidence_picture(table: pd.DataFrame) -> np.ndarray:
    """Confidence from 0 to 1 over iterations, a line a class: (360, 640, 3) uint8 RGB."""
    lines = {}
    for number, (name, (red, green, blue)) in enumerate(zip(CLASS_NAMES, COLOURS, strict=True), 1):
        ink = round(255 * red), round(255 * green), round(255 * blue)
        lines[f"C{number} {name}"] = table[f"confidence_{number}"].to_numpy(), ink
    return drawing.curves(table.index.to_numpy(), lines)
