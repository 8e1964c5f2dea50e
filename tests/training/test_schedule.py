"""Which steps belong to which stage, and what they see."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from blurbench.models.base import ModelConfig, Stage
from blurbench.training.schedule import plan, samples, stage_bounds, stretches

TWO = (Stage("a", 1, ()), Stage("b", 3, ()))


def test_samples_of_a_stage_are_those_of_its_batches() -> None:
    config = ModelConfig(steps=1, batch_size=5)
    assert [samples(config, each) for each in stage_bounds(TWO, 40)] == [50, 150]
    growing = ModelConfig(steps=1, batch_size=5, crops=(8, 16), batches=(4, 1))
    assert [samples(growing, each) for each in stage_bounds(TWO, 40)] == [25, 75]
    assert sum(stretch.samples for stretch in plan(growing, TWO, 40)) == 100


def test_crops_share_out_every_step_of_a_stage() -> None:
    config = ModelConfig(steps=1, batch_size=2, crops=(8, 16, 24))
    for steps in range(1, 20):
        parts = stretches(config, (5, 5 + steps))
        assert [step for p in parts for step in range(p.first, p.last)] == [*range(5, 5 + steps)]
        assert [p.crop for p in parts] == sorted({p.crop for p in parts})
        assert {p.batch for p in parts} == {2}


def test_steps_added_later_belong_to_the_last_stage() -> None:
    assert stage_bounds(TWO, 80, extended=(40, 60)) == [(0, 10), (10, 80)]
    config = ModelConfig(steps=1, batch_size=2, crops=(8, 16))
    before, after = plan(config, TWO, 40), plan(config, TWO, 80, extended=(40, 60))
    assert after == [*before[:-1], replace(before[-1], last=80)]


@pytest.mark.parametrize(
    "fields", [{"batches": (1,)}, {"crops": (8, 16), "batches": (1,)}, {"crops": (0,)}]
)
def test_crops_and_batches_have_to_fit(fields: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ValidationError, match="crops"):
        ModelConfig(steps=1, batch_size=1, **fields)  # type: ignore[arg-type]
