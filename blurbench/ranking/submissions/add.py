"""`blurbench board add`: a finished result becomes a row of a board."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from blurbench.errors import UserError
from blurbench.files import read_regular, write_bytes
from blurbench.locks import locked
from blurbench.ranking.results import read_result
from blurbench.ranking.submissions.entry import BoardEntry, Reference, place_of, write_entry
from blurbench.ranking.submissions.references import content_hash
from blurbench.runs.folder import BEST, CONFIG, LAST, VOCABULARY, read_config
from blurbench.schemas.own_paths import told_to_others
from blurbench.scoring.result_folder import FAILURES, PICTURES, SUMMARY, ResultSummary

OF_RUN = (CONFIG, VOCABULARY)
COPIED = (FAILURES, SUMMARY, PICTURES)  # the last makes it a row: where it lies, the others do
TELL_PATHS = (CONFIG, SUMMARY)
BARE = ("identity", "classical")  # what restores without files


@dataclass(frozen=True)
class Behind:
    """What a row stands on, here, and where others find the same."""

    restored: Path | None = None  # a folder of pictures, or a .zip
    restored_at: str = ""
    weights: Path | None = None  # a run, or a file of weights
    weights_at: str = ""


def add(result: Path, board: Path, behind: Behind) -> Path:
    """Copy a RESULT's scores into a board, with references to what they stand on; gives the row.

    No picture is copied, and of paths on this machine their names. UserError for what is no
    finished result, for references that are not those of the result, and where the board has
    another row of that name.
    """
    summary = read_result(result).summary
    weights = _weights(summary, behind.weights)
    entry = BoardEntry(
        restored=_reference("restored", behind.restored, behind.restored_at),
        weights=_reference("weights", weights, behind.weights_at),
    )
    folder = board / place_of(summary)
    files = {name: read_regular(result / name) for name in COPIED if (result / name).is_file()}
    if behind.weights and behind.weights.is_dir():
        read_config(behind.weights)
        there = (name for name in OF_RUN if (behind.weights / name).is_file())
        files = {**{name: read_regular(behind.weights / name) for name in there}, **files}
    for name in (name for name in TELL_PATHS if name in files):
        files[name] = told_to_others(files[name])
    with locked(board):
        _refuse_other(folder, files)
        write_entry(folder, entry)
        for name, data in files.items():
            write_bytes(folder / name, data)
    return folder


def _reference(option: str, path: Path | None, place: str) -> Reference | None:
    """To files that are here; UserError for a place of none, or one that nobody could reach."""
    if path is None:
        if place:
            told = f"--{option}-at {place}: names no files"
            raise UserError(f"{told}; give yours as --{option}, so that their SHA-256 is known")
        return None
    if path.is_dir() and "://" in place:
        raise UserError(f"--{option}-at {place}: a folder has no address; pack it as a .zip first")
    if place.startswith(("http:", "https:")) and not urlsplit(place).netloc:
        raise UserError(f"--{option}-at {place}: not an address")
    if "://" in place and not place.startswith(("http://", "https://")):
        raise UserError(f"--{option}-at {place}: give an http(s) address, or a path in the row")
    if not place and path.is_file() and path.suffix not in (".zip", ".safetensors"):
        raise UserError(f"--{option} {path}: is no folder, .zip or .safetensors")
    return Reference(sha256=content_hash(path), place=place)


def _weights(summary: ResultSummary, given: Path | None) -> Path | None:
    """The file that restored; UserError where a run has none that the result tells of."""
    if given is None:
        return None
    files = [given] if given.is_file() else [given / name for name in (BEST, LAST)]
    told = str(summary.provenance.get("weights", ""))
    for path in files:
        if path.is_file() and told and content_hash(path).startswith(told):
            return path
    raise UserError(
        f"--weights {given}: not what {summary.model} was scored with"
        f" ({told or 'it tells of none'}); name the run or file that was --checkpoint then"
    )


def _refuse_other(folder: Path, files: dict[str, bytes]) -> None:
    """UserError where a row of this name has other scores."""
    there = folder / PICTURES
    if there.is_file() and read_regular(there) != files[PICTURES]:
        raise UserError(
            f"{folder}: another row of that name is there; evaluate yours under another --name, or"
            " remove the old one first"
        )
