"""More metrics for a finished result: from the restored pictures it kept, or restored anew."""

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blurbench.datasets.format import Row
from blurbench.datasets.pairs import ScoredSplit
from blurbench.errors import UserError
from blurbench.locks import locked
from blurbench.metrics import PROTOCOLS, find_metric
from blurbench.out_folder import changed
from blurbench.scoring.begun import changed_since, told_of
from blurbench.scoring.evaluate import Evaluation, check_names, evaluate
from blurbench.scoring.restorers import FolderRestorer, Identity, Restorer
from blurbench.scoring.result_folder import (
    RESTORED,
    ResultSummary,
    ScoredPicture,
    Skipped,
    read_pictures,
    read_summary,
    restored_file,
    write_pictures,
    write_summary,
)
from blurbench.scoring.score import Scorer, means

ADDING = "adding"  # a result of its own until all is there: the other stays whole meanwhile
OPEN = {"metrics", "using", "plugins"}  # of what makes a result, what adding changes
KEPT_OPEN = {"provenance", "restored_by", "repeats"}  # what pictures that were kept do not tell
CLOSE = 1e-5  # sums in another order differ by 1e-7 of a score, other weights by far more


def add_metrics(
    data: ScoredSplit,
    out: Path,
    *,
    metrics: Sequence[str],
    restore: Restorer | None = None,
    name: str | None = None,
    **options: Any,
) -> Evaluation:
    """Add metrics to the finished result in `out`; its rows, times and skipped pictures stay.

    Without `restore`, from the pictures that it kept. `options` are those of `evaluate`. A second
    call goes on where the first was interrupted. UserError for a result that is not finished, of
    other data or options, and where what is scored now is not what was scored then: one metric
    that is there already is computed again and compared.
    """
    before, scored = _finished(out)
    if not (new := [metric for metric in metrics if metric not in before.metrics]):
        return _told(out, before, [f"nothing to add: it has {', '.join(metrics)} already"])
    check_names(before.protocol, new)
    again = _Again(out, before, scored, kept=restore is None)
    wanted = [again.metric, *new]
    with locked(out):
        _forget_others(out / ADDING, wanted)
        found = evaluate(
            data,
            out / ADDING,
            restore=restore or again.kept_pictures(),
            name=name or before.model,
            metrics=wanted,
            first_look=again.look_first,
            # `overwrite`: what an earlier call scored of pictures that were mended since.
            **{**options, "overwrite": True},
        )
        if lacking := [each for each in found.skipped if each.id in scored]:
            told = f"nothing was added: {', '.join(new)} needs all of the pictures; run it again"
            return _told(out, before, [told], lacking)
        pictures = again.merged(new)
        summary = _summary(before, read_summary(out / ADDING), pictures, new)
        # A summary that does not name a metric yet takes rows that have it, not the other way.
        write_pictures(out, pictures)
        write_summary(out, summary)
        shutil.rmtree(out / ADDING)
    return _told(out, summary, found.notes)


