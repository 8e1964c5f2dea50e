"""Effects against slow, obvious sums and loops; and what they come to."""

import itertools
import random
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
import small_study
from scipy.stats import norm, t, wilcoxon

from blurbench.ranking.statistics import Estimate
from blurbench.reproduce.studies.effects import (
    ANY,
    Answer,
    Effect,
    Finished,
    answer,
    answers,
    effect,
    learnt,
    paired,
    verdict,
)
from blurbench.reproduce.studies.octaves import reach
from blurbench.reproduce.studies.records import RunScores
from blurbench.reproduce.studies.study import IDENTITY, Contrast
from blurbench.reproduce.studies.wording import printed, told

FACES, BLURS, SEEDS = 12, 3, 3
IDS = [f"{face}-{blur}" for face in range(FACES) for blur in range(BLURS)]
SOURCES = {id: id.partition("-")[0] for id in IDS}


def run_of(psnr, identity=20.0, severity=None):
    """The scores of a run: PSNR by id, or one for all."""
    table = psnr if isinstance(psnr, dict) else dict.fromkeys(IDS, float(psnr))
    blurred = dict.fromkeys(IDS, identity)
    return RunScores(table, dict.fromkeys(IDS, 0.5), blurred, SOURCES, severity or {})


def drawn(seed, mean):
    rng = random.Random(seed)
    faces = {str(face): rng.gauss(0, 0.5) for face in range(FACES)}
    return {id: mean + faces[SOURCES[id]] + rng.gauss(0, 0.2) for id in IDS}


def test_an_effect_is_that_of_slow_obvious_sums():
    first = {seed: drawn(seed, 22.3) for seed in (1, 2, 3)}
    second = {seed: drawn(10 + seed, 22.0) for seed in (1, 2, 3)}
    found = effect(paired(first, second), SOURCES)
    gaps = {seed: [first[seed][id] - second[seed][id] for id in IDS] for seed in (1, 2, 3)}
    for seed in (1, 2, 3):
        assert found.seeds[seed] == pytest.approx(sum(gaps[seed]) / len(IDS))
    means = [sum(gaps[seed][place] for seed in gaps) / 3 for place in range(len(IDS))]
    assert found.estimate.mean == pytest.approx(sum(means) / len(means))
    of_faces = [fmean(means[3 * face : 3 * face + 3]) for face in range(FACES)]
    assert found.p == pytest.approx(wilcoxon(of_faces).pvalue)
    assert (found.pictures, found.sources) == (36, 12)
    # Faces drawn with replacement; percentiles widened as for Student's t.
    rng = np.random.default_rng(0)
    resampled = [
        fmean(of_faces[place] for place in rng.integers(0, FACES, FACES)) for _ in range(20_000)
    ]
    tail = norm.cdf(t.ppf(0.025, FACES - 1) * (FACES / (FACES - 1)) ** 0.5)
    low, high = np.quantile(resampled, [tail, 1 - tail])
    assert found.estimate.low == pytest.approx(low, abs=0.02)
    assert found.estimate.high == pytest.approx(high, abs=0.02)


def test_only_seeds_and_pictures_of_both_are_compared():
    first = {1: {"a": 1.0, "b": 2.0}, 2: {"a": 5.0, "b": 6.0}}
    assert paired(first, {1: {"b": 0.5, "c": 0.0}}) == {1: {"b": 1.5}}
    assert paired(first, {3: {"a": 0.0}}) == {}
    assert paired({}, {}) == {}


def test_one_run_for_all_seeds_stands_against_each():
    both = {1: {"a": 1.0}, 2: {"a": 5.0}}
    assert paired(both, {ANY: {"a": 2.0}}) == {1: {"a": -1.0}, 2: {"a": 3.0}}
    assert paired({ANY: {"a": 2.0}}, both) == {1: {"a": 1.0}, 2: {"a": -3.0}}
    assert paired({ANY: {"a": 2.0}}, {ANY: {"a": 1.0}}) == {ANY: {"a": 1.0}}


def effect_of(low, high, *seeds):
    return Effect(Estimate(fmean(seeds), low, high), dict(enumerate(seeds, 1)), 0.1, 36, 12)


