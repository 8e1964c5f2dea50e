"""Minutes -> steps, once and before the first: from then on, and on resume, only steps count."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from time import perf_counter, process_time

import torch

from blurbench.errors import UserError
from blurbench.models.base import Batch, Model
from blurbench.progress import progress, tell
from blurbench.runs.folder import MinutesOfRun
from blurbench.training.averaging import evaluating
from blurbench.training.checkpoint import Progress
from blurbench.training.length import Length
from blurbench.training.runner import LOOK_EVERY, LOOKS, Runner
from blurbench.training.schedule import Stretch, stage_bounds, stretches
from blurbench.training.validation import SAMPLE_PAIRS, VALIDATION_PAIRS, judge

# Timed are at least 2 steps of each stage and crop, and more of them where they are short: on a
# shared core, the CPU time of a step strays by a tenth.
LEAST, MOST, SECONDS = 2, 12, 3.0
REFERENCE = 10_000  # steps, over which a stage's and a crop's share of them is reckoned
CLOCKS = {"cpu": "CPU time, of all threads together", "wall": "wall time"}
Clock = Callable[[], float]


def reckoned(runner: Runner, minutes: float) -> Length:
    """As many steps as fit into `minutes`, validations and samples included.

    Measured by some real steps of each stage and crop, after which weights, modes and random state
    are what they were. UserError where not even the validations fit.
    """
    kind = "wall" if runner.device.type == "cuda" else "cpu"
    clock = _synchronised if kind == "wall" else process_time
    trial = replace(runner, steps=REFERENCE, at=Progress())
    with as_before(runner.model):
        trial.set_up()
        looks = (LOOKS + 1) * _seconds_of_look(trial, clock)
        seconds = _seconds_per_step(trial, clock)
    steps = steps_within(minutes * 60, seconds, looks)
    if steps < len(trial.stages):
        raise UserError(
            f"--minutes {minutes:g}: {LOOKS} looks at the validation split take"
            f" {looks / 60:.1f} minutes, and a step {seconds:.3g} s; give more minutes"
        )
    tell(
        f"{runner.folder}: {minutes:g} minutes of {CLOCKS[kind]}: {steps} steps of"
        f" {seconds:.3g} s, with {looks:.0f} s for {LOOKS} validations and samples"
    )
    told: MinutesOfRun = {
        "minutes": float(minutes),
        "clock": kind,
        "seconds_per_step": seconds,
        "seconds_of_looks": looks,
    }
    return Length(steps, minutes=told)


def steps_within(room: float, step: float, looks: float) -> int:
    """How many steps fit into `room` seconds beside the looks at them; few steps have few looks."""
    every = looks / (LOOKS * LOOK_EVERY)  # s a step, as long as looks are LOOK_EVERY steps apart
    return int(max((room - looks) / step, min(room / (step + every), LOOKS * LOOK_EVERY)))


@contextmanager
def as_before(model: Model) -> Iterator[None]:
    """Afterwards the model is what it was, and no random number has been drawn."""
    trained = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    with torch.random.fork_rng(), evaluating(model, None):
        yield
    for parameter, was in trained:
        parameter.requires_grad_(was)
        parameter.grad = None


def _seconds_per_step(trial: Runner, clock: Clock) -> float:
    """The mean over the steps of a run, by the share that each stage and crop has in them."""
    config = trial.model.config
    bounds = stage_bounds(trial.stages, REFERENCE)
    parts = list(zip(trial.stages, (stretches(config, each) for each in bounds), strict=True))
    total = 0.0
    with progress("measure a step", sum(len(found) for _, found in parts)) as advance:
        for stage, found in parts:
            ready, optimisers = trial.start_stage(stage)
            for stretch in found:
                steps = partial(trial.step, ready, optimisers)
                total += (stretch.last - stretch.first) * _seconds_of(trial, stretch, steps, clock)
                advance()
    return total / REFERENCE


def _seconds_of(
    trial: Runner, stretch: Stretch, step: Callable[[Batch, float], None], clock: Clock
) -> float:
    """Of one step of a stretch; the first is for warming up."""
    first, last = stretch.first, min(stretch.last, stretch.first + 1 + MOST)
    if not trial.loader_workers:
        # On the fly a picture is decoded once and kept: later epochs cost less than the first.
        for _ in trial.stream(first, last):
            pass
    began, count = clock(), 0
    for at, batch in enumerate(trial.stream(first, last), start=first):
        trial.at.step = at
        step(batch, 0.0)
        if at == first and last > first + 1:
            began = clock()
            continue
        count += 1
        if count >= LEAST and clock() - began > SECONDS:
            break
    return (clock() - began) / count


def _seconds_of_look(trial: Runner, clock: Clock) -> float:
    """Of one validation with its samples, by two pictures."""
    shown = trial.validation or trial.samples
    two = shown.only(range(min(2, len(shown))))
    judge(trial.model, two)
    began = clock()
    judge(trial.model, two)
    judged = len(trial.validation) if trial.validation is not None else 0
    pictures = min(judged, VALIDATION_PAIRS) + min(len(trial.samples), SAMPLE_PAIRS)
    return (clock() - began) / len(two) * pictures


def _synchronised() -> float:
    torch.cuda.synchronize()
    return perf_counter()