class _Again:
    """The old scores beside new ones of the same pictures."""

    def __init__(
        self, out: Path, before: ResultSummary, scored: Mapping[str, ScoredPicture], *, kept: bool
    ) -> None:
        self.out, self.before, self.scored, self.kept = out, before, scored, kept
        plain = (name for name in before.metrics if not find_metric(name).needs)
        self.metric = next(plain, before.metrics[0])  # computed again

    def kept_pictures(self) -> Restorer:
        """What gives the pictures that were scored; UserError where they were not kept."""
        if self.before.restored_by == "identity":
            return Identity(self.before.model)
        given = {"folder": "--restored FOLDER", "classical": "--classical NAME"}
        source = given.get(self.before.restored_by, "--checkpoint RUN")
        if not (self.out / RESTORED).is_dir():
            why = "keeps no restored pictures (--save-restored does)"
        elif self.before.repeats > 1:
            why = f"its scores are means over {self.before.repeats} draws, of which it kept one"
        elif PROTOCOLS[self.before.protocol].levels != "rounded":
            why = f"{self.before.protocol} scores more than the 8 bits that it kept"
        else:
            return FolderRestorer(self.out / RESTORED, self.before.model)
        raise UserError(f"{self.out}: {why}; name what restored them with {source}")

    def look_first(self, scorer: Scorer, rows: Sequence[Row]) -> None:
        """UserError where options differ, or the first picture has another score than before."""
        free = OPEN | (KEPT_OPEN if self.kept and self.before.restored_by != "identity" else set())
        there, now = (
            {key: value for key, value in of.identity().items() if key not in free}
            for of in (self.before, scorer.head)
        )
        if differs := changed(there, now):
            raise UserError(f"{self.out}: {self.refused(differs, scorer.restore)}")
        for tool, which in scorer.head.using.items():
            if (known := self.before.using.get(tool, which)) != which:
                raise UserError(f"{self.out}: was scored with --using {tool}={known}, not {which}")
        for row in [row for row in rows if row["id"] in self.scored][:1]:
            found = scorer.outcome(row, ()).found
            if isinstance(found, ScoredPicture):
                self.compare(found)

    def refused(self, differs: Sequence[str], restore: Restorer) -> str:
        """Why nothing is added, and the mend."""
        stale = changed_since(self.scored, restore)
        if isinstance(restore, FolderRestorer) and stale and not self.kept:
            told = told_of(stale, self.scored, restore)
            return f"{told}; score again with --overwrite in place of --add, then add"
        told = f"holds a result of another {', '.join(differs)}"
        return f"{told}; add with the options that it was made with"

    def compare(self, found: ScoredPicture) -> None:
        """UserError where a picture scores otherwise than it did."""
        old, new = (each.metrics[self.metric] for each in (self.scored[found.id], found))
        if old != new and (old is None or new is None or not math.isclose(old, new, rel_tol=CLOSE)):
            mend = "Give another --out, or the pictures or weights of then"
            if self.kept:
                kept = restored_file(self.out, found.id)
                mend = f"Remove {kept} and run its `evaluate --save-restored` again, then add"
            raise UserError(
                f"{self.out}: {found.id} has {self.metric} {_short(old)} there and {_short(new)}"
                f" now: this is another restored picture than it scored; nothing was added. {mend}"
            )

    def merged(self, new: Sequence[str]) -> list[ScoredPicture]:
        """The old rows with the new scores, once all are compared."""
        found = {each.id: each for _, each in read_pictures(self.out / ADDING)}
        for id in self.scored:
            self.compare(found[id])
        return [_with(each, found[each.id], new) for each in self.scored.values()]


def _finished(out: Path) -> tuple[ResultSummary, dict[str, ScoredPicture]]:
    """Summary and rows; UserError where there is no result, or an unfinished one."""
    summary = read_summary(out)
    if not summary.complete:
        raise UserError(f"{out}: is not finished; run its `blurbench evaluate` again, then add")
    return summary, {each.id: each for _, each in read_pictures(out)}


def _forget_others(adding: Path, metrics: Sequence[str]) -> None:
    """Drop what an interrupted call left that was to add other metrics."""
    if (adding / "summary.json").is_file() and read_summary(adding).metrics != list(metrics):
        shutil.rmtree(adding)


def _with(old: ScoredPicture, found: ScoredPicture, new: Sequence[str]) -> ScoredPicture:
    """A row with more scores."""
    update: dict[str, Any] = {"metrics": old.metrics | {name: found.metrics[name] for name in new}}
    if spread := {name: found.spread[name] for name in new if name in found.spread}:
        update["spread"] = old.spread | spread
    return old.model_copy(update=update)


def _summary(
    before: ResultSummary, found: ResultSummary, pictures: Sequence[ScoredPicture], new: list[str]
) -> ResultSummary:
    """The summary with more metrics; times, memory and machine stay those of the restoring."""
    known = means(each.metrics for each in pictures)
    more: dict[str, Any] = {
        "metrics": [*before.metrics, *new],
        "added": [*before.added, *new],
        "means": before.means | {name: known.get(name) for name in new},
        "using": before.using | found.using,
        "plugins": before.plugins | {k: v for k, v in found.plugins.items() if k in new},
        "spread": means(each.spread for each in pictures),
    }
    return before.model_copy(
        update={key: value for key, value in more.items() if value != getattr(before, key)}
    )


def _told(
    out: Path, summary: ResultSummary, notes: list[str], skipped: Sequence[Skipped] = ()
) -> Evaluation:
    """What there is now."""
    found = {name: mean for name, mean in summary.means.items() if mean is not None}
    listed = [*(skipped or summary.skipped)]
    return Evaluation(out, summary.model, summary.images, found, listed, notes)


def _short(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"
