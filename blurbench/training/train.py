"""`blurbench train`: from a model's name and a data set to a finished run."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import torch

import blurbench
from blurbench.datasets.pairs import Pairs
from blurbench.errors import UserError
from blurbench.locks import locked
from blurbench.models import PLUG_INS, build_from
from blurbench.models.base import Model, parameter_count
from blurbench.models.parts.released import fingerprint, load_released
from blurbench.progress import tell
from blurbench.runs.devices import pick_device
from blurbench.runs.folder import (
    LAST,
    VOCABULARY,
    PairsOfRun,
    RunConfig,
    begun,
    change_run,
    start_run,
    weights_file,
)
from blurbench.runs.own_weights import refuse_foreign
from blurbench.training.batches import TrainingPairs
from blurbench.training.checkpoint import Progress, checkpoints, load_progress
from blurbench.training.checks import (
    check_devices,
    check_looks,
    check_memory,
    check_model,
    check_overrides,
    told_what_fits,
    untrained,
)
from blurbench.training.cost import Cost, cost_of
from blurbench.training.data.opened import TrainingData, open_pairs, told_of
from blurbench.training.launch import child_arguments, launch
from blurbench.training.length import Length, extend, length_of
from blurbench.training.minutes import reckoned
from blurbench.training.precision import processor, resolved
from blurbench.training.processes import World, find_world, join, leave
from blurbench.training.runner import Runner
from blurbench.training.schedule import plan as planned
from blurbench.training.schedule import stage_bounds
from blurbench.training.sources import describe_pairs
from blurbench.training.validation import told_score

Options = ParamSpec("Options")


@dataclass(frozen=True)
class Trained:
    """What a finished run has to say."""

    folder: Path
    steps: int
    parameters: int
    best_metric: float | None = None  # of the validation split, where there is one
    metric: str = "psnr"  # in dB; of captioners cider
    blurred: float | None = None  # PSNR in dB of the validation split as it is
    stopped: bool = False  # by its patience
    plan: str = ""  # what it would cost, where nothing was trained

    def __str__(self) -> str:
        """One line."""
        if self.plan:
            return self.plan
        early = ", ended by its patience" if self.stopped else ""
        best = ""
        if self.best_metric is not None:
            best = f", validation {told_score(self.metric, self.best_metric, self.blurred)}"
        return f"{self.folder}: {self.steps} steps{early}, {self.parameters:,} parameters{best}"


def blaming(
    work: Callable[Concatenate[str, Options], Trained],
) -> Callable[Concatenate[str, Options], Trained]:
    """Of another package's model, tell whose it is that fails."""

    @wraps(work)
    def blamed(name: str, /, *given: Options.args, **options: Options.kwargs) -> Trained:
        with PLUG_INS.blamed(name):
            return work(name, *given, **options)

    return blamed


@blaming
def train(
    name: str,
    data: TrainingData,
    out: Path,
    *,
    preset: str = "paper",
    steps: int | None = None,
    minutes: float | None = None,
    hold_out: float | None = None,
    seed: int = 0,
    init: Path | None = None,
    device: str | None = None,
    overrides: dict[str, Any] | None = None,
    resume: bool = False,
    processes: int = 1,
    checkpoint_seconds: float = 120.0,
    plan: bool = False,
) -> Trained:
    """Train model `name` on the train split of `data`; UserError for whatever does not fit.

    `data`: a made set, several with shares, or (recipe, source) blurred anew in every epoch.
    `minutes` in place of `steps` are turned into steps; `hold_out` is a share of the training
    sources that judges in place of a val split. A checkpoint is written at the end of each stage,
    and every `checkpoint_seconds`. `plan`: only say what it would cost; nothing is written.
    """
    world, target = find_world(), pick_device(device)
    check_minutes(minutes, steps, max(processes, world.size))
    # Before the model is built: first weights are drawn from it.
    torch.manual_seed(seed)
    model = build_from(name, preset, overrides or {})
    old = begun(out, resume)
    check_overrides(name, model, overrides or {})
    model.config = resolved(model.config, target, old and old["config"].get("precision"))
    pairs, validation = open_pairs(data, seed, hold_out)
    check_all(name, model, pairs, target, world, processes)
    length = length_of(out, model, steps, old)
    make_ready(model, pairs, init, length)
    runner = runner_for(out, model, pairs, judging(model, validation), seed, length.steps, target)
    runner = replace(runner, world=world, checkpoint_seconds=checkpoint_seconds)
    length, told = settled(runner, name, preset, minutes, length, old, processes)
    if plan:
        left = "has no steps left" if is_done(runner, old) else "of several processes: not measured"
        return Trained(out, 0, parameter_count(model), plan=told or f"{out}: {left}")
    if told:
        tell(told)
    runner = replace(runner, steps=length.steps, extended=length.extended)
    with writer(runner):
        if world.first:
            refuse_changed(out, resume, old)
            described = describe_pairs(out, model, pairs, validation, init)
            config = describe(name, preset, model, described, seed, init, hold_out, target)
            begin(runner, length, config, old)
        if processes == 1:
            run_here(runner)
            return finished(runner)
    options = {"preset": preset, "seed": seed, "init": init, "device": device, "hold-out": hold_out}
    options |= {"model": name, "out": out, "steps": length.steps}
    options |= {"checkpoint-minutes": checkpoint_seconds / 60}
    launch(processes, out, child_arguments(data, overrides or {}, **options))
    return finished(runner)


