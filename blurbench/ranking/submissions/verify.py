"""`blurbench board verify`: what of each row can be had again, and whether it says the same."""

import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blurbench.datasets.pairs import ScoredSplit
from blurbench.errors import UserError, one_line
from blurbench.files import read_regular
from blurbench.locks import locked
from blurbench.metrics import find_metric, make_ready
from blurbench.ranking.report import Leaderboard, leaderboard
from blurbench.ranking.results import Result, find_results, read_result
from blurbench.ranking.submissions.entry import (
    SHOWN,
    BoardEntry,
    CheckMark,
    RowCheck,
    name_of,
    read_checks,
    read_entry,
    row_hash,
    rows_of,
    write_checks,
)
from blurbench.ranking.submissions.references import Absent, by_content, had, pictures_in
from blurbench.runs.folder import BEST, CONFIG, LAST, VOCABULARY, read_config, run_id
from blurbench.runs.own_weights import OwnWeights
from blurbench.scoring.classical import CLASSICAL
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import FolderRestorer, Identity, Restorer, trained
from blurbench.scoring.result_folder import read_pictures
from blurbench.scoring.tools import tools_missing
from blurbench.weights.fetch import work_folder

SELF: CheckMark = "self-reported"
# Parts of a score. The same pictures score the same but for the order of sums, 1e-7; a network on
# another processor differs by 1e-5, and with bfloat16 by up to 1e-3 of a picture.
CLOSE: dict[CheckMark, float] = {"re-scored": 1e-5, "re-run": 2e-3}
CLOSE_MEANS: dict[CheckMark, float] = {"re-scored": 1e-5, "re-run": 4e-4}  # 0.01 dB of 25
NEAR_ZERO = 1e-4


class Disagrees(Exception):
    """What was computed again is not what the row says; both numbers are in it."""


@dataclass(frozen=True)
class Checked:
    """What a verification came to."""

    rows: dict[str, RowCheck]  # by name of the row
    wrong: dict[str, str]  # rows that do not say what comes out, with both numbers
    kept: list[str]  # rows that were not looked at: their marks are those of before
    board: Leaderboard | None

    def __str__(self) -> str:
        """A line a row, then what disagrees, then where the board is."""
        lines = [f"{name}: {_told(check)}" for name, check in self.rows.items()]
        lines += [f"{name}: not looked at, its mark is of before" for name in self.kept]
        lines += [f"{name}: DOES NOT AGREE: {why}" for name, why in self.wrong.items()]
        return "\n".join([*lines, str(self.board)])


def _told(check: RowCheck) -> str:
    parts = [check.mark + (f" ({', '.join(check.compared)} agree)" if check.compared else "")]
    parts += [check.why] if check.why else []
    return "; ".join([*parts, *(f"{name} left out: {why}" for name, why in check.left_out.items())])


@dataclass(frozen=True)
class Means:
    """What a verification may use."""

    splits: Mapping[tuple[str, str], ScoredSplit]  # by digest and name of the split
    own: Mapping[str, Path] = field(default_factory=dict)  # by SHA-256
    fetch: bool = False
    device: str | None = None


def verify(
    board: Path,
    data: Sequence[Path],
    *,
    files: Sequence[Path] = (),
    fetch: bool = False,
    device: str | None = None,
    only: Sequence[str] = (),
) -> Checked:
    """Compute rows again on the data sets given, write their marks, and rank the board anew.

    A row is re-run where its weights are had (or none are needed), re-scored where its restored
    pictures are, and self-reported else. Marks are written row by row. Of rows whose data set is
    not given the marks stay, as long as the rows do. only: parts of the names of rows to look at.
    UserError for a row that is damaged, leads elsewhere or refers to other files than are there.
    """
    names = {name_of(board, folder): folder for folder in rows_of(board)}
    results = {name: read_result(folder) for name, folder in names.items()}
    entries = {name: read_entry(folder) for name, folder in names.items()}
    means = Means(_opened(results.values(), data), by_content(files), fetch, device)
    wrong, seen = dict[str, str](), dict[str, RowCheck]()
    with locked(board):
        marks = read_checks(board)
        for name in _chosen(results, means, only):
            try:
                seen[name] = marks[name] = _check(results[name], entries[name], means)
            except Disagrees as error:
                marks.pop(name, None)
                wrong[name] = str(error)
            write_checks(board, marks)
    kept = [name for name in names if name not in seen and name not in wrong]
    return Checked(seen, wrong, kept, rank(board))


