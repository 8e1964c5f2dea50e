"""What a training spends: samples that its restoring stages see, and those beside them.

What is compared must be equal in the first; what a method needs beside it is stated, not hidden.
"""

from dataclasses import dataclass

from blurbench.errors import UserError
from blurbench.models.base import Model
from blurbench.training.schedule import samples, stage_bounds

MOST_STEPS = 1 << 40


@dataclass(frozen=True)
class Budget:
    """Training samples, each a crop or whole picture that a step has seen."""

    restoring: int  # of the stages that train what is compared
    beside: dict[str, int]  # of each other stage, by its name


def spent(model: Model, steps: int) -> Budget:
    """What `steps` of a model, all stages together, spend; UserError for fewer than stages."""
    stages = model.stages()
    restoring, beside = 0, {}
    for stage, bounds in zip(stages, stage_bounds(stages, steps), strict=True):
        seen = samples(model.config, bounds)
        if stage.beside:
            beside[stage.name] = seen
        else:
            restoring += seen
    return Budget(restoring, beside)


def steps_for(model: Model, restoring: int) -> int:
    """The fewest steps, all stages together, whose restoring stages see `restoring` samples.

    Never fewer than a model has stages; UserError where every stage is beside.
    """
    stages = model.stages()
    if all(stage.beside for stage in stages):
        raise UserError("every stage of this model is beside its restoration: it has no budget")
    low = high = len(stages)
    while spent(model, high).restoring < restoring:
        low, high = high, high * 2
        if high > MOST_STEPS:
            raise UserError("shares: none is left for the stages that restore")
    while low < high:
        middle = (low + high) // 2
        if spent(model, middle).restoring < restoring:
            low = middle + 1
        else:
            high = middle
    return high