def check_minutes(minutes: float | None, steps: int | None, processes: int) -> None:
    """UserError where a budget of minutes cannot be turned into steps."""
    if minutes is not None and (steps is not None or processes > 1):
        raise UserError("--minutes is a budget of one process, and excludes --steps")


def writer(runner: Runner) -> AbstractContextManager[object]:
    """Of several processes, the first one alone writes to the run: it holds the folder."""
    return locked(runner.folder) if runner.world.first else nullcontext()


def priced(runner: Runner, processes: int, old: RunConfig | None) -> Cost | None:
    """What the steps of a run take; None where there are none left, or others have checked it."""
    # torchrun's are started by a process that has checked, or by hand on several machines; a GPU
    # that this process tried would lack what its context takes.
    if (
        is_done(runner, old)
        or runner.world.started
        or (processes > 1 and runner.device.type == "cuda")
    ):
        return None
    with told_what_fits(runner.folder):
        return cost_of(replace(runner, at=Progress()), processes)


def is_done(runner: Runner, old: RunConfig | None) -> bool:
    """Whether a run has ended, and has no steps left."""
    return old is not None and (runner.folder / LAST).is_file() and runner.steps <= old["steps"]


def runner_for(
    out: Path,
    model: Model,
    pairs: Pairs,
    judged: Pairs | None,
    seed: int,
    steps: int,
    target: torch.device,
) -> Runner:
    """The loop over some pairs, not begun yet."""
    training = TrainingPairs(pairs, model.config, seed, model.reader())
    runner = Runner(out, model, training, judged, judged or pairs, steps, target)
    return replace(runner, loader_workers=loaders(target))


def check_all(
    name: str, model: Model, pairs: Pairs, target: torch.device, world: World, processes: int
) -> None:
    """UserError for what does not fit the model, the data or the machine."""
    # Of several processes, the one that starts the others checks for all.
    check_model(name, model, pairs, world.size if world.started else processes)
    check_devices(target, world.local_size if world.started else processes)
    check_memory(model, target)


def settled(
    runner: Runner,
    name: str,
    preset: str,
    minutes: float | None,
    length: Length,
    old: RunConfig | None,
    processes: int,
) -> tuple[Length, str]:
    """How long a run is, and what that costs and sees, in words; UserError where it cannot be."""
    if cost := priced(runner, processes, old):
        cost.refuse_over(name, preset, runner.model)
    length = length if minutes is None else in_minutes(runner, minutes, length, old)
    check_looks(runner.model, runner.validation, length)
    done = steps_done(runner.folder)
    lines = [cost.told(name, preset, runner.model, length.steps, done)] if cost else []
    if not (is_done(runner, old) or runner.world.started):
        lines += told_of(runner.pairs.pairs, runner.validation, samples_of(runner.model, length))
    return length, "\n".join(lines)


def steps_done(run: Path) -> int:
    """How many steps a run has made that it need not make again."""
    return int(found[-1].name) if (found := checkpoints(run)) else 0


def samples_of(model: Model, length: Length) -> int:
    """Training samples of all steps of a run, a pair seen twice counted twice."""
    stretches = planned(model.config, model.stages(), length.steps, length.extended)
    return sum(stretch.samples for stretch in stretches)


