"""What stays of a run of a study: its settings, the scores of each picture, what it took.

Small enough for a repository, and enough for every number on the page.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from blurbench.errors import UserError
from blurbench.files import read_json, read_regular, sha256, write_json, write_text
from blurbench.ranking.statistics import Scores, Sources
from blurbench.schemas import read_as
from blurbench.schemas.csv_rows import csv_rows
from blurbench.schemas.seals import refuse_broken, sealed
from blurbench.scoring.result_folder import JsonObject, ScoredPicture
from blurbench.tables import csv_text

# The last one is written last: where it lies, the others are whole.
CONFIG, SCORES, RUN = "config.json", "scores.csv", "run.json"
COLUMNS = ("id", "source", "severity", "psnr", "ssim", "identity")


class RunRecord(JsonObject):
    """run.json: what a run took, and on what."""

    digest: str  # of the data set
    pairs: dict[str, int]  # that were trained on and tested
    steps: int = Field(ge=0)
    samples: int = Field(ge=0)  # that the restoring stages saw
    beside: dict[str, int]  # samples of each other stage
    parameters: int = Field(ge=0)  # of what restores
    model: dict[str, Any]  # all settings, also those that the study leaves as they are
    minutes: float = Field(ge=0)  # CPU time of the training
    scoring_minutes: float = Field(ge=0)
    files: dict[str, str]  # public files that it took -> their SHA-256
    environment: dict[str, str]  # without names of machines, or places
    measured: str | None = None  # digest of the pictures of a measure, where they are others
    figures: dict[str, float] | None = None  # of the training's log, by what they are of
    sha256: dict[str, str] = Field({})  # of the files beside it


@dataclass(frozen=True)
class RunScores:
    """scores.csv: numbers of the test pictures, by id."""

    psnr: Scores  # dB
    ssim: Scores
    identity: Scores  # PSNR of the blurred pictures, dB
    sources: Sources
    severity: Scores  # mean length of the blur, px; {} where it is not known
    measure: Scores = field(default_factory=dict)  # another number, in place of all these


@dataclass(frozen=True)
class Recorded:
    """A finished run."""

    scores: RunScores
    run: RunRecord


def write_record(
    folder: Path, config: dict[str, Any], rows: Iterable[dict[str, Any]], run: RunRecord
) -> None:
    """All three files; `rows`: of scores.csv."""
    write_json(folder / CONFIG, config)
    write_text(folder / SCORES, csv_text(list(rows)))
    seal(folder, run)


def seal(folder: Path, run: RunRecord) -> None:
    """Write run.json, with what tells any change of all three files since."""
    beside = {name: sha256(read_regular(folder / name)) for name in (CONFIG, SCORES)}
    write_json(folder / RUN, sealed({**run.written(), "sha256": beside}))


def score_row(picture: ScoredPicture, identity: Scores) -> dict[str, Any]:
    """A picture in scores.csv."""
    values = (
        picture.id,
        picture.source or picture.id,
        picture.severity,
        picture.metrics["psnr"],
        picture.metrics["ssim"],
        identity[picture.id],
    )
    return told(dict(zip(COLUMNS, values, strict=True)))


def told(row: dict[str, Any]) -> dict[str, Any]:
    """A row with eight digits of each number: what a study says does not hang on rounding."""
    return {k: f"{v:.8g}" if isinstance(v, float) else v for k, v in row.items()}


def read_record(folder: Path, config: dict[str, Any]) -> Recorded | None:
    """A finished run; None where there is none.

    UserError where its settings are not `config` any more, or a file is damaged.
    """
    if not (folder / RUN).is_file():
        return None
    run = _whole(folder)
    if others := sorted(differing(read_json(folder / CONFIG), config)):
        raise UserError(
            f"{folder}: was run with another {', '.join(others)} than the study has now; remove"
            " that folder to run it again, or give another --out"
        )
    return Recorded(read_scores(folder / SCORES, config["scored"].get("measure")), run)


def _whole(folder: Path) -> RunRecord:
    """run.json; UserError where it, or a file beside it, was changed since.

    Records of 0.1.0 have no checks, and are told.
    """
    mend = f"remove {folder} to run it again"
    run = read_as(RunRecord, folder / RUN, mend)
    refuse_broken(read_json(folder / RUN), str(folder / RUN), mend)
    for name in (CONFIG, SCORES):
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path}: no such file; {mend}")
        if run.sha256.get(name, found := sha256(read_regular(path))) != found:
            raise UserError(f"{path}: was changed since it was written; {mend}")
    return run


def differing(there: Any, wanted: dict[str, Any]) -> set[str]:
    """Names of what two settings do not share; a dot leads into a table."""
    if not isinstance(there, dict):
        return {"config"}
    found = set()
    for name in there.keys() | wanted.keys():
        old, new = there.get(name), wanted.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found |= {f"{name}.{inner}" for inner in differing(old, new)}
        elif old != new:
            found.add(name)
    return found


def read_scores(path: Path, measure: str | None = None) -> RunScores:
    """Those of PSNR, or of a measure; UserError where a line is damaged, or there is none."""
    names = (measure,) if measure else COLUMNS[2:]
    try:
        rows = [row for _, row in csv_rows(read_regular(path), str(path))[1]]
        tables: dict[str, dict[str, float]] = {
            name: {row["id"]: _finite(row[name]) for row in rows if row[name] != ""}
            for name in names
        }
        sources = {row["id"]: row["source"] for row in rows}
    except (OSError, KeyError, ValueError, UserError):
        raise UserError(f"{path}: is missing or damaged; remove {path.parent}") from None
    if not rows:
        raise UserError(f"{path}: holds no pictures; remove {path.parent}")
    if len(sources) != len(rows):
        raise UserError(f"{path}: has a picture twice; remove {path.parent}")
    if measure:
        return RunScores({}, {}, {}, sources, {}, tables[measure])
    return RunScores(**tables, sources=sources)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
