"""study.csv: a row a contrast and seed, and one of their mean; times stand in columns apart."""

from collections.abc import Iterator, Mapping
from typing import Any

from blurbench.reproduce.studies.effects import ANY, Answer, Effect, Finished, answers
from blurbench.reproduce.studies.octaves import reach
from blurbench.reproduce.studies.records import Recorded
from blurbench.reproduce.studies.results import results
from blurbench.reproduce.studies.study import IDENTITY, PREPARED, Contrast, Study
from blurbench.tables import csv_text

MEAN = "mean"  # of all seeds
NUMBERS = (
    *("effect", "low", "high", "p", "p_holm", "verdict", "printed", "smallest"),
    *("pictures", "sources"),
)
TIMES = ("arm_minutes", "over_minutes")  # CPU time of the trainings: of these machines
Kept = Mapping[str, Mapping[int, Recorded]]  # by arm, then by seed, or ANY


def finished(study: Study, kept: Kept) -> Finished:
    """The scores of the arms that restore."""
    return Finished(
        {
            arm.name: {seed: one.scores for seed, one in kept[arm.name].items()}
            for arm in study.arms
            if arm.name in kept
        }
    )


def study_csv(study: Study, kept: Kept) -> str:
    """The whole file."""
    return csv_text(list(_rows(study, kept)))


def _rows(study: Study, kept: Kept) -> Iterator[dict[str, Any]]:
    done = finished(study, kept)
    for place, each in enumerate(answers(study, done)):
        yield from _of_answer(study, "secondary" if place else "primary", each, kept)
    for arm in study.arms:
        gain = Contrast(f"{arm.name} over {IDENTITY}", arm.name, IDENTITY, "")
        yield from _lines(study, "gain", gain, done.effect(arm.name, IDENTITY), kept)
    for one in reach(study, done):
        for octave, found in one.gains.items():
            part = Contrast(f"{one.arm} over {IDENTITY}", one.arm, IDENTITY, "", octave=octave)
            yield from _lines(study, "octave", part, found, kept)
    for measure in study.measures:
        for result in results(measure, kept):
            part = Contrast(f"{measure.name} of {result.arm.name}", result.arm.name, "", "")
            for line in _lines(study, "measure", part, result.value, kept):
                yield line | {"p": None}  # against 0, which nobody asks


def _of_answer(study: Study, kind: str, each: Answer, kept: Kept) -> Iterator[dict[str, Any]]:
    contrast = each.contrast
    for line in _lines(study, kind, contrast, each.effect, kept):
        if line["seed"] == MEAN:
            line["p_holm"] = each.p_holm
            line["verdict"] = each.verdict
            line["printed"] = "; ".join(f"{one.value:g}" for one in contrast.printed)
            line["smallest"] = contrast.smallest
        yield line


def _lines(
    study: Study, kind: str, contrast: Contrast, found: Effect | None, kept: Kept
) -> Iterator[dict[str, Any]]:
    """A line a seed, then one of the mean over seeds; that alone of what has not run."""
    octave = contrast.octave
    head = {
        "study": study.name,
        "kind": kind,
        "contrast": contrast.name,
        "arm": contrast.arm,
        "over": contrast.over,
        "octave": f"{octave[0]:g}-{octave[1]:g}" if octave else "",
    }
    blank = dict.fromkeys((*NUMBERS, *TIMES))
    for seed, value in sorted(found.seeds.items()) if found else ():
        taken = (_minutes(kept, arm, seed) for arm in (contrast.arm, contrast.over))
        times = dict(zip(TIMES, taken, strict=True))
        yield {**head, "seed": str(seed or PREPARED), **blank, "effect": value, **times}
    yield {**head, "seed": MEAN, **blank, **(_mean(found) if found else {})}


def _mean(found: Effect) -> dict[str, Any]:
    return {
        "effect": found.estimate.mean,
        "low": found.estimate.low,
        "high": found.estimate.high,
        "p": found.p,
        "pictures": found.pictures,
        "sources": found.sources,
    }


def _minutes(kept: Kept, arm: str, seed: int) -> float | None:
    runs = kept.get(arm, {})
    found = runs.get(seed) or runs.get(ANY)
    return found.run.minutes if found else None
