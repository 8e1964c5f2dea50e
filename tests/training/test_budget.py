"""Samples of restoring stages and of those beside them, without training anything."""

import pytest
import torch

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.training.budget import Budget, spent, steps_for


def planned(name: str, **fields):
    with torch.device("meta"):
        return build(name, preset="tiny", **fields)


def test_a_model_of_one_stage_spends_all_of_it():
    model = planned("unet", batch_size=4)
    assert steps_for(model, 320) == 80
    assert steps_for(model, 321) == 81  # the fewest above
    assert spent(model, 80) == Budget(320, {})


@pytest.mark.parametrize("name", ["s3e", "brmr", "umsn"])
def test_stages_beside_take_nothing_from_the_budget(name):
    model = planned(name, batch_size=4)
    steps = steps_for(model, 400)
    found = spent(model, steps)
    assert found.restoring == 400
    assert found.beside
    assert sum(found.beside.values()) + 400 == 4 * steps
    assert spent(model, steps - 1).restoring < 400


def test_progressive_batches_are_counted_as_they_come():
    model = planned("unet", crops=(64, 128), batches=(8, 2))
    steps = steps_for(model, 1_000)
    assert spent(model, steps).restoring == 1_000
    assert steps == 200


def test_a_training_that_restores_nothing_has_no_budget():
    model = planned("umsn", shares=(60.0, 0.0, 0.0, 0.0))
    assert spent(model, 10).restoring == 0
    with pytest.raises(UserError, match="has no budget"):
        steps_for(model, 1)
