"""The one training loop: stages, several optimisers, schedules, averaging, exact resume."""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from blurbench.datasets.pairs import Pairs
from blurbench.errors import UserError
from blurbench.models.base import Batch, Losses, Model, Stage, Update
from blurbench.models.parts.modes import set_modes, set_trainable
from blurbench.models.parts.recompute import compute_again
from blurbench.models.parts.weights import differences, load_tensors, not_finite
from blurbench.progress import Advance, progress, tell
from blurbench.runs.folder import BEST, LAST, SAMPLES, run_id
from blurbench.runs.own_weights import OwnWeights
from blurbench.signals import rescued, stop_signals
from blurbench.training.averaging import evaluating, start_average, update_average
from blurbench.training.batches import TrainingPairs, batches, cut, step_seed
from blurbench.training.checkpoint import (
    AVERAGED,
    MODEL,
    Checkpoint,
    Progress,
    Rescue,
    check_optimisers,
    checkpoints,
    make_optimisers,
    newest_whole,
    optimiser_tensors,
    restore_optimisers,
    save_checkpoint,
    standing,
)
from blurbench.training.log import RunLog
from blurbench.training.precision import compiled
from blurbench.training.processes import (
    World,
    add_up,
    add_up_gradients,
    any_process,
    share_weights,
    wait_for_all,
)
from blurbench.training.schedule import plan, stage_bounds
from blurbench.training.validation import (
    blurred_psnr,
    judge,
    sample_figures,
    save_samples,
    told_score,
)

LONG = 0.5  # s; a step that takes longer may be given up: what it changes is copied before
HELD_EVERY = 5.0  # s; so much of quick steps may be lost with one that suddenly takes long
LOOKS, LOOK_EVERY = 10, 25  # validations and sample pictures in the last stage: most, steps apart


