"""`blurbench train`: from a model's name and a data set to a finished run."""

import os
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs

import blurbench
from blurbench.datasets.dataset import BlurDataset, OnTheFlyDataset
from blurbench.files import locked, sha256
from blurbench.models import build
from blurbench.models.base import Model, parameter_count
from blurbench.models.captioners.base import VOCABULARY, Captioned
from blurbench.models.parts.released import load_released
from blurbench.recipes.recipe import load_recipe
from blurbench.runs.devices import pick_device
from blurbench.runs.folder import start_run
from blurbench.sources.open import open_for
from blurbench.stores.open import Place
from blurbench.training.batches import TrainingPairs
from blurbench.training.checkpoint import checkpoints, load_progress
from blurbench.training.checks import (
    Pairs,
    check_compiler,
    check_crop,
    check_devices,
    check_labels,
    check_parts,
    told_what_fits,
)
from blurbench.training.launch import child_arguments, launch
from blurbench.training.runner import Runner, stage_bounds


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
    torch.manual_seed(seed)
    model = build(name, preset=preset, **(overrides or {}))
    pairs, validation = open_pairs(data, seed)
    check_labels(name, model, pairs)
    if isinstance(model, Captioned):
        take_words(model, pairs, init)
    if validation is not None and not model.RESTORES and len(validation) < 2:
        validation = None  # CIDEr weighs a word by the pictures without it: of one there is none
    check_crop(name, model, pairs)
    # Of several processes, the one that starts the others checks and locks for all.
    started = "RANK" in os.environ
    check_parts(model, int(os.environ["WORLD_SIZE"]) if started else processes)
    check_compiler(model)
    total = steps or model.config.steps
    if init is not None:
        load_released(model, weights_file(init))
    stage_bounds(model.stages(), total)  # refuses missing weights and too few steps by now
    target = pick_device(device)
    check_devices(target, int(os.environ.get("LOCAL_WORLD_SIZE", 1)) if started else processes)
    if os.environ.get("RANK", "0") == "0":
        start_run(out, describe(name, preset, model, pairs, total, seed, init), resume)
        if isinstance(model, Captioned):
            model.save_language(out)
    with nullcontext() if started else locked(out):
        if processes > 1:
            options = {"preset": preset, "steps": steps, "seed": seed, "init": init, "out": out}
            words = child_arguments(data, overrides or {}, model=name, device=device, **options)
            launch(processes, out, words)
        else:
            runner = Runner(
                folder=out,
                model=model,
                pairs=TrainingPairs(pairs, model.config, seed, model.reader()),
                validation=validation,
                samples=validation or pairs,
                steps=total,
                accelerator=make_accelerator(target),
                # On the CPU the processors have the network to compute.
                loader_workers=0 if target.type == "cpu" else min(4, os.cpu_count() or 1),
                checkpoint_seconds=checkpoint_seconds,
            )
            with told_what_fits(out):
                runner.run()
            runner.accelerator.end_training()
    best = load_progress(checkpoints(out)[-1]).best_metric
    return Trained(out, total, parameter_count(model), best, "PSNR" if model.RESTORES else "CIDEr")


def open_pairs(data: Place | tuple[str, str], seed: int) -> tuple[Pairs, Pairs | None]:
    """The train split, and the val split where there is one."""
    if not isinstance(data, tuple):
        stored = BlurDataset(data, "train")
        return stored, BlurDataset(data, "val") if "val" in stored.splits else None
    recipe = load_recipe(data[0])
    source = open_for(recipe, data[1])
    pairs = OnTheFlyDataset(recipe, source, "train", seed)
    has_val = "val" in pairs.splits
    return pairs, OnTheFlyDataset(recipe, source, "val", seed) if has_val else None


def take_words(model: Captioned, pairs: Pairs, init: Path | None) -> None:
    """The vocabularies of the training split, or those that the first weights were learnt with."""
    if init is not None and (init / VOCABULARY).is_file():
        model.load_language(init)
    else:
        model.learn_language(pairs.captions())


def weights_file(path: Path) -> Path:
    """The weights in a run folder, or the .safetensors file itself."""
    return path / "model.safetensors" if path.is_dir() else path


def describe(
    name: str,
    preset: str,
    model: Model,
    pairs: Pairs,
    steps: int,
    seed: int,
    init: Path | None,
) -> dict[str, Any]:
    """Everything that decides a run's weights: what config.json holds."""
    return {
        "model": name,
        "preset": preset,
        "config": model.config.model_dump(mode="json"),
        "steps": steps,
        "seed": seed,
        "init": sha256(weights_file(init).read_bytes()) if init else None,
        "data": {"digest": pairs.digest, "recipe": pairs.recipe_name},
        **({"vocabulary": model.known().hash} if isinstance(model, Captioned) else {}),
        "blurbench": blurbench.__version__,
    }


def make_accelerator(target: torch.device) -> Accelerator:
    """Accelerate on the device that training runs on."""
    if target.type == "cuda" and target.index is not None:
        torch.cuda.set_device(target)
    # The others wait while the first looks at 50 pairs; NCCL's own patience is ten minutes.
    patience = InitProcessGroupKwargs(timeout=timedelta(hours=6))
    return Accelerator(cpu=target.type == "cpu", kwargs_handlers=[patience])
