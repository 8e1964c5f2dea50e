"""Which steps belong to which stage, and how large their batches and crops are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from blurbench.errors import UserError
from blurbench.models.base import ModelConfig, Stage

Bounds = tuple[int, int]  # first and one-past-last step


def stage_bounds(
    stages: tuple[Stage, ...], steps: int, extended: Sequence[int] = ()
) -> list[Bounds]:
    """First and one-past-last step of each stage, in proportion to their shares.

    extended: the totals that this run had before; the first shared them out, and all further steps
    belong to the last stage. UserError where a stage would have no step.
    """
    steps, total = (extended[0], steps) if extended else (steps, steps)
    if steps < len(stages):
        raise UserError(f"--steps {steps}: this model has {len(stages)} stages; give at least that")
    shares = [stage.share for stage in stages]
    whole = sum(shares)
    if not whole or min(shares) < 0:
        raise UserError("shares: none may be below 0, nor all of them 0")
    ends, covered = [0], 0.0
    for number, stage in enumerate(stages, start=1):
        covered += stage.share
        room = steps - (len(stages) - number)  # each later stage keeps at least one step
        ends.append(min(room, max(ends[-1] + 1, round(steps * covered / whole))))
    return list(pairwise([*ends[:-1], total]))


@dataclass(frozen=True)
class Stretch:
    """Consecutive steps of one stage whose batches are of one size."""

    first: int
    last: int  # one past
    batch: int
    crop: int | None  # px; none: whole pictures

    @property
    def samples(self) -> int:
        """Pairs that its steps see."""
        return (self.last - self.first) * self.batch


def stretches(config: ModelConfig, bounds: Bounds) -> list[Stretch]:
    """The equal parts of one stage, one for each of the preset's `crops` (Restormer, section 4)."""
    first, last = bounds
    crops = config.crops or (config.crop_size,)
    batches = config.batches or (config.batch_size,) * len(crops)
    ends = [first + round((last - first) * part / len(crops)) for part in range(len(crops) + 1)]
    parts = zip(pairwise(ends), batches, crops, strict=True)
    return [Stretch(*ends, batch, crop) for ends, batch, crop in parts if ends[0] < ends[1]]


def samples(config: ModelConfig, bounds: Bounds) -> int:
    """Training pairs that the steps of one stage see, a pair seen twice counted twice."""
    return sum(stretch.samples for stretch in stretches(config, bounds))


def plan(
    config: ModelConfig, stages: tuple[Stage, ...], steps: int, extended: Sequence[int] = ()
) -> list[Stretch]:
    """Every stretch of a run, in order; steps that were added later are like the last before."""
    bounds = stage_bounds(stages, extended[0] if extended else steps)
    found = [stretch for each in bounds for stretch in stretches(config, each)]
    return [*found[:-1], replace(found[-1], last=steps)]


def largest_crop(config: ModelConfig) -> int | None:
    """The largest training crop in px; none: whole pictures."""
    return max(config.crops) if config.crops else config.crop_size
