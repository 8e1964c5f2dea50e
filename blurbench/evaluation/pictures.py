"""The sample pictures of a board, copied beside the page under the hash of their content."""

import re
from pathlib import Path
from typing import Any

from blurbench.evaluation.boards import Board, Entry
from blurbench.files import inside, sha256, write_bytes
from blurbench.images import encode, read_image
from blurbench.metrics import METRICS

FOLDER = "leaderboard_files"
# Larger pictures are cropped at their centre, for every model alike: a page of 50 models stays
# usable, and no pixel is resampled or compressed with loss.
LARGEST_SIDE = 768
OWN_NAME = re.compile(r"[0-9a-f]{20}\.webp")


def viewer(board: Board, out: Path) -> dict[str, Any]:
    """What the before/after slider of a board shows; writes the pictures into `out`/FOLDER.

    `labels` names the picture sources (blurred, sharp, then the models); each sample has one
    picture (or None) and one line of scores for each of them.
    """
    models = [entry for entry in board.entries if not entry.result.is_baseline]
    baseline = next((entry for entry in board.entries if entry.result.is_baseline), None)
    ids = sorted({name for entry in board.entries for name in entry.result.summary["samples"]})
    samples = []
    for name in ids:
        pictures = [
            _first(board.entries, name, "blur", out),
            _first(board.entries, name, "sharp", out),
            *(_picture(entry, name, "restored", out) for entry in models),
        ]
        notes = [_note(baseline, name), "reference", *(_note(entry, name) for entry in models)]
        if any(pictures):
            samples.append({"id": name, "pictures": pictures, "notes": notes})
    labels = ["blurred", "sharp", *(entry.result.model for entry in models)]
    return {"labels": labels, "samples": samples}


def used(viewers: list[dict[str, Any]]) -> set[str]:
    """The names of all pictures that some viewers show."""
    return {name for one in viewers for sample in one["samples"] for name in sample["pictures"]}


def remove_unused(out: Path, names: set[str]) -> None:
    """Delete the pictures of an earlier page, and nothing that is not named like one."""
    folder = out / FOLDER
    for path in folder.iterdir() if folder.is_dir() else ():
        if OWN_NAME.fullmatch(path.name) and path.name not in names:
            path.unlink()


def _first(entries: list[Entry], name: str, role: str, out: Path) -> str | None:
    """The picture from the first model that kept it: all keep the same blur and sharp."""
    found = (_picture(entry, name, role, out) for entry in entries)
    return next((picture for picture in found if picture), None)


def _picture(entry: Entry, name: str, role: str, out: Path) -> str | None:
    """Copy one sample; its new name, or None where the model has none."""
    source = inside(entry.result.folder, f"samples/{name}__{role}.png")
    if not source.is_file():
        return None
    image = read_image(source)
    top, left = (max(0, side - LARGEST_SIDE) // 2 for side in image.shape[:2])
    data = encode(image[top : top + LARGEST_SIDE, left : left + LARGEST_SIDE], ".webp")
    target = out / FOLDER / f"{sha256(data)[:20]}.webp"
    if not target.exists():
        write_bytes(target, data)
    return target.name


def _note(entry: Entry | None, name: str) -> str:
    """The scores of one picture, in one line."""
    if entry is None:
        return ""
    scores = {metric: of[name] for metric, of in entry.result.scores.items() if name in of}
    parts = (
        f"{METRICS[metric].title} {value:.{METRICS[metric].digits}f} {METRICS[metric].unit}"
        for metric, value in scores.items()
    )
    return " · ".join(part.strip() for part in parts)
