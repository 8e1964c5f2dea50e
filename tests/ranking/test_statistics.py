import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench.ranking import statistics
from blurbench.ranking.statistics import (
    FEWEST,
    by_source,
    difference,
    estimate,
    estimates,
    means_of_sources,
)


def named(values):
    return {f"id{index}": float(value) for index, value in enumerate(values)}


@pytest.mark.parametrize("size", [10, 200])
def test_the_interval_covers_the_true_mean_as_often_as_it_says(size):
    rng = np.random.default_rng(1)
    samples = rng.gamma(4, 1, (20, 100, size))  # skewed, true mean 4
    hits = [e.low <= 4 <= e.high for block in samples for e in estimates(block)]
    assert len(hits) == 2000
    assert 0.93 <= np.mean(hits) <= 0.97


def blurs_of_faces(rng, counts):
    """Scores of so many blurs of each face, that faces tell apart more than blurs do; mean 20."""
    faces = rng.normal(20, 3, len(counts))
    return {
        f"face{face}-{blur}": rng.normal(faces[face], 1)
        for face, count in enumerate(counts)
        for blur in range(count)
    }


@pytest.mark.slow
@pytest.mark.parametrize("counts", [[8] * 30, [3, 8, 13] * 10])
def test_the_interval_covers_the_mean_where_many_pictures_come_from_one(counts):
    rng = np.random.default_rng(4)
    drawn = [blurs_of_faces(rng, counts) for _ in range(2000)]
    sources = {name: name.partition("-")[0] for name in drawn[0]}
    hits = [e.low <= 20 <= e.high for e in estimates([by_source(of, sources) for of in drawn])]
    assert 0.93 <= np.mean(hits) <= 0.97
    alone = estimates([[*of.values()] for of in drawn[:400]])
    assert np.mean([e.low <= 20 <= e.high for e in alone]) < 0.7


def test_a_value_a_source_keeps_the_mean_of_all_scores():
    scores = blurs_of_faces(np.random.default_rng(5), [1, 4, 2])
    sources = {name: name.partition("-")[0] for name in scores}
    values = by_source(scores, sources)
    assert len(values) == 3
    assert np.mean(values) == pytest.approx(np.mean([*scores.values()]))
    assert by_source(scores, {}) == [*scores.values()]
    assert by_source({}, sources) == []
    means = means_of_sources(scores, sources)
    assert means["face0"] == scores["face0-0"]
    assert means["face2"] == pytest.approx((scores["face2-0"] + scores["face2-1"]) / 2)


@pytest.mark.parametrize("size", [7, 64, 201])
def test_an_interval_has_the_same_bits_whoever_else_is_asked_about(size):
    values = np.random.default_rng(8).normal(20, 3, (9, size))
    alone = [estimate(row) for row in values]
    assert estimates(values) == alone
    assert estimates(values[::-1]) == alone[::-1]
    assert estimates([]) == []


def test_the_interval_is_that_of_student_for_many_normal_values():
    values = np.random.default_rng(2).normal(20, 3, 400)
    result = estimate(values)
    half = 1.966 * values.std(ddof=1) / np.sqrt(400)
    assert result.mean == pytest.approx(values.mean())
    assert result.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert result.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_the_same_values_give_the_same_interval_whatever_was_drawn_before():
    values = np.random.default_rng(3).normal(0, 1, 30)
    first = estimate(values)
    np.random.default_rng().normal(size=5)
    assert estimate(list(values)) == first


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=FEWEST, max_size=20))
def test_the_mean_lies_in_its_interval_and_both_in_the_range(values):
    result = estimate(values)
    slack = 1e-4
    assert min(values) - slack <= result.low <= result.mean + slack
    assert result.mean - slack <= result.high <= max(values) + slack


def test_equal_values_have_an_interval_of_no_width():
    result = estimate([0.1] * 7)
    assert result.high - result.low == 0
    assert result.low == pytest.approx(0.1, abs=1e-12)


def test_too_few_values_have_no_interval_and_differ_from_nothing():
    result = estimate([5.0] * (FEWEST - 1))
    assert (result.mean, result.low, result.high, result.differs) == (5.0, None, None, False)
    with pytest.raises(ValueError, match="no values"):
        estimate([])


def test_a_difference_is_paired_by_id_over_the_common_ids():
    first = {"a": 3.0, "b": 5.0, "only": 100.0}
    second = {"b": 4.0, "a": 1.0, "other": -100.0}
    assert difference(first, second).mean == 1.5


def test_pairing_finds_what_two_separate_intervals_would_hide():
    rng = np.random.default_rng(4)
    hard = rng.normal(20, 5, 50)
    first, second = named(hard + rng.normal(0.3, 0.1, 50)), named(hard)
    assert difference(first, second).differs
    assert estimate(list(first.values())).low < estimate(list(second.values())).high


def test_many_values_take_a_byte_a_draw_and_give_what_one_large_draw_gives(monkeypatch):
    monkeypatch.setattr(statistics, "CHUNK", 2**16)
    monkeypatch.setattr(statistics, "RESAMPLES", 1999)
    statistics._resamples.cache_clear()
    values = np.random.default_rng(7).normal(20, 3, 1000)
    tracemalloc.start()
    result = estimate(values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    statistics._resamples.cache_clear()
    assert peak < 1999 * 1000 + 2**16 * 16 + 2**20
    generator = np.random.Generator(np.random.PCG64(1000))
    draws = generator.multinomial(1000, np.full(1000, 1 / 1000), 1999)
    tail = statistics._tail(1000)
    expected = np.quantile(draws @ values / 1000, [tail, 1 - tail])
    assert [result.low, result.high] == pytest.approx(expected, abs=1e-5)