def rank(board: Path) -> Leaderboard:
    """leaderboard.csv and leaderboard.html of all rows, with what is known of each.

    Below them, not ranked, the pictures that the board has to look at. UserError where a row's
    entry or settings are damaged.
    """
    checks, folders = read_checks(board), rows_of(board)
    for folder in folders:
        read_entry(folder)
        if (folder / CONFIG).is_file():
            read_config(folder)
    marks = {each: checks.get(name_of(board, each)) for each in folders}
    told: dict[Path, str] = {each: found.mark if found else SELF for each, found in marks.items()}
    shown = find_results(board / SHOWN) if (board / SHOWN).is_dir() else []
    return leaderboard([*folders, *shown], board, checked=told, shown=shown)


def _opened(
    results: Iterable[Result], places: Sequence[Path]
) -> dict[tuple[str, str], ScoredSplit]:
    """The splits that rows are of; UserError for a data set that no row is of."""
    wanted = {(one.key.digest, one.key.split) for one in results}
    found: dict[tuple[str, str], ScoredSplit] = {}
    for place in places:
        names = sorted({split for _, split in wanted})
        there = [one for one in (_split(place, name) for name in names) if one]
        fitting = {
            (one.digest, one.split): one for one in there if (one.digest, one.split) in wanted
        }
        if not fitting:
            digests = ", ".join(sorted({digest[:12] for digest, _ in wanted}))
            raise UserError(f"{place}: no row of this board is of it; they are of {digests}")
        found |= fitting
    return found


def _split(place: Path, name: str) -> ScoredSplit | None:
    try:
        return open_data(place, name)
    except UserError:
        if not place.is_dir():
            raise
        return None


def _chosen(results: Mapping[str, Result], means: Means, only: Sequence[str]) -> Iterator[str]:
    """The rows to look at; UserError for a part of a name that no row has."""
    if missing := [part for part in only if not any(part in name for name in results)]:
        raise UserError(f"{missing[0]}: in the name of no row; there are {', '.join(results)}")
    for name, result in results.items():
        there = (result.key.digest, result.key.split) in means.splits
        if there and (not only or any(part in name for part in only)):
            yield name


def _check(result: Result, entry: BoardEntry, means: Means) -> RowCheck:
    """The mark of a row; `Disagrees` where other scores come out."""
    with work_folder(result.folder.parent) as work:
        try:
            mark, restorer = _restorer(result, entry, means, work)
        except Absent as error:
            return RowCheck(mark=SELF, row=row_hash(result.folder), why=str(error))
        return _compared(result, mark, restorer, means, work)


def _restorer(
    result: Result, entry: BoardEntry, means: Means, work: Path
) -> tuple[CheckMark, Restorer]:
    """What gives the row's pictures again, and what that is worth; `Absent` for nothing."""
    summary, name = result.summary, result.model
    if summary.restored_by == "identity":
        return "re-run", Identity(name)
    method = str(summary.provenance.get("method"))
    if summary.restored_by == "classical" and method in CLASSICAL:
        return "re-run", CLASSICAL[method](name)
    try:
        if entry.weights is None:
            raise Absent("it refers to no weights")
        weights = had(entry.weights, result.folder, means.own, means.fetch, work)
    except Absent as first:
        if entry.restored is None:
            raise Absent(f"{first}, and to no restored pictures") from None
        path = had(entry.restored, result.folder, means.own, means.fetch, work)
        return "re-scored", FolderRestorer(pictures_in(path, work), name)
    return "re-run", trained(_run(result.folder, weights, work), name, means.device)


