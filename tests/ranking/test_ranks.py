import numpy as np

from blurbench.ranking.ranks import ranks
from blurbench.ranking.statistics import difference


def named(values):
    return {f"id{index}": float(value) for index, value in enumerate(values)}


def test_models_that_chance_may_have_ordered_share_a_rank():
    rng = np.random.default_rng(5)
    base = rng.normal(20, 2, 40)
    scores = {
        "worst": named(base - 3),
        "best": named(base + rng.normal(0, 0.5, 40)),
        "twin": named(base + rng.normal(0, 0.5, 40)),
    }
    assert ranks(scores, higher_is_better=True) == {"best": 1, "twin": 1, "worst": 3}
    assert ranks(scores, higher_is_better=False) == {"worst": 1, "best": 2, "twin": 2}


def test_a_chain_of_small_steps_does_not_share_one_rank():
    noise = np.random.default_rng(6).normal(0, 1, (3, 30))
    noise -= noise.mean(axis=1, keepdims=True)
    scores = {name: named(20 - step * 0.4 + noise[step]) for step, name in enumerate("abc")}
    result = ranks(scores, higher_is_better=True)
    assert not difference(scores["a"], scores["b"]).differs
    assert not difference(scores["b"], scores["c"]).differs
    assert result == {"a": 1, "b": 1, "c": 3}


def test_a_model_alone_ranks_first():
    assert ranks({"only": {"a": 1.0}}, higher_is_better=True) == {"only": 1}
