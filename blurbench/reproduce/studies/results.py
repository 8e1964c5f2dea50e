"""What the arms of a measure came to: means over seeds, and how far apart they are."""

from collections.abc import Mapping
from dataclasses import dataclass

from blurbench.reproduce.studies.effects import Effect, effect, paired
from blurbench.reproduce.studies.records import Recorded
from blurbench.reproduce.studies.study import Arm, Measure

Runs = Mapping[int, Recorded]  # by seed, or ANY


@dataclass(frozen=True)
class ArmResult:
    """An arm by a measure."""

    arm: Arm
    value: Effect | None  # over all seeds that there are; None: not run
    gap: Effect | None  # paired, less the first arm's over the seeds of both


def results(measure: Measure, kept: Mapping[str, Runs]) -> list[ArmResult]:
    """A result an arm, in the order of the arms."""
    first = kept.get(measure.arms[0].name, {})
    return [
        ArmResult(
            arm,
            compared(kept.get(arm.name, {}), None),
            compared(kept.get(arm.name, {}), first) if place else None,
        )
        for place, arm in enumerate(measure.arms)
    ]


def compared(runs: Runs, over: Runs | None) -> Effect | None:
    """Of one arm, or of it less another, picture by picture."""
    values = {seed: dict(one.scores.measure) for seed, one in runs.items()}
    if over is not None:
        values = paired(values, {seed: one.scores.measure for seed, one in over.items()})
    if not values or not all(values.values()):
        return None
    return effect(values, next(iter(runs.values())).scores.sources)