@dataclass
class Runner:
    """One run: the model, its data, and where it stands."""

    folder: Path
    model: Model
    pairs: TrainingPairs
    validation: Pairs | None
    samples: Pairs
    steps: int
    device: torch.device
    world: World = field(default_factory=World)
    loader_workers: int = 0
    checkpoint_seconds: float = 120.0
    extended: tuple[int, ...] = ()  # totals of steps that the run had before
    at: Progress = field(default_factory=Progress)

    def run(self) -> None:
        """Train from the newest whole checkpoint, or from the start, to the last step."""
        self.set_up()
        self.id = run_id(self.folder)
        if self.world.first:
            self.own_weights = OwnWeights(self.folder, self.id)
        begun = bool(checkpoints(self.folder))
        if begun:
            self._resume()
        self.at.run = self.id
        if self.world.first:
            # Without a checkpoint all is written again, step 0 too.
            step = self.at.step if begun else -1
            config = self.model.config
            self.log = RunLog(self.folder, step, config.tensorboard, config.tracker)
            self._judge_blurred()
        self.log_every = min(50, max(1, self.steps // 100))
        bounds = stage_bounds(self.stages, self.steps, self.extended)
        self.rescue = Rescue()
        with stop_signals() as stop, rescued(self.rescue.keep), self._progress() as advance:
            self.stop, self.advance = stop, advance
            for stage, (first, last) in zip(self.stages, bounds, strict=True):
                if self.at.step < last and not self.at.stopped:
                    with self.rescue.unless_deserted():
                        self._run_stage(stage, first, last, final=last == self.steps)
        self._save_weights(LAST, averaged=False)
        if begun and self.world.first:
            self._see_best()
        # No process may end before the last checkpoint is there.
        wait_for_all()

    def _resume(self) -> None:
        """Take over all of the newest checkpoint that is whole."""
        found = newest_whole(self.folder, self._check, self.world.first)
        step = found.progress.step
        if int(add_up(torch.tensor(step, device=self.device))) != step * self.world.size:
            raise UserError(f"{found.folder}: another process of this training cannot read it")
        self.model.load_state_dict(found.model)
        for name, value in (found.averaged or {}).items():
            assert self.averaged is not None
            self.averaged[name].copy_(value)
        self.at, self.resumed = found.progress, found.optimisers

    def _check(self, found: Checkpoint) -> None:
        """UserError where a checkpoint is none of this run."""
        step = found.progress.step
        if found.progress.run != self.id:
            raise UserError(f"{found.folder}: a checkpoint of another run")
        for name, ours, theirs in (
            (MODEL, self.model.state_dict(), found.model),
            (AVERAGED, self.averaged or {}, found.averaged or {}),
        ):
            if told := differences(ours, theirs):
                raise UserError(f"{found.folder / name}: weights of another model: {told}")
        if step > self.steps:
            raise UserError(f"{found.folder}: is of step {step}, and this run has {self.steps}")
        bounds = stage_bounds(self.stages, self.steps, self.extended)
        for stage, (first, last) in zip(self.stages, bounds, strict=True):
            if first < step < last:
                check_optimisers(make_optimisers(stage), found.optimisers)

    def set_up(self) -> None:
        """The model on its device, and what it takes to train it."""
        config = self.model.config
        self.model.to(self.device).to(memory_format=self.model.LAYOUT)
        for network in self.model.loss_networks.values():
            network.to(self.device)
        if config.checkpointing:
            compute_again(self.model.blocks())
        self.averaged = start_average(self.model) if config.ema else None
        self.stages = self.model.stages()
        self.plan = plan(config, self.stages, self.steps, self.extended)

    def start_stage(self, stage: Stage) -> tuple[Stage, dict[str, Optimizer]]:
        """The stage with compiled losses where they are asked for, and its fresh optimisers."""
        set_modes(self.model, [module for update in stage.updates for module in update.modules])
        share_weights(self.model)  # batch norm's running statistics are each process's own
        if self.model.config.compile:
            stage = compiled(stage)
        self.totals: dict[str, Tensor] = {}
        return stage, make_optimisers(stage)

    def stream(self, first: int, last: int) -> Iterator[Batch]:
        """This process's batches of some steps."""
        world, workers = self.world, self.loader_workers
        return batches(self.pairs, self.plan, (first, last), world.rank, world.size, workers)

    def _progress(self) -> AbstractContextManager[Advance]:
        if self.world.first:
            return progress(f"train {self.folder.name}", self.steps, self.at.step)
        return nullcontext(lambda _count=1, _note="": None)

    def _run_stage(self, stage: Stage, first: int, last: int, final: bool) -> None:
        stage, optimisers = self.start_stage(stage)
        # Optimisers are of one stage: at its first step they start empty.
        if self.at.step > first:
            restore_optimisers(optimisers, self.resumed)
        self.counted, self.took = 0, 0.0
        self.saved_at = self.logged_at = self.held_at = time.monotonic()
        self.cpu_at, began = time.process_time(), time.monotonic()
        look_every = max(LOOK_EVERY, (last - first) // LOOKS)
        for batch in self._drawn(optimisers, last):
            # Before each look, too, at which the model holds its averaged weights.
            if self._may_be_given_up() or (self.at.step + 1 - first) % look_every == 0:
                self._hold(optimisers)
            self.step(stage, optimisers, batch, (self.at.step - first) / (last - first))
            self.took, began = time.monotonic() - began, time.monotonic()
            self.at.step += 1
            self.counted += 1
            at_end = self.at.step == last
            look = final and ((self.at.step - first) % look_every == 0 or at_end)
            sample = self.at.step in self.model.config.sample_at
            # Asked once a step: a signal that comes later is for the next one, in every process.
            stopping = any_process(bool(self.stop.asked), self.device)
            report = look or sample or at_end or stopping or self.at.step % self.log_every == 0
            # By the first one's clock: nothing that the processes do together may hang on it.
            due = self.world.first and time.monotonic() - self.saved_at > self.checkpoint_seconds
            if not (report or due):
                continue
            if report:
                self._report(stage, optimisers)
            keep = due or at_end or stopping
            if look or sample or keep:
                self._refuse_nan(optimisers)
            # Before the checkpoint, which states the best step: its weights then lie on disk.
            if look:
                self._look()
            elif sample:
                self._show()
            self.at.stopped = look and not at_end and self._is_enough()
            if keep or self.at.stopped:
                self._keep(optimisers)
            if report:  # looking and saving are no part of the steps' time
                self.logged_at, self.cpu_at = time.monotonic(), time.process_time()
            if stopping:
                # No process may end before the checkpoint is there.
                wait_for_all()
                raise self.stop.interruption()
            if self.at.stopped:
                return

    def step(
        self, stage: Stage, optimisers: dict[str, Optimizer], batch: Batch, fraction: float
    ) -> None:
        """One step of every update; `fraction` is how much of the stage lies before it."""
        torch.manual_seed(step_seed(self.pairs.seed, self.at.step, self.world.rank))
        layout = self.model.LAYOUT
        batch = {name: value.to(self.device, memory_format=layout) for name, value in batch.items()}
        whole = next(s.batch for s in self.plan if self.at.step < s.last)
        parts = cut(batch, whole, self.model.config.accumulate)
        for update in stage.updates:
            if len(stage.updates) > 1:
                set_trainable(stage, update)
            for _ in range(update.repeats):
                losses = self._update(update, optimisers[update.name], parts, fraction)
            for name, value in losses.items():
                key = name if len(stage.updates) == 1 else f"{update.name}/{name}"
                self.totals[key] = self.totals.get(key, 0) + value
        if self.averaged is not None:
            assert self.model.config.ema is not None
            update_average(self.averaged, self.model, self.model.config.ema, self.at.step)

    def _update(
        self,
        update: Update,
        optimiser: Optimizer,
        parts: list[tuple[float, Batch]],
        fraction: float,
    ) -> Losses:
        for group in optimiser.param_groups:
            group["lr"] = update.lr * update.schedule(fraction)
        # None and not 0: Adam would move, by its moments and decay, what no loss reached.
        optimiser.zero_grad(set_to_none=True)
        means: Losses = {}
        bf16 = self.model.config.precision == "bf16"
        for share, part in parts:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
                losses = update.loss(part)
            torch.autograd.backward(share * losses["loss"])
            for name, value in losses.items():
                means[name] = means.get(name, 0) + share * value.detach().float()
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        add_up_gradients(parameters)
        # After all parts and processes have added theirs: the norm is that of the whole batch.
        if update.clip is not None:
            nn.utils.clip_grad_norm_(parameters, update.clip)
        optimiser.step()
        return means

    def _report(self, stage: Stage, optimisers: dict[str, Optimizer]) -> None:
        count, self.counted = self.counted, 0
        totals = add_up(torch.stack(list(self.totals.values()))).tolist()
        means = {name: total / count for name, total in zip(self.totals, totals, strict=True)}
        self.totals = {}
        if bad := [name for name, value in means.items() if not math.isfinite(value)]:
            self._refuse(bad[0])
        times = {"seconds_per_step": (time.monotonic() - self.logged_at) / count}
        if self.device.type == "cpu":  # which others may be using, too
            times["cpu_seconds_per_step"] = (time.process_time() - self.cpu_at) / count
        if self.world.first:
            rates = {
                "rate" if len(optimisers) == 1 else f"{name}/rate": each.param_groups[0]["lr"]
                for name, each in optimisers.items()
            }
            self.log.add({"step": self.at.step, "stage": stage.name, **means, **rates} | times)
            told = ", ".join(f"{name} {value:.4f}" for name, value in list(means.items())[:1])
            self.advance(count, f"{stage.name}: {told}")

    def _refuse_nan(self, optimisers: dict[str, Optimizer]) -> None:
        """UserError unless all that is about to be saved is finite."""
        # A finite loss can have a gradient that is not, and nothing heals the weights after it.
        if not_finite(self.model.state_dict()):
            self._refuse("a weight")
        if not_finite(optimiser_tensors(optimisers)):
            self._refuse("a moment of a gradient")

    def _refuse(self, what: str) -> None:
        raise UserError(
            f"{self.folder}: {what} became NaN or infinite before step {self.at.step}; the"
            " last checkpoint is kept; train again with a lower rate or precision=fp32"
        )

    def _look(self) -> None:
        if not self.world.first:
            return
        with evaluating(self.model, self.averaged):
            self._save_samples()
            if self.validation is not None:
                name, metric = judge(self.model, self.validation)
                self.log.add({"step": self.at.step, "stage": "validation", name: metric})
                told = told_score(name, metric, self.at.blurred)
                tell(f"{self.folder.name}, step {self.at.step}: validation {told}")
        if self.validation is None:
            self._save_weights(BEST)
        elif self.at.best_metric is None or metric >= self.at.best_metric:
            self.at.best_step, self.at.best_metric = self.at.step, metric
            self.at.looks_since = 0
            self._save_weights(BEST)
        else:
            self.at.looks_since += 1

    def _show(self) -> None:
        if self.world.first:
            with evaluating(self.model, self.averaged):
                self._save_samples()

    def _save_samples(self) -> None:
        step = self.at.step
        path = self.folder / SAMPLES / f"{step:09d}.png"
        save_samples(self.model, self.samples, path)
        if path.exists():  # captioners write sentences
            self.log.show(step, path)
        if step in self.model.config.sample_at:
            for id, figures in sample_figures(self.model, self.samples):
                self.log.add({"step": step, "stage": "sample", "id": id, **figures})

    def _judge_blurred(self) -> None:
        """How the validation split scores as it is, which a model has to beat."""
        known = self.at.blurred is not None
        if known or self.validation is None or not self.model.RESTORES:
            return
        self.at.blurred = blurred_psnr(self.validation)
        self.log.add({"step": 0, "stage": "identity", "psnr": self.at.blurred})

    def _is_enough(self) -> bool:
        """Whether the validations have not become better for as long as the preset waits."""
        patience = self.model.config.patience
        enough = patience is not None and self.at.looks_since >= patience
        return any_process(enough, self.device)

    def _save_weights(self, name: str, averaged: bool = True) -> None:
        if self.world.first:
            weights = self.averaged if averaged and self.averaged else self.model.state_dict()
            self.own_weights.save(name, weights)

    def _see_best(self) -> None:
        """Write the best weights again where they are damaged, and those of the last step."""
        try:
            load_tensors(self.folder / BEST)
            self.own_weights.refuse_other(BEST)
        except UserError as error:
            if self.validation is not None and self.at.best_step != self.at.step:
                raise UserError(f"{error}; {LAST} beside it is whole, or train again") from None
            tell(f"{error}; written again from the last checkpoint")
            self._save_weights(BEST)

    def _drawn(self, optimisers: dict[str, Optimizer], last: int) -> Iterator[Batch]:
        """The batches that are left; while one is drawn, all that is there is whole."""
        for batch in self.stream(self.at.step, last):
            self.rescue.wake()
            yield batch
            if self.world.first:
                self.rescue.rest(lambda: self._standing(optimisers))

    def _standing(self, optimisers: dict[str, Optimizer]) -> Checkpoint:
        return standing(self.folder, self.at, self.model, self.averaged, optimisers)

    def _may_be_given_up(self) -> bool:
        """Whether the next step, by the last, may take too long for a stop to wait for it."""
        on_cpu = self.device.type == "cpu"  # on a GPU the copy would take memory that is short
        return self.took > LONG or (on_cpu and time.monotonic() - self.held_at > HELD_EVERY)

    def _hold(self, optimisers: dict[str, Optimizer]) -> None:
        self.held_at = time.monotonic()
        if self.world.first:
            self.rescue.hold(self._standing(optimisers))

    def _keep(self, optimisers: dict[str, Optimizer]) -> None:
        self.saved_at, cpu = time.monotonic(), time.process_time()
        if self.world.first:
            save_checkpoint(self.folder, self.at, self.model, self.averaged, optimisers)
        self.logged_at += time.monotonic() - self.saved_at
        self.cpu_at += time.process_time() - cpu
