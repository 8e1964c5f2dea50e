"""The statistics of a study: paired differences, their intervals, and what they come to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

import numpy as np

from blurbench.ranking.comparisons import holm, signed_rank
from blurbench.ranking.statistics import Estimate, Scores, difference, means_of_sources
from blurbench.reproduce.studies.records import RunScores
from blurbench.reproduce.studies.study import IDENTITY, Contrast, Octave, Study

Verdict = Literal[
    "holds", "reversed", "no effect worth naming", "undecided", "has not learnt", "not run"
]
ANY = 0  # stands for every seed: of what has one run for all of them
BySeed = Mapping[int, Scores]


@dataclass(frozen=True)
class Effect:
    """One arm less another, dB: over all seeds that both have, and of each."""

    estimate: Estimate  # of the mean over seeds; interval by bootstrap over sharp sources
    seeds: dict[int, float]
    p: float  # Wilcoxon's signed-rank test, two-sided, of the means of sources
    pictures: int
    sources: int


@dataclass(frozen=True)
class Answer:
    """What a contrast came to."""

    contrast: Contrast
    effect: Effect | None  # None: an arm has no run yet
    verdict: Verdict
    unlearnt: tuple[str, ...] = ()  # arms that do not beat the blurred pictures
    p_holm: float | None = None  # of a secondary contrast


@dataclass(frozen=True)
class Finished:
    """The scores of all finished runs of a study."""

    runs: Mapping[str, Mapping[int, RunScores]]  # by arm, then by seed, or ANY

    @property
    def first(self) -> RunScores | None:
        """Any run's: what it says of the pictures is the same in all."""
        return next((run for by_seed in self.runs.values() for run in by_seed.values()), None)

    def psnr(self, arm: str, octave: Octave | None = None) -> BySeed:
        """PSNR by seed and picture, of the pictures of an octave or of all; {}: not run."""
        if not self.first:
            return {}
        if arm == IDENTITY:
            found: BySeed = {ANY: self.first.identity}
        else:
            found = {seed: run.psnr for seed, run in self.runs.get(arm, {}).items()}
        if octave is None:
            return found
        within = {id for id, px in self.first.severity.items() if octave[0] <= px < octave[1]}
        return {s: {id: v for id, v in each.items() if id in within} for s, each in found.items()}

    def effect(self, arm: str, over: str, octave: Octave | None = None) -> Effect | None:
        """One arm less another; None where they have no seed or no picture in common."""
        gaps = paired(self.psnr(arm, octave), self.psnr(over, octave))
        if not gaps or not all(gaps.values()):
            return None
        assert self.first
        return effect(gaps, self.first.sources)


def paired(first: BySeed, second: BySeed) -> dict[int, dict[str, float]]:
    """By seed, then by picture: first less second, where both have it."""
    seeds = (first.keys() | second.keys()) - {ANY} or {ANY}
    both = {s: (first.get(s, first.get(ANY)), second.get(s, second.get(ANY))) for s in seeds}
    return {
        seed: {id: a[id] - b[id] for id in sorted(a.keys() & b.keys())}
        for seed, (a, b) in sorted(both.items())
        if a is not None and b is not None
    }


def effect(gaps: Mapping[int, Mapping[str, float]], sources: Mapping[str, str]) -> Effect:
    """Of paired differences by seed and picture, over the pictures that all seeds have."""
    ids = sorted(set.intersection(*(set(each) for each in gaps.values())))
    mean = {id: fmean(each[id] for each in gaps.values()) for id in ids}
    of_sources = means_of_sources(mean, sources)
    return Effect(
        difference(mean, dict.fromkeys(ids, 0.0), sources),
        {seed: fmean(each[id] for id in ids) for seed, each in gaps.items()},
        signed_rank(np.array([*of_sources.values()])),
        len(ids),
        len(of_sources),
    )


def learnt(gain: Effect | None) -> bool:
    """Whether an arm beats the blurred pictures: its gain's interval lies above 0."""
    return gain is not None and gain.estimate.low is not None and gain.estimate.low > 0


def verdict(found: Effect, smallest: float) -> Verdict:
    """Of a difference that is claimed to be above 0; `smallest`: dB, of interest.

    It holds, or is reversed, only where every seed has the sign and the interval excludes 0. Where
    the interval does not reach the smallest effect of interest, there is none worth naming. All
    else is undecided: the interval holds both, or the seeds disagree.
    """
    low, high = found.estimate.low, found.estimate.high
    if low is None or high is None:
        return "undecided"
    if low > 0 and min(found.seeds.values()) > 0:
        return "holds"
    if high < 0 and max(found.seeds.values()) < 0:
        return "reversed"
    return "no effect worth naming" if high < smallest else "undecided"


def answer(contrast: Contrast, finished: Finished) -> Answer:
    """What a contrast comes to."""
    found = finished.effect(contrast.arm, contrast.over, contrast.octave)
    if found is None:
        return Answer(contrast, None, "not run")
    if contrast.over == IDENTITY:  # whether it beats that is the question itself
        return Answer(contrast, found, verdict(found, contrast.smallest))
    unlearnt = tuple(
        arm for arm in contrast.arms if not learnt(finished.effect(arm, IDENTITY, contrast.octave))
    )
    told = "has not learnt" if unlearnt else verdict(found, contrast.smallest)
    return Answer(contrast, found, told, unlearnt)


def answers(study: Study, finished: Finished) -> list[Answer]:
    """Of the primary contrast, then of the secondary ones, whose p-values are Holm's."""
    first, *others = (answer(contrast, finished) for contrast in study.contrasts)
    done = [each for each in others if each.effect]
    corrected = iter(holm([each.effect.p for each in done if each.effect]))
    return [
        first,
        *(replace(each, p_holm=next(corrected)) if each.effect else each for each in others),
    ]
