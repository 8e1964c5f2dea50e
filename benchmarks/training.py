"""What the runner adds to a bare training loop of the same model and pairs.

    python benchmarks/training.py [--json FILE] [--models a,b] [--steps N] [--repeats N]
                                  [--set KEY=VALUE]...

CPU time of one thread, both in turns, medians. Crops and mirrors are made in both; the runner also
seeds, schedules, adds up losses and writes its log. Pictures to look at, validation and checkpoints
come by the clock or once: left out. Presets average their weights; `--set ema=none` does not.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from blurbench.models import build
from blurbench.models.base import Model
from blurbench.models.parts.modes import set_modes
from blurbench.training.batches import TrainingPairs, batches
from blurbench.training.checkpoint import make_optimiser
from blurbench.training.runner import Runner
from blurbench.training.schedule import plan


class Noise:
    """Pairs in memory: blur is half the sharp picture."""

    def __init__(self, size: int) -> None:
        self.sharp = torch.rand(16, 3, size, size, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.sharp)

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        del epoch
        return {"blur": self.sharp[index] / 2, "sharp": self.sharp[index]}


class Loop(Runner):
    """The runner without what it does by the clock, or once."""

    def _look(self) -> None:
        pass

    def _keep(self, optimisers: object) -> None:
        pass

    def _save_weights(self, name: str, averaged: bool = True) -> None:
        pass


def bare(model: Model, pairs: TrainingPairs, steps: int) -> None:
    """The shortest loop that trains the first update of a model."""
    model.to(memory_format=model.LAYOUT)
    update = model.stages()[0].updates[0]
    set_modes(model, list(update.modules))
    optimiser = make_optimiser(update)
    whole = plan(model.config, model.stages()[:1], steps)
    for batch in batches(pairs, whole, (0, steps), 0, 1, 0):
        laid = {name: value.to(memory_format=model.LAYOUT) for name, value in batch.items()}
        loss = update.loss(laid)["loss"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if update.clip is not None:
            torch.nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], update.clip)
        optimiser.step()


def run(model: Model, pairs: TrainingPairs, steps: int) -> None:
    """The same steps, by the runner."""
    with tempfile.TemporaryDirectory() as folder:
        samples: Any = pairs.pairs
        Loop(Path(folder), model, pairs, None, samples, steps, torch.device("cpu")).run()


def cpu_seconds(function: Callable[[Model, TrainingPairs, int], None], *given: Any) -> float:
    """CPU time of this process for one call."""
    began = time.process_time()
    function(*given)
    return time.process_time() - began


def measure(name: str, changed: dict[str, Any], steps: int, repeats: int) -> dict[str, Any]:
    """Samples a second of both loops, and the runner's share of the bare loop's."""
    times: dict[str, list[float]] = {"bare": [], "runner": []}
    for repeat in range(repeats + 1):
        for kind, function in (("bare", bare), ("runner", run)):
            torch.manual_seed(0)
            model = build(name, preset="tiny", **changed)
            model.prepare()
            noise: Any = Noise(2 * (model.config.crop_size or 64))
            pairs = TrainingPairs(noise, model.config, seed=0)
            seconds = cpu_seconds(function, model, pairs, steps)
            if repeat:  # the first is for warming up
                times[kind].append(seconds)
    samples = steps * model.config.batch_size
    ratios = [a / b for a, b in zip(times["bare"], times["runner"], strict=True)]
    return {
        "model": name,
        "changed": changed,
        **{f"{kind}_samples_per_s": samples / statistics.median(t) for kind, t in times.items()},
        "ratio": statistics.median(ratios),
        "goal": 0.97,
    }


def main() -> None:
    """Print one line a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--models", default="unet,nafnet")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    changed = dict(entry.split("=", 1) for entry in options.set)
    rows = []
    for name in options.models.split(","):
        row = measure(name, changed, options.steps, options.repeats)
        rows.append(row)
        told = f"{row['runner_samples_per_s']:.1f} of {row['bare_samples_per_s']:.1f} samples/s"
        print(f"{name}: {told}, {row['ratio']:.3f} (goal {row['goal']})")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
