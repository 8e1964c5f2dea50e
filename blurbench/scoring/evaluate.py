"""Restored pictures + a split of a data set -> the RESULT folder: scores and their summary."""

import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blurbench.datasets.format import Row
from blurbench.datasets.pair import READ
from blurbench.datasets.pairs import ScoredSplit
from blurbench.engine import ALONE, Workers, staying
from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.images.header import Peculiarities
from blurbench.locks import locked
from blurbench.metrics import PLUG_INS, PROTOCOLS, find_metric, known, make_ready
from blurbench.metrics.protocols import PSNR_CEILING_DB
from blurbench.progress import progress
from blurbench.scoring.begun import RESULT, added_before, begun, settle
from blurbench.scoring.environment import forget_peaks
from blurbench.scoring.leaks import find_leaks, tell_leaks
from blurbench.scoring.restorers import Restorer, trained
from blurbench.scoring.result_folder import (
    FAILURES,
    Keep,
    ResultSummary,
    ScoredPicture,
    Skipped,
    appending,
    sample_ids,
    write_failures,
    write_pictures,
    write_summary,
)
from blurbench.scoring.score import Scorer, means
from blurbench.scoring.spread import Conditions, score_rows
from blurbench.scoring.tools import MetricInputs, to_score
from blurbench.stores.folder import Folder
from blurbench.stores.open import base_name
from blurbench.words import counted

SHOWN = 10  # skipped pictures that are printed; failures.jsonl has all

