"""What a training costs, measured on one picture and told before its first step."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import nn

from blurbench.errors import UserError
from blurbench.memory import budget, in_words
from blurbench.models.base import Batch, Model, Stage, parameter_count
from blurbench.models.parts.modes import set_modes, set_trainable
from blurbench.progress import progress
from blurbench.runs.memory import PeakBytes, out_of_memory
from blurbench.training.batches import Drawn, stacked
from blurbench.training.minutes import as_before
from blurbench.training.runner import Runner
from blurbench.training.schedule import Stretch, stage_bounds, stretches
from blurbench.words import lasting

FLOAT = 4  # bytes
# Of a step's tensors the resident memory is 1.03 (nafnet) to 1.2 times (mprnet, restormer), beside
# 80 MB for the code that the first step loads.
SLACK, CODE = 1.2, 80 * 10**6
PROBE = 64  # px; what such a crop costs tells whether one of full size may be measured
LONGEST = 4.0  # s; what would take longer is not measured whole, but reckoned from a part
ADAM = 8e-9  # s for a parameter, of one core
PROCESS = 750 * 10**6  # bytes; of a process that has loaded PyTorch, before it trains
FEW = 64  # px; a smaller crop is none to propose
DAY = 86_400
FASTER = ("tiny", "small")  # presets for processors, where a model has them


@dataclass(frozen=True)
class OnePicture:
    """What the forward and backward pass of one picture takes."""

    bytes: float
    seconds: float

    def times(self, factor: float) -> "OnePicture":
        """Of so many, or of one so many times as large."""
        return OnePicture(self.bytes * factor, self.seconds * factor)


@dataclass(frozen=True)
class PartOfCost:
    """Steps of one batch size and crop, and what a picture of them takes."""

    stretch: Stretch
    picture: OnePicture
    fixed: float  # bytes, whatever the batch: gradients, moments, the average
    seconds: float  # of a step

    @property
    def steps(self) -> int:
        """How many they are."""
        return self.stretch.last - self.stretch.first


@dataclass(frozen=True)
class Cost:
    """What a training takes of this machine: of all its processes together."""

    parameters: int
    parts: tuple[PartOfCost, ...]
    processes: int
    accumulate: int
    free: int  # bytes
    on_cpu: bool

    @property
    def largest(self) -> PartOfCost:
        """The steps that take most memory."""
        return max(self.parts, key=lambda part: self.needed(part))

    def needed(self, part: PartOfCost, accumulate: int | None = None, crop: float = 1.0) -> int:
        """Bytes of a step, as it is, or with other parts of a batch or another area of a crop."""
        pieces = self.processes * (accumulate or self.accumulate)
        pictures = -(-part.stretch.batch // pieces) * self.processes
        beside = self.processes * (part.fixed + CODE) + (self.processes - 1) * PROCESS
        return int(part.picture.bytes * crop * pictures * SLACK + beside)

    def seconds(self, steps: int) -> float:
        """Of all steps; those of each part have the share in them that they had when measured."""
        planned = sum(part.stretch.last - part.stretch.first for part in self.parts)
        spent = sum(
            part.seconds * (p.last - p.first) for part in self.parts for p in [part.stretch]
        )
        return spent / planned * steps

    def told(self, name: str, preset: str, model: Model, steps: int, done: int = 0) -> str:
        """One line, before the first step, or before those that are not done yet."""
        part, left = self.largest, steps - done
        total = self.seconds(left)
        noun, verb = ("step", "takes") if left == 1 else ("steps", "take")
        which = f"{left:,} {noun}" + (f" that are left of {steps:,}," if done else "")
        line = (
            f"{name}, preset {preset}: {self.parameters:,} parameters; a step of"
            f" {pictures(part.stretch)} takes {in_words(self.needed(part))} of memory,"
            f" {in_words(self.free)} are free; {which} of {lasting(total / max(left, 1))} {verb}"
            f" {lasting(total)}"
        )
        faster = [each for each in FASTER if each in model.PRESETS]
        if self.on_cpu and total > DAY and preset not in faster and faster:
            return f"{line} without a GPU: for processors there is --preset {' or '.join(faster)}"
        return line

    def refuse_over(self, name: str, preset: str, model: Model) -> None:
        """UserError, with what would fit, where memory cannot hold a step."""
        part = self.largest
        if self.needed(part) <= self.free:
            return
        mends = ["--preset tiny"] if "tiny" in model.PRESETS and preset != "tiny" else []
        mends += self._smaller(part, model)
        raise UserError(
            f"{name}, preset {preset}: {self.parameters:,} parameters; a step of"
            f" {pictures(part.stretch)} takes about {in_words(self.needed(part))} of memory, and"
            f" {in_words(self.free)} are free; give {', or '.join(mends or ['it more memory'])}"
        )

    def _smaller(self, part: PartOfCost, model: Model) -> list[str]:
        """Settings with which the step would fit, the one that changes least first."""
        most = min(each.stretch.batch for each in self.parts) // self.processes
        for count in range(self.accumulate + 1, most + 1):
            if self.needed(part, count) <= self.free:
                return [f"--set accumulate={count}"]
        crop, one, multiple = part.stretch.crop, max(most, 1), math.lcm(16, model.multiple)
        field = "crops" if model.config.crops else "crop_size"
        if crop is None or not model.RESTORES:
            return []
        for side in range(crop - 1, FEW - 1, -1):
            if side % multiple == 0 and self.needed(part, one, (side / crop) ** 2) <= self.free:
                few = [f"--set accumulate={one}"] if one > self.accumulate else []
                return [" ".join([*few, f"--set {field}={side}"])]
        return []


def pictures(stretch: Stretch) -> str:
    """What a batch is made of, such as "64 crops of 256 px"."""
    if stretch.crop is None:
        return f"{stretch.batch} whole pictures" if stretch.batch > 1 else "1 whole picture"
    return f"{stretch.batch} crop{'s' if stretch.batch > 1 else ''} of {stretch.crop} px"


def cost_of(runner: Runner, processes: int) -> Cost:
    """What `processes` on this machine would take for a run, by one picture of each stage.

    Weights, modes and random state are afterwards what they were. It takes some seconds, and never
    more memory than is free: what would is reckoned from a smaller crop. UserError where already
    that, or the weights alone, would not fit.
    """
    model, config = runner.model, runner.model.config
    free = free_on(runner.device)
    parts: list[PartOfCost] = []
    with as_before(model):
        runner.set_up()
        bounds = stage_bounds(runner.stages, runner.steps, runner.extended)
        with progress("measure a step", len(runner.stages)) as advance:
            for stage, each in zip(runner.stages, bounds, strict=True):
                parts += Trial(runner, stage, free).parts(stretches(config, each))
                advance()
    on_cpu = runner.device.type == "cpu"
    count = parameter_count(model)
    return Cost(count, tuple(parts), processes if on_cpu else 1, config.accumulate, free, on_cpu)


def free_on(device: torch.device) -> int:
    """Bytes that a training may still take there."""
    return budget() if device.type == "cpu" else torch.cuda.mem_get_info(device)[0]


@dataclass(frozen=True)
class Trial:
    """One stage, tried on single pictures."""

    runner: Runner
    stage: Stage
    free: int  # bytes

    def parts(self, found: list[Stretch]) -> list[PartOfCost]:
        """Those of the stage; measured is the largest crop, by which the others are reckoned."""
        largest = max(found, key=lambda stretch: stretch.crop or 0)
        fixed = self.fixed()
        one = self.one_picture(largest.crop) if fixed < self.free else OnePicture(0.0, 0.0)
        return [self.part(stretch, largest.crop, one, fixed) for stretch in found]

    def part(self, stretch: Stretch, crop: int | None, one: OnePicture, fixed: float) -> PartOfCost:
        """Of steps of one size, by a picture of `crop` px; timed on a whole batch where it may."""
        area = (stretch.crop / crop) ** 2 if stretch.crop and crop else 1.0
        picture, batch = one.times(area), stretch.batch
        seconds = picture.seconds * batch
        if fixed + picture.bytes * batch * SLACK < self.free and seconds < LONGEST and batch > 1:
            seconds = self.run([(at, stretch.crop) for at in range(batch)])
        seconds += batch * self.loading(stretch.crop) + ADAM * self.trained()
        return PartOfCost(stretch, picture, fixed, seconds)

    def loading(self, crop: int | None) -> float:
        """Seconds to read one picture, or to blur it; none where others do so beside the steps."""
        began = perf_counter()
        _ = self.runner.pairs[(1, crop)]
        return 0.0 if self.runner.loader_workers else perf_counter() - began

    def trained(self) -> int:
        """Parameters that the stage trains."""
        return parameter_count(*(m for update in self.stage.updates for m in update.modules))

    def fixed(self) -> float:
        """Bytes of gradients and both moments of what is trained, and of averaged weights."""
        averaged = parameter_count(self.runner.model) if self.runner.averaged else 0
        return FLOAT * (3.0 * self.trained() + averaged)

    def one_picture(self, crop: int | None) -> OnePicture:
        """Measured at full size, or reckoned from a smaller crop where that is too much."""
        model = self.runner.model
        probe = -(-PROBE // model.multiple) * model.multiple
        if not model.RESTORES:
            return self.measured([(0, crop)])
        size = self.runner.pairs[(0, crop)]["blur"].shape[-2:].numel()
        if size > 4 * probe**2:
            try:
                found = self.measured([(0, probe)]).times(size / probe**2)
            except (RuntimeError, ValueError) as error:  # too small for some networks
                if out_of_memory(error):
                    raise
            else:
                if found.seconds > LONGEST or found.bytes * SLACK > self.free:
                    return found
        return self.measured([(0, crop)])

    def measured(self, drawn: list[Drawn]) -> OnePicture:
        """Bytes and seconds for one picture; two where batch norm asks for more than a value."""
        try:
            first, peak = self.counted(drawn)
        except ValueError as error:
            if not str(error).startswith("Expected more than 1 ") or len(drawn) > 1:
                raise
            return self.measured([*drawn, (1, drawn[0][1])]).times(0.5)
        # The first run loads code, and counting takes time of its own.
        again = self.run(drawn) if first < LONGEST else first
        # Weights that autocast keeps in bfloat16 are there once, however large the batch.
        casts = 2 * parameter_count(self.runner.model)
        bf16 = self.runner.model.config.precision == "bf16"
        return OnePicture(max(0.0, peak - casts * bf16), min(first, again))

    def counted(self, drawn: list[Drawn]) -> tuple[float, float]:
        """`run`, and the most bytes at a time; MemoryError where that is more than is free."""
        device = self.runner.device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            seconds = self.run(drawn)
            return seconds, torch.cuda.max_memory_allocated(device) - before
        peak = PeakBytes(int(self.free / SLACK))
        return self.run(drawn, peak), peak.most

    def run(
        self, drawn: list[Drawn], counting: AbstractContextManager[object] | None = None
    ) -> float:
        """Seconds of the losses of some pictures and their gradients, which are not kept."""
        runner = self.runner
        batch: Batch = stacked([runner.pairs[each] for each in drawn])
        layout = runner.model.LAYOUT
        batch = {k: v.to(runner.device, memory_format=layout) for k, v in batch.items()}
        bf16 = runner.model.config.precision == "bf16"
        modules = [module for update in self.stage.updates for module in update.modules]
        set_modes(runner.model, modules)
        began = perf_counter()
        with counting or nullcontext(), dropped_gradients(modules):
            for update in self.stage.updates:
                if len(self.stage.updates) > 1:
                    set_trainable(self.stage, update)
                for _ in range(update.repeats):
                    with torch.autocast(runner.device.type, torch.bfloat16, enabled=bf16):
                        loss = update.loss(batch)["loss"]
                    torch.autograd.backward(loss)
                    del loss
        if runner.device.type == "cuda":
            torch.cuda.synchronize(runner.device)
        return perf_counter() - began


@contextmanager
def dropped_gradients(modules: list[nn.Module]) -> Iterator[None]:
    """Let gradients go as soon as they are there: they are no larger for a larger batch."""

    def drop(parameter: torch.Tensor) -> None:
        parameter.grad = None

    trained = {id(p): p for m in modules for p in m.parameters() if p.requires_grad}
    listen = [p.register_post_accumulate_grad_hook for p in trained.values()]
    hooks = [each(drop) for each in listen]  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
