import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from blurbench.ranking.comparisons import comparison, critical_difference, holm, signed_rank


def table(rows):
    return {
        model: {f"id{index}": float(value) for index, value in enumerate(row)}
        for model, row in rows.items()
    }


def test_holm_by_hand():
    # Sorted .005 .011 .02 .04: times 4, 3, 2, 1 is .02 .033 .04 .04.
    assert holm([0.04, 0.011, 0.005, 0.02]) == pytest.approx([0.04, 0.033, 0.02, 0.04])
    # .01 x 3 = .03; .015 x 2 = .03; .0151 x 1 may not fall below it.
    assert holm([0.01, 0.0151, 0.015]) == pytest.approx([0.03, 0.03, 0.03])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_its_definition(values):
    ordered, count = sorted(values), len(values)
    for raw, corrected in zip(values, holm(values), strict=True):
        steps = [(count - i) * p for i, p in enumerate(ordered[: ordered.index(raw) + 1])]
        assert corrected == min(1, max(steps))
        assert raw <= corrected


def test_the_signed_rank_test_by_hand():
    # All seven of one sign: 2 of the 2^7 signs are as extreme.
    assert signed_rank(np.arange(1.0, 8)) == pytest.approx(2 / 128)
    assert signed_rank(np.zeros(9)) == 1


def test_pairs_carry_scipys_p_values_corrected_over_the_board():
    rng = np.random.default_rng(0)
    rows = {name: rng.normal(0.25 * step, 1, 40) for step, name in enumerate("abc")}
    result = comparison(table(rows), higher_is_better=True)
    raw = {
        pair: stats.wilcoxon(rows[pair[0]], rows[pair[1]]).pvalue
        for pair in (("a", "b"), ("a", "c"), ("b", "c"))
    }
    assert {pair: result.duels[pair].p for pair in raw} == pytest.approx(
        dict(zip(raw, holm(list(raw.values())), strict=True))
    )
    for (one, other), pair in result.duels.items():
        assert pair.wins == (rows[one] > rows[other]).sum() == result.duels[other, one].losses
        assert pair.p == result.duels[other, one].p


def test_mean_ranks_share_ties_and_turn_with_the_direction():
    scores = table({"a": [3] * 8, "b": [2] * 6 + [3] * 2, "c": [1] * 8})
    up = comparison(scores, higher_is_better=True)
    assert up.mean_ranks == {"a": (6 + 3) / 8, "b": (12 + 3) / 8, "c": 3}
    assert up.models == ["a", "b", "c"]
    assert (up.duels["a", "b"].wins, up.duels["a", "b"].losses) == (6, 0)
    down = comparison(scores, higher_is_better=False)
    assert down.models == ["c", "b", "a"]
    values = [list(row.values()) for row in scores.values()]
    assert up.friedman_p == pytest.approx(stats.friedmanchisquare(*values).pvalue)


@pytest.mark.parametrize(("models", "q"), [(2, 1.960), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_that_of_the_printed_table(models, q):
    # Demsar 2006, table 5(a).
    expected = q * np.sqrt(models * (models + 1) / (6 * 30))
    assert critical_difference(models, 30) == pytest.approx(expected, rel=1e-3)


def test_models_that_tie_everywhere_do_not_differ():
    result = comparison(table(dict.fromkeys("abc", [5.0] * 10)), higher_is_better=True)
    assert result.friedman_p == 1
    assert not any(pair.differs for pair in result.duels.values())


def test_one_model_or_too_few_pictures_are_not_compared():
    assert comparison(table({"a": range(10)}), higher_is_better=True) is None
    assert comparison(table({"a": range(5), "b": range(5)}), higher_is_better=True) is None