FirstLook = Callable[[Scorer, Sequence[Row]], None]


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation came to."""

    out: Path
    model: str
    images: int
    means: dict[str, float]
    skipped: list[Skipped]
    notes: list[str]

    @property
    def failed(self) -> int:
        """How many pictures have no row."""
        return len(self.skipped)

    def __str__(self) -> str:
        """A line of means, then a line for each picture that was skipped, and for each note."""
        means = ", ".join(
            f"{metric.title} {value:.{metric.digits}f} {metric.unit}".rstrip()
            for metric, value in ((find_metric(key), value) for key, value in self.means.items())
        )
        if self.images:
            lines = [f"{self.model}: {means} over {counted(self.images, 'picture')} ({self.out})"]
        else:
            lines = [f"{self.model}: no picture could be scored ({self.out})"]
        lines += [f"skipped {each.id}: {each.why}" for each in self.skipped[:SHOWN]]
        if self.failed > SHOWN:
            lines.append(f"... and {self.failed - SHOWN} more: {self.out / FAILURES}")
        return "\n".join([*lines, *self.notes])


@dataclass(frozen=True)
class NotEvaluated:
    """A run of several that could not be evaluated."""

    run: Path
    why: str
    failed: int = 1

    def __str__(self) -> str:
        """One line."""
        return f"not evaluated: {self.run}: {self.why.removeprefix(f'{self.run}: ')}"


def evaluate_runs(
    data: ScoredSplit,
    out: Path,
    runs: Sequence[Path],
    device: str | None,
    *,
    names: Sequence[str | None] = (),
    score: Callable[..., Evaluation] | None = None,
    workers: Workers = ALONE,
    **options: Any,
) -> Iterator[Evaluation | NotEvaluated]:
    """`evaluate` for several runs, one after the other, into `out`/NAME.

    names: a run's, and its folder's where it has none. score: in place of `evaluate`. workers: they
    stay for all. One that cannot be loaded or scored costs the others nothing; where none can,
    UserError.
    """
    given = names or [None] * len(runs)
    folders = [name or run.resolve().name for run, name in zip(runs, given, strict=True)]
    if unfit := [name for name in folders if Path(name).name != name or name == ".."]:
        raise UserError(f"--checkpoint {unfit[0]}=...: names a folder of --out, so without '/'")
    if len(set(folders)) < len(folders):
        raise UserError("two --checkpoint folders have the same name; give them as NAME=RUN")
    refused = []
    with staying(workers) as same:
        for run, folder in zip(runs, folders, strict=True):
            try:
                restore = trained(run, folder, device)
                done: Evaluation | NotEvaluated = (score or evaluate)(
                    data, out / folder, restore=restore, name=folder, workers=same, **options
                )
            except UserError as error:
                done = NotEvaluated(run, str(error))
                refused.append(done)
            yield done
    if len(refused) == len(runs):
        raise UserError("none of the runs could be evaluated")


def evaluate(
    data: ScoredSplit,
    out: Path,
    *,
    restore: Restorer,
    name: str,
    protocol: str = "wang-rgb",
    metrics: Sequence[str] = ("psnr", "ssim"),
    repeats: int = 1,
    using: Mapping[str, str] | None = None,
    workers: Workers = ALONE,
    save_restored: bool = False,
    overwrite: bool = False,
    first_look: FirstLook | None = None,
) -> Evaluation:
    """Score every picture of a split into the result folder `out`; a second call resumes it.

    `repeats`: of a model that draws noise, the scores are means over so many draws. `using`: the
    networks that some metrics need, by the names in `tools.TOOLS`. A picture that cannot be
    restored or scored is skipped and listed, as one is that kills its worker. The scores are the
    same for any number of workers. `save_restored` keeps what was restored; `overwrite` scores
    again what was restored otherwise before. `first_look` may raise before anything is written.
    Raises UserError for unknown names, missing tools and labels, and for an `out` that holds
    another result.
    """
    added = added_before(out)
    metrics = [*metrics, *(name for name in added if name not in metrics)]
    check_names(protocol, metrics)
    _refuse_comparing(data, metrics)
    device = restore.provenance.get("device", "cpu")
    inputs = MetricInputs(data, metrics, using or {}, device)
    rows = to_score(data.rows)
    restore.know(data)
    notes = [*inputs.notes, *_peculiarities(rows), *restore.prepare(rows)]
    head = _head(data, len(rows), restore, name, protocol, metrics)
    # Left out where there is nothing to say: as in results from before there was.
    more: dict[str, Any] = {
        "repeats": repeats if repeats > 1 else None,
        "using": inputs.provenance,
        "plugins": PLUG_INS.origins(metrics),
        "added": added,
        "trained_on": restore.trained_on,
        "leaks": find_leaks(rows, restore.checkpoint),
    }
    head = head.model_copy(update={key: value for key, value in more.items() if value})
    scorer = Scorer(data, restore, inputs, head)
    if first_look:
        first_look(scorer, rows)
    forget_peaks(device)
    RESULT.find(Folder(out))  # before the lock, which leaves a file behind
    keep = Keep(frozenset(sample_ids(row["id"] for row in rows)), save_restored)
    with locked(out):
        notes += settle(out, head, restore, overwrite)
        summary, pictures, skipped = _fill(out, scorer, rows, keep, workers)
    told = {metric: mean for metric, mean in summary.means.items() if mean is not None}
    notes += [*_notes(summary), *_perfect(pictures)]
    return Evaluation(out, name, len(pictures), told, skipped, notes)


def check_names(protocol: str, metrics: Sequence[str]) -> None:
    """UserError for a name that nobody knows, and for a metric that cannot be loaded.

    Whoever reads pictures before `evaluate` asks this first: a folder of photographs takes minutes.
    """
    known(PROTOCOLS, protocol, "protocol")
    for metric in metrics:
        make_ready(metric)


def _refuse_comparing(data: ScoredSplit, metrics: Sequence[str]) -> None:
    """UserError for metrics that compare, where there is nothing to compare with."""
    compare = [metric for metric in metrics if find_metric(metric).reference]
    if compare and not data.has_sharp:
        raise UserError(
            f"{data.place}: a folder of pictures, no data set, and {compare[0]} needs sharp "
            "ones; index pairs with `blurbench synthesize pairs`, or choose --metrics that need "
            "none, such as blur-effect"
        )


def _head(
    data: ScoredSplit,
    images: int,
    restore: Restorer,
    name: str,
    protocol: str,
    metrics: Sequence[str],
) -> ResultSummary:
    """What is scored and how: as much of summary.json as there is before the first picture."""
    recipe = json.dumps(data.recipe, sort_keys=True)
    head = {
        "model": name,
        "restored_by": restore.kind,
        "data": {
            "recipe": data.recipe_name,
            "recipe_sha256": sha256(recipe.encode()),
            "split": data.split,
            "digest": data.digest,
            "images": images,
        },
        "protocol": protocol,
        "metrics": list(metrics),
        "provenance": restore.provenance,
        "data_folder": base_name(data.place),
        "data_title": str(data.recipe.get("title", "")),
        "complete": False,
    }
    # By way of JSON, as a file gives it back: no tuples.
    return ResultSummary.model_validate_json(json.dumps(head))


def _fill(
    out: Path, scorer: Scorer, rows: list[Row], keep: Keep, workers: Workers
) -> tuple[ResultSummary, list[ScoredPicture], list[Skipped]]:
    """Score what is not scored yet, and write the whole result."""
    done = begun(out, scorer.head.metrics, keep)
    # First, not yet complete: boards refuse it, and a second call knows what was begun.
    write_summary(out, scorer.head)
    on = Conditions()
    skipped = _score_all(out, scorer, rows, keep, done, workers, on)
    pictures = [done[row["id"]] for row in rows if row["id"] in done]
    summary = _summarise(scorer.head, pictures, skipped, on)
    write_pictures(out, pictures)
    write_failures(out, skipped)
    # Last: where it says complete, the other files are whole.
    write_summary(out, summary)
    return summary, pictures, skipped


def _score_all(
    out: Path,
    scorer: Scorer,
    rows: list[Row],
    keep: Keep,
    done: dict[str, ScoredPicture],
    workers: Workers,
    on: Conditions,
) -> list[Skipped]:
    """Score the rows that are not `done` yet, adding to it; gives what was skipped."""
    skipped = {}
    left = [row for row in rows if row["id"] not in done]
    write_pictures(out, done.values())  # without the line that a crash tore
    told = f"evaluate {scorer.head.model}"
    with progress(told, len(rows), start=len(done)) as advance, appending(out) as append:
        for outcome in score_rows(scorer, left, keep, workers, on):
            found = outcome.found
            if isinstance(found, Skipped):
                skipped[found.id] = found
            else:
                # Pictures before the line: what has one is not restored again.
                keep.write(out, found.id, outcome.images)
                append(found)
                done[found.id] = found
            advance()
    return [skipped[row["id"]] for row in left if row["id"] in skipped]


def _summarise(
    head: ResultSummary,
    pictures: Sequence[ScoredPicture],
    skipped: Sequence[Skipped],
    on: Conditions,
) -> ResultSummary:
    """The whole of summary.json."""
    ids = [*(each.id for each in pictures), *(each.id for each in skipped)]
    times = [each.milliseconds for each in pictures if each.milliseconds is not None]
    found = {
        "complete": True,
        "images": len(pictures),
        "means": dict.fromkeys(head.metrics) | means(each.metrics for each in pictures),
        "milliseconds_median": statistics.median(times) if times else None,
        "figures": means(each.figures for each in pictures),
        "spread": means(each.spread for each in pictures),
        "tiles": dict(Counter(str(each.tile) for each in pictures if each.tile)),
        **on.peaks,
        "samples": sorted(sample_ids(ids)),
        "skipped": list(skipped),
        "environment": on.environment,
    }
    return head.model_copy(update=found)


def _peculiarities(rows: Sequence[Row]) -> list[str]:
    """What is told of picture files that others made: photographs, and pairs of an index.

    The row of a pair does not say which of its two files it is that was read so.
    """
    seen = Peculiarities("pair" if any("sharp_file_name" in row for row in rows) else "picture")
    for row in rows:
        names = [row[kind] for kind in ("blur_file_name", "sharp_file_name") if kind in row]
        seen.add(" and ".join(names), row[READ].split(", ") if READ in row else ())
    return seen.lines()


def _notes(summary: ResultSummary) -> list[str]:
    """What the user should know of how the pictures were restored, a line each."""
    notes = tell_leaks(summary)
    notes += [
        f"{counted(count, 'picture')} restored in tiles of {side} px: too large for the memory"
        for side, count in summary.tiles.items()
    ]
    if summary.repeats > 1 and summary.images and not summary.spread:
        notes.append(f"{summary.model} draws no noise: every picture was restored once")
    if summary.images:
        none = [metric for metric, value in summary.means.items() if value is None]
        notes += [f"{metric} applies to none of these pictures (it gave NaN)" for metric in none]
    return notes


def _perfect(pictures: Sequence[ScoredPicture]) -> list[str]:
    """That some restored pictures are the sharp ones: one of them in ten adds 7 dB to a mean."""
    same = [each.id for each in pictures if each.metrics.get("psnr") == PSNR_CEILING_DB]
    told = (
        f"{counted(len(same), 'picture')} restored without any error, {PSNR_CEILING_DB:g} dB each"
    )
    return [f"{told} in the mean (first: {same[0]})"] if same else []
