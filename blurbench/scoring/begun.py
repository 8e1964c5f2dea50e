"""What lies in the folder of a result already: gone on with, refused, or scored again."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from blurbench.errors import UserError
from blurbench.out_folder import Claim, changed
from blurbench.schemas.own_paths import names_only
from blurbench.scoring.restorers import FolderRestorer, Restorer
from blurbench.scoring.result_folder import (
    SUMMARY,
    Keep,
    ResultSummary,
    ScoredPicture,
    read_begun,
    read_summary,
    restored_file,
    sample_file,
    write_pictures,
)
from blurbench.stores.folder import Folder
from blurbench.words import counted

RESULT = Claim("a result", (SUMMARY,))


def settle(out: Path, head: ResultSummary, restore: Restorer, overwrite: bool) -> list[str]:
    """Make sure that what `out` holds is begun of this result; gives what is to be told of it.

    Restored pictures that were not there before are no change. Those that changed since, and
    everything where weights did, lose their scores with `overwrite`, and are refused without;
    UserError for that, and for any other result.
    """
    store = Folder(out)
    if not RESULT.find(store):
        return []
    # Of paths among the settings 0.1.0 wrote more than the name.
    before, now = (names_only(one.identity()) for one in (read_summary(out), head))
    differs = changed(before, now)
    if before | {"provenance": None} != now | {"provenance": None}:
        RESULT.refuse_other(store, differs)
    if not differs:
        return []
    scored = read_begun(out, head.metrics)
    stale = changed_since(scored, restore)
    if not stale:
        return []
    told = told_of(stale, scored, restore)
    if not overwrite:
        raise UserError(
            f"{out}: holds a result of another {', '.join(differs)}: {told}; score again with "
            "--overwrite, or give another --out"
        )
    _forget(out, scored, stale)
    return [f"scored again: {told}"]


def changed_since(scored: Mapping[str, ScoredPicture], restore: Restorer) -> list[str]:
    """The ids whose files changed since they were scored; all of them where there are no files."""
    if not isinstance(restore, FolderRestorer):
        return list(scored)
    return [id for id, row in scored.items() if row.restored_sha256 != restore.hashes.get(id)]


def told_of(stale: Sequence[str], scored: Mapping[str, ScoredPicture], restore: Restorer) -> str:
    """What the scores of some ids are to be forgotten for."""
    if not isinstance(restore, FolderRestorer):
        return f"{counted(len(stale), 'picture')} of other weights"
    known = [id for id in stale if scored[id].restored_sha256]
    if not known:  # of an older version
        return f"it does not tell which of its {counted(len(stale), 'restored picture')} changed"
    return f"{counted(len(known), 'restored picture')} changed since, first that of {known[0]}"


def added_before(out: Path) -> list[str]:
    """The metrics that were added to the result in `out`; none where there is none."""
    return read_summary(out).added if (out / SUMMARY).is_file() else []


def begun(out: Path, metrics: Sequence[str], keep: Keep) -> dict[str, ScoredPicture]:
    """The pictures that have all of the metrics, by id, and are kept where they are to be."""
    found = read_begun(out, metrics)
    if not keep.restored:
        return found
    return {id: each for id, each in found.items() if restored_file(out, id).is_file()}


def _forget(out: Path, scored: Mapping[str, ScoredPicture], stale: Sequence[str]) -> None:
    """Drop the scores and kept pictures of some ids.

    Before the new summary is written: whatever comes in between, no old score stands under it.
    """
    gone = set(stale)
    write_pictures(out, (each for id, each in scored.items() if id not in gone))
    for id in stale:
        restored_file(out, id).unlink(missing_ok=True)
        sample_file(out, id, "restored").unlink(missing_ok=True)
