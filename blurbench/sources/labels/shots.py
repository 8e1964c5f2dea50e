"""Shot types of concert stills, and the clips they come from: by a CSV file or by folders."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from blurbench.errors import UserError
from blurbench.sources.items import PictureItem
from blurbench.sources.labels.files import KnownLabels, LabelFiles, match, read_table

# Close-up to extra long shot, audience shot, musical instrument shot (Lin et al., 2019).
SHOT_TYPES = ("CU", "MCU", "MS", "MLS", "LS", "XLS", "ADS", "MIS")
PICTURE, SHOT = ("file", "image", "filename"), ("shot", "shot_type", "label")
LOOKED_FOR = f"a CSV file with the columns file and shot, or folders named {', '.join(SHOT_TYPES)}"
COUNTER = re.compile(r"[\W_]*\d+[\W_]*$")  # the number of a still in its clip

ShotRow = dict[str, str]  # shot, clip


def read_shots(
    files: LabelFiles, pictures: Sequence[PictureItem], spec: str
) -> dict[str, KnownLabels]:
    """Shot type and clip of every picture, by its id; the clip decides the split.

    UserError where neither files nor folders tell any shot type, and where two rows contradict
    each other.
    """
    rows = _rows(files, [picture.id for picture in pictures])
    told = {picture.id: _tell(picture, rows.get(picture.id, {})) for picture in pictures}
    if all(each.problem for each in told.values()) and not rows:
        raise UserError(f"{spec}: no shot types here; looked for {LOOKED_FOR}")
    return told


def _rows(files: LabelFiles, ids: Sequence[str]) -> dict[str, ShotRow]:
    found: dict[str, ShotRow] = {}
    for name in files.names:
        if "/" in name or not name.lower().endswith(".csv"):
            continue
        rows = _of_table(files, name)
        for file, id in match(rows, ids).ids.items():
            if found.setdefault(id, rows[file]) != rows[file]:
                raise UserError(f"{name}: {file} is told otherwise under another name")
    return found


def _of_table(files: LabelFiles, name: str) -> dict[str, ShotRow]:
    """Rows by the file they name, their columns under one name; none of another table."""
    table = read_table(files, name)
    file, shot = (next((n for n in names if n in table.columns), None) for names in (PICTURE, SHOT))
    if file is None or shot is None:
        return {}
    found: dict[str, ShotRow] = {}
    for line, fields in table.rows:
        row = {"shot": fields[shot].upper(), "clip": fields.get("clip", "")}
        if found.setdefault(fields[file], row) != row:
            raise UserError(f"{name}: line {line}: {fields[file]} is told otherwise above")
    return found


def _tell(picture: PictureItem, row: ShotRow) -> KnownLabels:
    path = PurePosixPath(_below_split(picture))
    folders = path.parts[:-1]
    shot = row.get("shot") or next((each for each in folders if each.upper() in SHOT_TYPES), "")
    others = [each for each in folders if each.upper() not in SHOT_TYPES]
    clip = row.get("clip") or "/".join(others) or COUNTER.sub("", path.stem) or path.stem
    problem = None
    if shot.upper() not in SHOT_TYPES:
        known = f"one of {', '.join(SHOT_TYPES)}"
        problem = f"unknown shot type {shot!r}; give {known}" if shot else f"no shot type, {known}"
    return KnownLabels({"shot_type": shot.upper(), "clip": clip}, group=clip, problem=problem)


def _below_split(picture: PictureItem) -> str:
    return picture.id.removeprefix(f"{picture.split}/")
