"""What a table will cost, told before it begins: runs, minutes, disk; and how it keeps its time."""

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from blurbench.datasets.make import synthesize
from blurbench.datasets.splits import list_tasks
from blurbench.errors import UserError
from blurbench.files import write_json
from blurbench.out_folder import Claim, changed
from blurbench.progress import progress
from blurbench.recipes.existing import Existing
from blurbench.recipes.recipe import load_any_recipe
from blurbench.reproduce.build import Builder, finished
from blurbench.reproduce.planned import planned, seconds_a_step, without_preset
from blurbench.reproduce.scales import FLOOR, Scale
from blurbench.reproduce.stand_ins import pictures, stand_in
from blurbench.reproduce.suites import Training, cells, trainings
from blurbench.runs.log import read_log
from blurbench.schemas import read_as
from blurbench.signals import terminable
from blurbench.sources.open import open_for
from blurbench.stores.folder import Folder
from blurbench.training.schedule import stage_bounds
from blurbench.training.train import train
from blurbench.words import counted

SCALE = "scale.json"
CLAIM = Claim("a reproduction", (SCALE,))
MARGIN = 1.3  # on the seconds of steps: validations, checkpoints, data and scores
SCORING_S = 10.0  # of one run's results, beside that margin
MEASURED_PAIRS = 4
FREE = ("input", "sample_at")  # settings that cost no time


@dataclass(frozen=True)
class StepCost:
    """A few steps of a training on this machine."""

    seconds: tuple[float, ...]  # a step of each stage
    disk: int  # bytes of its run folder


@dataclass(frozen=True)
class TablePlan:
    """What is left to do for a table."""

    scale: Scale
    runs: tuple[Training, ...]
    done: int  # runs that are finished
    minutes: float
    disk: int  # bytes of runs and data sets that are not there yet

    def __str__(self) -> str:
        """Runs, minutes and disk, in a few lines."""
        seen = sorted({planned(one, self.scale).budget.restoring for one in self.runs})
        samples = " or ".join(f"{count:,}" for count in seen) or "no"
        there = f" ({self.done} more are finished)" if self.done else ""
        lines = [
            f"{counted(len(self.runs), 'run')}{there}, {samples} samples of the restoring stages "
            f"each, {counted(self.scale.seeds, 'seed')}",
            f"about {self.minutes:.0f} minutes of the CPU or GPU, from steps measured here",
            f"about {self.disk / 1e6:,.0f} MB of disk",
        ]
        if self.scale.name == "small":
            lines.append(
                f"--minutes cuts samples, never below {FLOOR:,}: fewer teach a network nothing"
            )
        return "\n".join(lines)


def make_plan(name: str, builder: Builder, minutes: float | None = None) -> TablePlan:
    """Runs, minutes and disk of a table, by a few steps of each; nothing is written below out.

    With `minutes` at scale small, as many samples as fit into them; UserError below the floor.
    """
    scale = builder.scale
    learnt = [one for one in trainings(cells(name)) if not without_preset(one, scale)]
    runs = [one.seeded(number) for number in scale.numbers for one in learnt]
    left = tuple(one for one in runs if not finished(builder.run_folder(one)))
    costs = measure_all([*dict.fromkeys(one.seeded(0) for one in left)], builder)
    if minutes is not None and scale.name == "small" and not (builder.out / SCALE).is_file():
        scale = fitting(left, costs, scale, minutes)
    disk = sum(costs[one.seeded(0)].disk for one in left) + data_bytes(name, builder)
    needed = minutes_of(left, costs, scale)
    return TablePlan(scale, left, len(runs) - len(left), needed, disk)


def fitting(
    runs: tuple[Training, ...], costs: dict[Training, StepCost], scale: Scale, minutes: float
) -> Scale:
    """The scale with as many samples as fit into `minutes`; UserError below the floor."""
    for percent in (100, *range(95, 0, -5)):
        cut = replace(scale, share=percent / 100)
        needed = minutes_of(runs, costs, cut)
        if needed <= minutes:
            return cut
    raise UserError(
        f"--minutes {minutes:g}: {counted(len(runs), 'run')} of {FLOOR:,} samples, the floor, "
        f"take {needed:.0f}; give more, or fewer --seeds"
    )


def minutes_of(runs: tuple[Training, ...], costs: dict[Training, StepCost], scale: Scale) -> float:
    """Of training and scoring some runs at a scale, one after the other."""
    seconds = sum(SCORING_S + MARGIN * seconds_of(one, costs[one.seeded(0)], scale) for one in runs)
    return seconds / 60


def seconds_of(training: Training, cost: StepCost, scale: Scale) -> float:
    """Of all steps of a training."""
    wanted = planned(training, scale)
    bounds = stage_bounds(wanted.model.stages(), wanted.steps)
    return sum((b - a) * each for (a, b), each in zip(bounds, cost.seconds, strict=True))


