"""What lies in the folder of a board: rows with their entry.json, and what was found out of them.

BOARD/results/DATA/NAME/ is a RESULT folder without pictures, with entry.json and, of a trained
model, the config.json of its run. BOARD/checks.json is written by `verify` alone.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from blurbench.errors import UserError
from blurbench.files import read_json, read_regular, sha256, write_json
from blurbench.progress import tell_once
from blurbench.ranking.results import find_results
from blurbench.runs.folder import CONFIG, VOCABULARY
from blurbench.schemas import read_as
from blurbench.schemas.seals import refuse_broken, sealed
from blurbench.scoring.result_folder import PICTURES, SUMMARY, JsonObject, ResultSummary

RESULTS, ENTRY, CHECKS = "results", "entry.json", "checks.json"
SHOWN = "shown"  # RESULT folders on pictures to look at, which are not ranked
ADD_AGAIN = "write it with `blurbench board add`"
VERIFY = "delete it, and run `blurbench board verify`"
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
CheckMark = Literal["re-run", "re-scored", "self-reported"]


Sealed = TypeVar("Sealed", bound=BaseModel)


class Closed(JsonObject):
    """A JSON object without fields that nobody asked for."""

    model_config = ConfigDict(extra="forbid")


class Reference(Closed):
    """Files that a row stands on, by what they are; and where, if anybody may have them."""

    sha256: Sha256  # of the file; of a folder that of its names and their SHA-256
    # Below the row's folder, or an http(s) address; empty where its author keeps it.
    place: str = Field("", max_length=2000)

    @property
    def is_url(self) -> bool:
        """Whether it is fetched."""
        return self.place.startswith(("https://", "http://"))


class BoardEntry(Closed):
    """entry.json: what stands behind a row."""

    format: Literal["blurbench board entry 1"] = "blurbench board entry 1"
    restored: Reference | None = None  # pictures: a folder, or a .zip
    weights: Reference | None = None  # .safetensors
    check: str = ""  # its seal; before there were any, none


class RowCheck(Closed):
    """What `verify` found out of a row."""

    mark: CheckMark
    row: Sha256  # of the files that were looked at: with others the mark is none
    why: str = ""  # it is no better
    compared: list[str] = Field([])  # metrics that were computed again
    left_out: dict[str, str] = Field({})  # metrics that could not be, and why


class BoardChecks(Closed):
    """checks.json."""

    format: Literal["blurbench board checks 1"] = "blurbench board checks 1"
    rows: dict[str, RowCheck] = Field({})  # by folder, relative to the board
    check: str = ""  # its seal


def rows_of(board: Path) -> list[Path]:
    """The folders of the rows, sorted; UserError where this is no board, or leads elsewhere."""
    if not (board / RESULTS).is_dir():
        raise UserError(f"{board}: no board, for it has no folder {RESULTS}; {ADD_AGAIN}")
    found = find_results(board / RESULTS)
    for folder in found:
        for path in (folder, *folder.iterdir()):
            if path.is_symlink() or not path.resolve().is_relative_to(board.resolve()):
                raise UserError(f"{path}: leads out of the board; put the file itself there")
    return found


def read_entry(folder: Path) -> BoardEntry:
    """entry.json of a row; UserError where it is missing or damaged."""
    return _read(BoardEntry, folder / ENTRY, ADD_AGAIN)


def write_entry(folder: Path, entry: BoardEntry) -> None:
    """entry.json of a row."""
    _write(folder / ENTRY, entry)


def row_hash(folder: Path) -> str:
    """SHA-256 of what a row says: its entry, its settings, its words, its summary, its scores."""
    files = [folder / name for name in (ENTRY, CONFIG, VOCABULARY, SUMMARY, PICTURES)]
    told = (f"{path.name} {sha256(read_regular(path))}" for path in files if path.is_file())
    return sha256("\n".join(told).encode())


def place_of(summary: ResultSummary) -> Path:
    """Where a row goes, relative to the board."""
    data = summary.data
    named = slug(f"{data.recipe}-{data.split}-{data.digest[:8]}-{summary.protocol}")
    return Path(RESULTS) / named / slug(summary.model)


def slug(name: str) -> str:
    """A name as a folder: letters, digits and single dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "row"


def read_checks(board: Path) -> dict[str, RowCheck]:
    """What is known of the rows that are as they were then; others are told.

    UserError where the file is damaged.
    """
    if not (board / CHECKS).is_file():
        return {}
    checks = _read(BoardChecks, board / CHECKS, VERIFY)
    there = {name_of(board, folder): row_hash(folder) for folder in rows_of(board)}
    for name, check in checks.rows.items():
        if there.get(name) != check.row:
            what = "was changed since it was verified" if name in there else "is no row any more"
            tell_once(f"{board}: {name} {what}; run `blurbench board verify`")
    return {name: check for name, check in checks.rows.items() if there.get(name) == check.row}


def write_checks(board: Path, rows: dict[str, RowCheck]) -> None:
    """Whole or not at all, sorted."""
    _write(board / CHECKS, BoardChecks(rows=dict(sorted(rows.items()))))


def _read(kind: type[Sealed], path: Path, mend: str) -> Sealed:
    found = read_as(kind, path, mend)
    refuse_broken(read_json(path), str(path), mend)
    return found


def _write(path: Path, document: BaseModel) -> None:
    write_json(path, sealed(document.model_dump()))


def name_of(board: Path, folder: Path) -> str:
    """A row as checks.json calls it."""
    return folder.relative_to(board).as_posix()
