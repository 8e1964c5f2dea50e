"""`blurbench train`: from a model's name and a data set to a finished run."""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import blurbench
from blurbench.datasets.dataset import BlurDataset, OnTheFlyDataset
from blurbench.datasets.pairs import Pairs
from blurbench.files import sha256
from blurbench.locks import locked
from blurbench.models import PLUG_INS, build
from blurbench.models.base import Model, parameter_count
from blurbench.models.parts.released import load_released
from blurbench.recipes.recipe import load_recipe
from blurbench.runs.devices import pick_device
from blurbench.runs.folder import VOCABULARY, PairsOfRun, RunConfig, start_run, weights_file
from blurbench.sources.open import open_for
from blurbench.stores.open import Place
from blurbench.training.batches import TrainingPairs
from blurbench.training.checkpoint import checkpoints, load_progress
from blurbench.training.checks import check_devices, check_model, told_what_fits
from blurbench.training.launch import child_arguments, launch
from blurbench.training.processes import find_world, join, leave
from blurbench.training.runner import Runner
from blurbench.training.schedule import stage_bounds
from blurbench.training.sources import describe_pairs


@dataclass(frozen=True)
class Trained:
    """What a finished run has to say."""

    folder: Path
    steps: int
    parameters: int
    best_metric: float | None  # of the validation split, where there is one
    metric: str = "PSNR"  # in dB; of captioners CIDEr

    def __str__(self) -> str:
        """One line."""
        unit = " dB" if self.metric == "PSNR" else ""
        best = f", validation {self.metric} {self.best_metric or 0:.2f}{unit}"
        best = "" if self.best_metric is None else best
        return f"{self.folder}: {self.steps} steps, {self.parameters:,} parameters{best}"


def train(
    name: str,
    data: Place | tuple[str, str],
    out: Path,
    *,
    preset: str = "paper",
    steps: int | None = None,
    seed: int = 0,
    init: Path | None = None,
    device: str | None = None,
    overrides: dict[str, Any] | None = None,
    resume: bool = False,
    processes: int = 1,
    checkpoint_seconds: float = 120.0,
) -> Trained:
    """Train model `name` on the train split of `data`; UserError for whatever does not fit.

    `data` is a made data set, or (recipe, source) to blur on the fly, anew in every epoch.
    """
    # Before the model is built: first weights are drawn from it.
    torch.manual_seed(seed)
    model = build(name, preset=preset, **(overrides or {}))
    world, target = find_world(), pick_device(device)
    pairs, validation = open_pairs(data, seed)
    # Of several processes, the one that starts the others checks and locks for all.
    check_model(name, model, pairs, world.size if world.started else processes)
    check_devices(target, world.local_size if world.started else processes)
    total = steps or model.config.steps
    make_ready(model, pairs, init, total)
    if world.first:
        told = describe_pairs(out, model, pairs, validation, init)
        config = describe(name, preset, model, told, total, seed, init)
        start_run(out, config, resume, model.Config.defaults())
        model.save_language(out / VOCABULARY)
    lock: AbstractContextManager[object] = nullcontext() if world.started else locked(out)
    with lock:
        if processes > 1:
            options = {"preset": preset, "steps": steps, "seed": seed, "init": init, "out": out}
            words = child_arguments(data, overrides or {}, model=name, device=device, **options)
            launch(processes, out, words)
        else:
            training = TrainingPairs(pairs, model.config, seed, model.reader())
            judged = judging(model, validation)
            shown = judged or pairs
            runner = Runner(out, model, training, judged, shown, total, target, world)
            run_here(runner, checkpoint_seconds)
    best = load_progress(checkpoints(out)[-1]).best_metric
    return Trained(out, total, parameter_count(model), best, "PSNR" if model.RESTORES else "CIDEr")


def run_here(runner: Runner, checkpoint_seconds: float) -> None:
    """The loop in this process, alone or as one of several."""
    device = join(runner.world, runner.device)
    # On the CPU the processors have the network to compute.
    workers = 0 if device.type == "cpu" else min(4, os.cpu_count() or 1)
    with told_what_fits(runner.folder):
        replace(
            runner,
            device=device,
            loader_workers=workers,
            checkpoint_seconds=checkpoint_seconds,
        ).run()
    leave()


def open_pairs(data: Place | tuple[str, str], seed: int) -> tuple[Pairs, Pairs | None]:
    """The train split, and the val split where there is one."""
    if not isinstance(data, tuple):
        stored = BlurDataset(data, "train")
        return stored, stored.other("val") if "val" in stored.splits else None
    recipe = load_recipe(data[0])
    source = open_for(recipe, data[1])
    pairs = OnTheFlyDataset(recipe, source, "train", seed)
    has_val = "val" in pairs.splits
    return pairs, OnTheFlyDataset(recipe, source, "val", seed) if has_val else None


def make_ready(model: Model, pairs: Pairs, init: Path | None, steps: int) -> None:
    """Words, first weights, and what else training loads, before a run is begun.

    UserError where weights are missing or do not fit, or there are too few steps.
    """
    if init is not None and (init / VOCABULARY).is_file():
        model.load_language(init / VOCABULARY)  # those that the first weights were learnt with
    else:
        model.learn_language(pairs.captions())
    if init is not None:
        load_released(model, weights_file(init))
    stage_bounds(model.stages(), steps)
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
    steps: int,
    seed: int,
    init: Path | None,
) -> RunConfig:
    """Everything that decides a run's weights."""
    config: RunConfig = {
        "model": name,
        "preset": preset,
        "config": model.config.model_dump(mode="json"),
        "steps": steps,
        "seed": seed,
        "init": sha256(weights_file(init).read_bytes()) if init else None,
        "data": data,
    }
    if vocabulary := model.vocabulary_hash():
        config["vocabulary"] = vocabulary
    if package := PLUG_INS.origin(name):
        config["package"] = package
    config["blurbench"] = blurbench.__version__
    return config