def measure_all(runs: list[Training], builder: Builder) -> dict[Training, StepCost]:
    """A few steps of each, on a few built-in pictures in a folder that is then removed."""
    alike = {one: kind_of(one, builder.scale) for one in runs}
    firsts = {kind: one for one, kind in reversed(alike.items())}
    found = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        progress("measure", len(firsts)) as advance,
    ):
        for number, (kind, training) in enumerate(reversed(firsts.items())):
            out = Path(folder) / str(number)
            found[kind] = measure(training, builder, Path(folder) / training.recipe, out)
            advance(1, training.name)
    return {one: found[kind] for one, kind in alike.items()}


def kind_of(training: Training, scale: Scale) -> str:
    """Equal for trainings whose steps cost the same: whatever they look at, and for how long."""
    wanted = planned(training, scale)
    settings = {key: value for key, value in wanted.settings.items() if key not in FREE}
    return f"{training.model} {wanted.preset} {sorted(settings.items())}"


def measure(training: Training, builder: Builder, data: Path, out: Path) -> StepCost:
    """Seconds of a step of each stage of one training, and the size of its folder."""
    if not data.exists():
        recipe, of = stand_in(training.recipe)
        synthesize(recipe, pictures(recipe, of), data, limit=MEASURED_PAIRS)
    wanted = planned(training, builder.scale)
    stages = wanted.model.stages()
    # Of each stage and crop some steps; the first of a stage makes its optimisers.
    steps = 2 * len(stages) * max(1, len(wanted.model.config.crops))
    settings = wanted.settings | {"sample_at": ()}  # of steps that so short a run does not have
    train(
        training.model,
        data,
        out,
        preset=wanted.preset,
        steps=steps,
        device=builder.device,
        overrides=settings,
    )
    rows = [row for row in read_log(out) if "seconds_per_step" in row]
    each = [[seconds_a_step(row) for row in rows if row["stage"] == s.name] for s in stages]
    disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return StepCost(tuple(fmean(of[1:] or of) for of in each), disk)


def data_bytes(name: str, builder: Builder) -> int:
    """About the bytes of the data sets that are to be made: three pictures a pair, 100 kB each."""
    pairs = 0
    for recipe in dict.fromkeys(one.recipe for one in trainings(cells(name))):
        if finished(builder.data_folder(recipe)):
            continue
        if builder.root is None:
            made, of = stand_in(recipe, all_there_are=builder.scale.name == "small")
            pairs += len(list_tasks(made, pictures(made, of)))
        elif not isinstance(loaded := load_any_recipe(recipe), Existing):
            source = open_for(loaded, str(builder.source(recipe, "")))
            pairs += len(list_tasks(loaded, source))
    return 300_000 * pairs


def begin(name: str, builder: Builder, minutes: float | None) -> None:
    """Note in `out` at which scale it is made, or take up what is noted there.

    With `minutes` at scale small, a new `out` has the samples of all rows cut to fit, and tells
    so. UserError where `out` holds another scale, or where the floor does not fit.
    """
    take_up(builder)
    with builder.sharing.claimed("scale"):
        if take_up(builder):  # while another process wrote it
            return
        if minutes is not None and builder.scale.name == "small":
            plan = make_plan(name, builder, minutes)
            builder.tell(str(plan))
            builder.scale = plan.scale
        scale = builder.scale
        noted = {"scale": scale.name, "seeds": scale.seeds, "share": scale.share}
        write_json(builder.out / SCALE, noted)


class _Begun(TypedDict):
    scale: str
    seeds: int
    share: NotRequired[Annotated[float, Field(gt=0, le=1)]]


def take_up(builder: Builder) -> bool:
    """Whether `out` is begun; its share of the samples counts then. UserError for another scale."""
    store, scale = Folder(builder.out), builder.scale
    if not CLAIM.find(store):
        return False
    there = read_as(_Begun, builder.out / SCALE, "give another --out")
    CLAIM.refuse_other(store, changed(there, {"scale": scale.name, "seeds": scale.seeds}))
    builder.scale = replace(scale, share=there.get("share", 1.0))
    return True


@contextmanager
def time_limit(builder: Builder, minutes: float | None) -> Iterator[None]:
    """Stop what is being made after so many minutes, as Ctrl-C would; it can go on later."""
    if minutes is None:
        yield
        return

    def stop() -> None:
        builder.over = f"the {minutes:g} minutes were over; the same command goes on"
        # As a batch system whose time is over does.
        os.kill(os.getpid(), signal.SIGTERM)

    timer = threading.Timer(60 * minutes, stop)
    timer.daemon = True
    timer.start()
    try:
        with terminable():
            yield
    except KeyboardInterrupt:
        if not builder.over:
            raise
        builder.tell(f"\n{builder.over}")
    finally:
        timer.cancel()
