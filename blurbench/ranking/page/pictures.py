"""The sample pictures of a board, copied beside the page under the hash of their content."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from blurbench.errors import UserError
from blurbench.files import sha256, write_bytes
from blurbench.images import encode, read_image
from blurbench.metrics import find_metric
from blurbench.progress import tell_once
from blurbench.ranking.boards import Board, Entry
from blurbench.scoring.result_folder import sample_file

FOLDER = "leaderboard_files"
# Larger pictures are cropped at their centre, for every model alike, and the more models the
# smaller: 50 of them with 8 samples take 90 MB. No pixel is resampled or compressed with loss.
LARGEST_SIDES = ((12, 768), (24, 512), (10**9, 384))  # up to so many models, px
CLOSE_UP = (192, 256)  # height and width of the place where two models differ most, px
OWN_NAME = re.compile(r"[0-9a-f]{20}\.webp")
ROLES = {"blur": "blurred", "sharp": "sharp"}


def viewer(board: Board, out: Path) -> dict[str, Any]:
    """What the before/after slider of a board shows; writes the pictures into `out`/FOLDER.

    `labels` names the picture sources (blurred, sharp where there is one, then the models); each
    sample has one picture (or None) and one line of scores for each of them.
    """
    models = [entry for entry in board.entries if not entry.result.is_baseline]
    models = [entry for entry in models if entry.result.summary.samples]
    baseline = next((entry for entry in board.entries if entry.result.is_baseline), None)
    side = next(side for most, side in LARGEST_SIDES if len(models) <= most)
    samples, roles = [], set()
    for name in sample_ids(board.entries):
        shared = {role: first_picture(board.entries, name, role) for role in ROLES}
        sources = [*shared.values(), *(picture_file(entry, name) for entry in models)]
        pictures = [_copy(source, side, out) for source in sources]
        notes = [_note(baseline, name), "reference", *(_note(entry, name) for entry in models)]
        if any(pictures):
            samples.append({"id": name, "pictures": pictures, "notes": notes})
            roles |= {role for role, source in shared.items() if source}
    labels = [*ROLES.values(), *(entry.result.model for entry in models)]
    kept = [i for i in range(len(labels)) if i >= len(ROLES) or list(ROLES)[i] in roles]
    for sample in samples:
        sample |= {key: [sample[key][i] for i in kept] for key in ("pictures", "notes")}
    return {"labels": [labels[i] for i in kept], "samples": samples}


def label(entry: Entry) -> str:
    """What the viewer calls the pictures of an entry."""
    return "blurred" if entry.result.is_baseline else entry.result.model


def close_up(first: Entry, second: Entry, name: str, out: Path) -> list[tuple[str, str]]:
    """Label and picture of blur, two models and sharp, where the first gains most on the second.

    None where those of the two models cannot be compared.
    """
    one, other = label(first), label(second)
    sources = {
        "blurred": first_picture([first, second], name, "blur"),
        one: picture_file(first, name),
        other: picture_file(second, name),
        "sharp": first_picture([first, second], name, "sharp"),
    }
    read = {source: _read(file) for source, file in sources.items()}
    images = {source: image for source, image in read.items() if image is not None}
    if not {one, other} <= images.keys():
        return []
    if images[one].shape != images[other].shape:
        tell_once(f"{name}: pictures of other sizes by {one} and {other}; no close-up of it")
        return []
    images = {key: image for key, image in images.items() if image.shape == images[one].shape}
    place = _where_first_gains(images[one], images[other], images.get("sharp"))
    return [(source, _write(image[place], out)) for source, image in images.items()]


def _where_first_gains(first: np.ndarray, second: np.ndarray, sharp: np.ndarray | None) -> Any:
    """The CLOSE_UP, as slices: where its squared error is most below the other's.

    Without a sharp picture, where they differ most.
    """
    import cv2

    # Signed: differences of uint8 would wrap round.
    one, other = first.astype(np.float32), second.astype(np.float32)
    if sharp is None:
        gain = ((one - other) ** 2).sum(axis=2)
    else:
        gain = ((other - sharp) ** 2 - (one - sharp) ** 2).sum(axis=2)
    height, width = (min(s, most) for s, most in zip(gain.shape, CLOSE_UP, strict=True))
    sums = cv2.boxFilter(gain, -1, (width, height), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    # Without the windows that reach over the border, where zeros were added.
    whole = sums[: gain.shape[0] - height + 1, : gain.shape[1] - width + 1]
    top, left = np.unravel_index(int(np.argmax(whole)), whole.shape)
    return slice(top, top + height), slice(left, left + width)


def sample_ids(entries: Sequence[Entry]) -> list[str]:
    """Every picture that some model kept."""
    return sorted({name for entry in entries for name in entry.result.summary.samples})


def picture_file(entry: Entry, name: str, role: str = "restored") -> Path | None:
    """A sample in the result; None where the model has none."""
    if name not in entry.result.summary.samples:
        return None
    path = sample_file(entry.result.folder, name, role)
    return path if path.is_file() else None


def used(*parts: Any) -> set[str]:
    """The names of all pictures in what `viewer` and `close_up` gave, however it is nested."""
    found: set[str] = set()
    for part in parts:
        if isinstance(part, str) and OWN_NAME.fullmatch(part):
            found.add(part)
        elif isinstance(part, dict):
            found |= used(*part.values())
        elif isinstance(part, list | tuple):
            found |= used(*part)
    return found


def remove_unused(out: Path, names: set[str]) -> None:
    """Delete the pictures of an earlier page, and nothing that is not named like one."""
    folder = out / FOLDER
    for path in folder.iterdir() if folder.is_dir() else ():
        if OWN_NAME.fullmatch(path.name) and path.name not in names:
            path.unlink()


def first_picture(entries: Sequence[Entry], name: str, role: str) -> Path | None:
    """The picture from the first model that kept it: all keep the same blur and sharp."""
    found = (picture_file(entry, name, role) for entry in entries)
    return next((picture for picture in found if picture), None)


def _read(source: Path | None) -> np.ndarray | None:
    """A sample; None for none, and for a damaged one, which is told."""
    if source is None:
        return None
    try:
        return read_image(source)
    except (UserError, OSError) as error:
        tell_once(f"{error}; left out of the page")
        return None


def _copy(source: Path | None, side: int, out: Path) -> str | None:
    """The new name of a sample, cropped; None for none."""
    image = _read(source)
    if image is None:
        return None
    top, left = (max(0, length - side) // 2 for length in image.shape[:2])
    return _write(image[top : top + side, left : left + side], out)


def _write(image: np.ndarray, out: Path) -> str:
    data = encode(np.ascontiguousarray(image), ".webp")
    target = out / FOLDER / f"{sha256(data)[:20]}.webp"
    if not target.is_file() or target.read_bytes() != data:
        write_bytes(target, data)
    return target.name


def _note(entry: Entry | None, name: str) -> str:
    """The scores of one picture, in one line."""
    if entry is None:
        return ""
    found = [(find_metric(metric), of.get(name)) for metric, of in entry.result.scores.items()]
    parts = (
        f"{metric.title} {value:.{metric.digits}f} {metric.unit}"
        for metric, value in found
        if value is not None
    )
    return " · ".join(part.strip() for part in parts)
