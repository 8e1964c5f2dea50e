"""How many steps a run has: asked for, recorded, or more than it had."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from blurbench.errors import UserError
from blurbench.models.base import Model, Schedule
from blurbench.runs.folder import LAST, MinutesOfRun, RunConfig, change_run

PROBES = 256  # places at which a schedule is asked whether it is constant


@dataclass(frozen=True)
class Length:
    """Steps of a run, all stages together, and how they came about."""

    steps: int
    extended: tuple[int, ...] = ()  # the totals that it had before
    minutes: MinutesOfRun | None = None

    def grown(self, old: RunConfig) -> RunConfig:
        """The config.json of a run as it would be with more steps than it has, if these are."""
        return self.told(old) if self.steps > old["steps"] else old

    def told(self, config: RunConfig) -> RunConfig:
        """A run's config.json with these steps."""
        told: RunConfig = {**config, "steps": self.steps}
        if self.extended:
            told["extended"] = list(self.extended)
        if self.minutes:
            told["minutes"] = self.minutes
        return told


def length_of(out: Path, model: Model, steps: int | None, old: RunConfig | None) -> Length:
    """As asked for, else as recorded, else as the preset has it.

    UserError where fewer are asked for than a run has, or more than its schedules allow.
    """
    if old is None:
        return Length(steps or model.config.steps)
    recorded = Length(old["steps"], tuple(old.get("extended", ())), old.get("minutes"))
    if steps is None or steps == recorded.steps:
        return recorded
    if steps < recorded.steps:
        raise UserError(
            f"--steps {steps}: {out} is a run of {recorded.steps} steps; go on with --steps"
            f" {recorded.steps}, or give another --out"
        )
    told, mend = f"--steps {steps}: {out}", f"train --init {out} into another --out"
    if "stopped" in old:
        raise UserError(f"{told} was ended by its patience at step {old['stopped']}; {mend}")
    if not constant([update.schedule for update in model.stages()[-1].updates]):
        raise UserError(
            f"{told} has a learning rate that changes until step {recorded.steps}, and no steps"
            f" after it would be those of a longer run; {mend}"
        )
    return replace(recorded, steps=steps, extended=(*recorded.extended, recorded.steps))


def constant(schedules: Sequence[Schedule]) -> bool:
    """Whether learning rates stay as they are throughout a stage."""
    places = [place / PROBES for place in range(PROBES + 1)]
    return all(len({schedule(place) for place in places}) == 1 for schedule in schedules)


def extend(out: Path, length: Length) -> None:
    """Give a run more steps; it is no longer a finished one."""
    # In this order: killed in between, it goes on with the steps that it had.
    (out / LAST).unlink(missing_ok=True)
    change_run(out, steps=length.steps, extended=list(length.extended))