@pytest.mark.parametrize(
    ("low", "high", "seeds", "wanted"),
    [
        (0.1, 0.5, (0.2, 0.3, 0.4), "holds"),
        (0.01, 0.05, (0.02, 0.03, 0.04), "holds"),
        (0.1, 0.5, (-0.1, 0.5, 0.5), "undecided"),
        (-0.5, -0.1, (-0.2, -0.3, -0.4), "reversed"),
        (-0.5, -0.1, (0.1, -0.5, -0.5), "no effect worth naming"),
        (-0.1, 0.3, (0.1, 0.1, 0.1), "undecided"),
        (-0.1, 0.2, (0.1, 0.0, 0.0), "undecided"),
        (-0.1, 0.19, (0.1, 0.0, 0.0), "no effect worth naming"),
        (-0.5, 0.1, (-0.2, -0.2, -0.2), "no effect worth naming"),
        (None, None, (1.0, 1.0, 1.0), "undecided"),
    ],
)
def test_verdicts(low, high, seeds, wanted):
    assert verdict(effect_of(low, high, *seeds), 0.2) == wanted


def finished(**psnr):
    """Each arm's PSNR of every picture and seed."""
    return Finished(
        {
            arm: {seed: run_of(drawn(seed, value)) for seed in (1, 2, 3)}
            for arm, value in psnr.items()
        }
    )


CONTRAST = Contrast("a - b", "a", "b", "a is better")


def test_arms_that_do_not_beat_the_blurred_pictures_have_not_learnt():
    found = answer(CONTRAST, finished(a=25, b=19))
    assert (found.verdict, found.unlearnt) == ("has not learnt", ("b",))
    assert "b has not learnt" in told(found, study())
    assert answer(CONTRAST, finished(a=25, b=23)).verdict == "holds"
    assert answer(CONTRAST, finished(a=23, b=25)).verdict == "reversed"


def test_over_the_blurred_pictures_that_is_the_question_itself():
    contrast = Contrast("a - identity", "a", IDENTITY, "it helps")
    assert answer(contrast, finished(a=19)).verdict == "reversed"
    assert answer(contrast, finished(a=22)).verdict == "holds"


def test_an_arm_that_has_not_run_has_no_effect():
    found = answer(CONTRAST, finished(a=25))
    assert (found.effect, found.verdict) == (None, "not run")
    assert "Not answered yet" in told(found, study())
    assert answer(CONTRAST, Finished({})).verdict == "not run"
    assert not learnt(None)


def study(*arms):
    small = small_study.STUDY
    return replace(
        small, arms=tuple(replace(small.arms[0], name=name) for name in arms or ("a", "b"))
    )


@pytest.mark.parametrize(("seeds", "to_come"), [(1, "2 seeds"), (2, "1 seed"), (3, "")])
def test_a_verdict_before_all_seeds_are_in_is_provisional(seeds, to_come):
    found = Answer(CONTRAST, effect_of(0.1, 0.5, *(0.3,) * seeds), "holds")
    assert told(found, study()).endswith(
        f"excludes 0. Provisional: {to_come} to come." if to_come else "excludes 0."
    )


def test_secondary_contrasts_are_holms_and_the_primary_is_not():
    others = tuple(Contrast(f"{x} - {y}", x, y, "") for x, y in itertools.permutations("abc", 2))
    asked = replace(
        study(*"abcd"), primary=CONTRAST, secondary=(*others, Contrast("", "d", "a", ""))
    )
    found = answers(asked, finished(a=25.0, b=25.02, c=24.9))
    assert found[0].p_holm is None
    assert found[-1].p_holm is None  # not run: no part of the family
    ps = [each.effect.p for each in found[1:-1]]
    order = sorted(range(6), key=lambda place: ps[place])
    running = 0.0
    for rank, place in enumerate(order):
        running = max(running, min(1.0, (6 - rank) * ps[place]))
        assert found[1 + place].p_holm == pytest.approx(running)


def test_octaves_stop_where_the_lower_end_reaches_0():
    px = {id: 6.0 if int(SOURCES[id]) % 2 else 30.0 for id in IDS}
    psnr = {id: 22.0 if px[id] < 10 else 20.0 for id in IDS}
    done = Finished({"a": {s: run_of(psnr, severity=px) for s in (1, 2)}})
    asked = replace(study("a", "b"), octaves=((5.0, 10.0), (10.0, 20.0), (20.0, 40.0)))
    (one,) = reach(asked, done)  # b has not run
    gains = {octave: gain and gain.estimate.mean for octave, gain in one.gains.items()}
    assert gains == {(5.0, 10.0): 2.0, (10.0, 20.0): None, (20.0, 40.0): 0.0}
    assert (one.stops, one.told) == ((20.0, 40.0), "stops at 20 to 40 px")
    helped = replace(asked, octaves=((5.0, 10.0),))
    assert reach(helped, done)[0].told == "helps up to 10 px"


def test_what_is_printed_is_said_and_so_is_what_is_not():
    small = small_study.STUDY
    assert printed(small.primary) == "The paper prints +1.50 dB (Table 9)."
    other = printed(small.secondary[0])
    assert "No such contrast is printed; another contrast: +3 dB" in other
    assert "+0.20 dB" in other