def _run(folder: Path, weights: Path, work: Path) -> Path:
    """What `evaluate` takes as --checkpoint: a run of the row's config, or the weights alone."""
    run = work / "run"
    run.mkdir()
    if not (folder / CONFIG).is_file():
        shutil.copyfile(weights, run / "weights.safetensors")
        return run / "weights.safetensors"
    for name in (BEST, LAST):
        shutil.copyfile(weights, run / name)
    for name in (CONFIG, VOCABULARY):
        if (folder / name).is_file():
            (run / name).write_bytes(read_regular(folder / name))
    written = OwnWeights(run, run_id(run))
    for name in (BEST, LAST):
        written.adopt(name)  # the row's entry has told that they are its own
    return run


def _compared(
    result: Result, mark: CheckMark, restorer: Restorer, means: Means, work: Path
) -> RowCheck:
    """Score again what can be, and compare; `Disagrees` with the first picture that differs."""
    left_out = dict(_left_out(result.metrics))
    metrics = [name for name in result.metrics if name not in left_out]
    if not metrics:
        why = "none of its metrics can be computed here"
        return RowCheck(mark=SELF, row=row_hash(result.folder), why=why, left_out=left_out)
    done = evaluate(
        means.splits[result.key.digest, result.key.split],
        work / "again",
        restore=restorer,
        name=result.model,
        protocol=result.summary.protocol,
        metrics=metrics,
        repeats=result.summary.repeats,
    )
    again = {each.id: each.metrics for _, each in read_pictures(work / "again")}
    if lost := [each for each in done.skipped if each.id in result.ids]:
        raise Disagrees(f"{lost[0].id} has scores, but {lost[0].why}")
    for metric in metrics:
        _compare(metric, result.scores[metric], again, mark)
    return RowCheck(mark=mark, row=row_hash(result.folder), compared=metrics, left_out=left_out)


def _left_out(metrics: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Metrics that need a network of the user's, or files that are not here, and why."""
    for name in metrics:
        if lacking := list(tools_missing({}, set(find_metric(name).needs), [name])):
            yield name, lacking[0]
            continue
        try:
            make_ready(name)
        except UserError as error:
            yield name, one_line(error)


def _compare(
    metric: str,
    told: Mapping[str, float],
    again: Mapping[str, Mapping[str, float | None]],
    mark: CheckMark,
) -> None:
    """`Disagrees` for a picture, or a mean, that is another one."""
    found = {id: of[metric] for id, of in again.items() if of[metric] is not None}
    if told.keys() != found.keys():
        odd = sorted(told.keys() ^ found.keys())[0]
        where = "the row has no score of it" if odd in found else "the data set has no such picture"
        raise Disagrees(f"{metric} of {odd}: {where}")
    if not told:  # a score that no picture has, such as of faces where there are none
        return
    before, now = (math.fsum(of.values()) / len(of) for of in (told, _floats(found)))
    means = f"{metric} of the row has the mean {before:.6g}, and {now:.6g} comes out"
    for id, value in _floats(found).items():
        if not _close(told[id], value, CLOSE[mark]):
            raise Disagrees(
                f"{metric} of {id} is {told[id]:.6g} there and {value:.6g} now; {means}"
            )
    if not _close(before, now, CLOSE_MEANS[mark]):
        raise Disagrees(means)


def _floats(found: Mapping[str, float | None]) -> dict[str, float]:
    return {id: value for id, value in found.items() if value is not None}


def _close(one: float, other: float, share: float) -> bool:
    return math.isclose(one, other, rel_tol=share, abs_tol=NEAR_ZERO if share > 1e-4 else share)