def refuse_changed(out: Path, resume: bool, old: RunConfig | None) -> None:
    """UserError where a run was begun or extended since `old` was read, before it was locked."""
    if begun(out, resume) != old:
        raise UserError(f"{out}: another process has just written here; run the same command again")


def in_minutes(runner: Runner, minutes: float, length: Length, old: RunConfig | None) -> Length:
    """Steps for the minutes of a run that begins; one that goes on has its steps."""
    if old is not None:
        tell(f"{runner.folder}: has its {length.steps} steps; --minutes counts before the first")
        return length
    with told_what_fits(runner.folder):
        return reckoned(runner, minutes)


def begin(runner: Runner, length: Length, config: RunConfig, old: RunConfig | None) -> None:
    """Write what decides the run's weights, or see that it is the same; and say what is to know."""
    out, model = runner.folder, runner.model
    start_run(out, length.told(config), old and length.grown(old), model.Config.defaults())
    model.save_language(out / VOCABULARY)
    if old and length.steps > old["steps"]:
        extend(out, length)
    if old is None:
        tell_lacks(runner, config)
    there, here = old.get("processor") if old else None, processor(runner.device)
    if there is not None and there != here:
        tell(
            f"{out}: begun on {there}, goes on with {here}: its bytes may differ from those of a"
            " run that stayed there"
        )


def tell_lacks(runner: Runner, config: RunConfig) -> None:
    """Say what a new run does without."""
    out = runner.folder
    if runner.validation is None:
        tell(
            f"{out}: no val split: the last weights are what it keeps (`train --hold-out 0.05`"
            " judges by a share of the training sources)"
        )
    if not config.get("init") and (parts := untrained(runner.model)):
        tell(
            f"{out}: no stage trains {' and '.join(parts)}, left as drawn at random; --init RUN"
            " would give weights"
        )


def finished(runner: Runner) -> Trained:
    """What a run that has ended came to."""
    out, model = runner.folder, runner.model
    at = load_progress(checkpoints(out)[-1])
    if at.stopped and runner.world.first:
        change_run(out, stopped=at.step)
    metric = "psnr" if model.RESTORES else "cider"
    parameters = parameter_count(model)
    return Trained(out, at.step, parameters, at.best_metric, metric, at.blurred, at.stopped)


def run_here(runner: Runner) -> None:
    """The loop in this process, alone or as one of several."""
    device = join(runner.world, runner.device)
    with told_what_fits(runner.folder):
        replace(runner, device=device).run()
    leave()


def loaders(device: torch.device) -> int:
    """How many processes load batches."""
    # On the CPU the processors have the network to compute.
    return 0 if device.type == "cpu" else min(4, os.cpu_count() or 1)


def make_ready(model: Model, pairs: Pairs, init: Path | None, length: Length) -> None:
    """Words, first weights, and what else training loads, before a run is begun.

    UserError where weights are missing or do not fit, or there are too few steps.
    """
    if init is not None and (init / VOCABULARY).is_file():
        model.load_language(init / VOCABULARY)  # those that the first weights were learnt with
    else:
        model.learn_language(pairs.captions())
    if init is not None:
        load_released(model, weights_file(init))
        refuse_foreign(weights_file(init))
    stage_bounds(model.stages(), length.steps, length.extended)
    model.prepare()


def judging(model: Model, validation: Pairs | None) -> Pairs | None:
    """The split that tells the best weights; none where it is too small for that."""
    # CIDEr weighs a word by the pictures without it: of one there is none.
    few = validation is not None and not model.RESTORES and len(validation) < 2
    return None if few else validation


def describe(
    name: str,
    preset: str,
    model: Model,
    data: PairsOfRun,
    seed: int,
    init: Path | None,
    hold_out: float | None,
    target: torch.device,
) -> RunConfig:
    """Everything that decides a run's weights, but for its steps."""
    config: RunConfig = {
        "model": name,
        "preset": preset,
        "config": model.config.model_dump(mode="json"),
        "steps": 0,  # a place for them
        "seed": seed,
        "init": fingerprint(weights_file(init)) if init else None,
        "data": data,
    }
    if hold_out is not None:
        config["hold_out"] = hold_out
    if vocabulary := model.vocabulary_hash():
        config["vocabulary"] = vocabulary
    if package := PLUG_INS.origin(name):
        config["package"] = package
    return {**config, "processor": processor(target), "blurbench": blurbench.__version__}
