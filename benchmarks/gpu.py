"""What training, deblurring and evaluating take on a GPU, and the hours of each printed table.

    python benchmarks/gpu.py [--minutes 10] [--device cuda] [--out DIR] [--quick]
    python benchmarks/gpu.py --estimate 20

Shares its minutes among the parts: the loader, 12 megapixels deblurred, a training of `unet` and
`umsn` of preset `small`, an evaluation, then every paper preset in fp32, in bf16, and compiled as
far as the time goes. DIR/gpu.json and DIR/gpu.md are written after each row; the same command goes
on with what is missing. Presets learn noise, with random weights for those that files would hold.
--quick: few rows of tiny networks, for a CPU. --estimate: hours from multiply-accumulates alone,
at so many trillions of operations a second; nothing is run.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from blurbench.datasets.make import synthesize
from blurbench.errors import UserError, one_line
from blurbench.files import write_json, write_text
from blurbench.images import decode, encode, to_float
from blurbench.models import build
from blurbench.models.base import Batch, Model, Stage
from blurbench.models.cost import gmacs
from blurbench.models.parts.modes import set_modes, set_trainable
from blurbench.ranking.printed import tables
from blurbench.recipes.recipe import load_recipe
from blurbench.reproduce.planned import planned
from blurbench.reproduce.scales import Scale
from blurbench.reproduce.suites import Training, cells, trainings
from blurbench.runs.devices import pick_device
from blurbench.runs.memory import PeakBytes, out_of_memory
from blurbench.runs.trained import TrainedModel
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import trained
from blurbench.sources.open import open_for
from blurbench.training.batches import TrainingPairs, batches, stacked
from blurbench.training.checkpoint import make_optimiser
from blurbench.training.precision import compiled, processor
from blurbench.training.schedule import largest_crop, plan, samples, stage_bounds
from blurbench.training.train import train

PAPER = Scale("paper")
MODES = ("fp32", "bf16", "compiled")  # the last in bf16
TRAINED = {"unet": "demo", "umsn": "demo-faces"}  # model -> recipe
SOURCES = {"demo": "builtin:photos", "demo-faces": "builtin:procedural-faces"}
LARGE = ("unet", "nafnet", "restormer")  # deblur 12 megapixels
TRAIN_SHARE = 0.1  # of the minutes, for each of TRAINED
STEPS = 10  # of one figure, at most
SENTENCE = "A cup of coffee on a wooden table."
# A backward pass costs twice a forward pass; a multiply-accumulate is two operations.
OPERATIONS = 3 * 2
Row = dict[str, Any]


@dataclass
class Report:
    """What was measured, written at once."""

    out: Path
    device: str
    rows: dict[str, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.out / "gpu.json").is_file():
            return
        held = json.loads((self.out / "gpu.json").read_text())
        if held["device"] != self.device:
            raise UserError(f"{self.out}: measured on {held['device']}; give another --out")
        self.rows = {row["name"]: row for row in held["rows"]}

    def add(self, name: str, measure: Callable[[], Row]) -> None:
        """Measure, unless it was; what fails is noted, and costs the others nothing."""
        if name in self.rows:
            return
        try:
            row = measure()
        except (RuntimeError, MemoryError, ValueError, UserError) as error:
            row = {"failed": "out of memory" if out_of_memory(error) else one_line(error)}
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.rows[name] = {"name": name, **row}
        print(told(self.rows[name]), flush=True)
        self.write()

    def write(self, more: list[str] | None = None) -> None:
        write_json(self.out / "gpu.json", {"device": self.device, "rows": [*self.rows.values()]})
        lines = [f"# {self.device}", "", *map(told, self.rows.values()), "", *(more or [])]
        write_text(self.out / "gpu.md", "\n".join(lines) + "\n")


def told(row: Row) -> str:
    figures = [
        f"{name.replace('_', ' ')} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in row.items()
        if name not in ("name", "stages") and value is not None
    ]
    return f"- {row['name']}: {', '.join(figures)}"


class Noise:
    """Two pairs of noise with every label that a data set can have."""

    def __init__(self, side: int) -> None:
        self.sharp = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.sharp)

    def sample(self, index: int, _epoch: int) -> Row:
        sharp = self.sharp[index]
        mask = torch.zeros(4, *sharp.shape[-2:])
        for part, rows in enumerate(mask.chunk(4, 1)):
            rows[part] = 1
        labels = {"mask": mask, "captions": [SENTENCE], "id": f"p{index}"}
        return {"blur": sharp / 2, "sharp": sharp, **labels}


class Stored:
    """Pairs of GoPro's size, decoded from PNG as those of a data set are."""

    def __init__(self) -> None:
        # Smooth, as photographs are to PNG: noise would take three times as long.
        ramp = np.add.outer(np.arange(720), np.arange(1280))[..., None] // np.array([7, 9, 11])
        self.png = encode((ramp % 256).astype(np.uint8))

    def __len__(self) -> int:
        return 64

    def sample(self, _index: int, _epoch: int) -> Row:
        return {
            role: torch.from_numpy(to_float(decode(self.png, role))) for role in ("blur", "sharp")
        }


def clock(device: torch.device) -> float:
    """CPU seconds of this process; of a GPU the wall clock."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def seconds_of(work: Callable[[], object], seconds: float, device: torch.device) -> float:
    """The median of some runs, after one to warm up."""
    times: list[float] = []
    work()
    while not times or (len(times) < STEPS and sum(times) < seconds):
        began = clock(device)
        work()
        times.append(clock(device) - began)
    return float(np.median(times))


def loader_row(device: torch.device, quick: bool) -> Row:
    """Pairs a second that the loader hands over; in processes where a GPU computes."""
    model = build("unet", "tiny", crop_size=256)
    pairs: Any = Stored()
    steps, workers = 2 if quick else 20, 0 if device.type == "cpu" else 4
    training = TrainingPairs(pairs, model.config, 0)
    stretches = plan(model.config, model.stages(), steps)
    stream = batches(training, stretches, (0, steps), 0, 1, workers)
    next(stream)  # by then workers have started
    began = time.perf_counter()
    seen = sum(len(batch["blur"]) for batch in stream)
    return {"pairs_per_s": seen / (time.perf_counter() - began), "workers": workers}


def deblur_row(name: str, device: torch.device, quick: bool) -> Row:
    model = build(name, "tiny" if quick else "paper").to(device)
    model.to(memory_format=model.LAYOUT)
    height, width = (96, 128) if quick else (3000, 4000)
    restore = TrainedModel(name, model, device, {})
    picture = np.full((height, width, 3), 128, np.uint8)
    return {"seconds": seconds_of(lambda: restore(picture), 0, device), "px": f"{width}x{height}"}


def train_row(name: str, preset: str, folder: Path, minutes: float, device: str) -> Row:
    """A real training, stored pictures and validation included."""
    recipe = load_recipe(TRAINED[name])
    data, run = folder / recipe.name, folder / name
    quick = preset == "tiny"
    source = open_for(recipe, SOURCES[recipe.name])
    synthesize(recipe, source, data, limit=24 if quick else None)
    length: Row = {"steps": 2} if quick else {"minutes": minutes}
    began = time.perf_counter()
    done = train(name, data, run, preset=preset, device=device, **length)
    seconds = time.perf_counter() - began
    return {"steps": done.steps, "seconds": seconds, "validation": done.best_metric}


def evaluate_row(folder: Path, device: str) -> Row:
    """PSNR and SSIM of the run of `unet`."""
    data = open_data(folder / TRAINED["unet"])
    restore = trained(folder / "unet", "unet", device)
    began = time.perf_counter()
    evaluate(data, folder / "result", restore=restore, name="unet")
    return {"pictures_per_s": len(data.rows) / (time.perf_counter() - began)}


def without_files(training: Training) -> Model:
    """A model whose frozen networks have random weights, ready to train."""
    settings = dict(training.settings)
    with torch.device("meta"):
        fields = build(training.model, training.preset, **settings).config.model_dump()
    read = {f"{each}_weights" for each in ("perceptual", "resnet", "teacher")} & fields.keys()
    model = build(training.model, training.preset, **{**settings, **dict.fromkeys(read, "random")})
    model.learn_language([[SENTENCE] * 50])
    model.prepare()
    return model


def noise_batch(model: Model, device: torch.device) -> Batch:
    pairs: Any = Noise(largest_crop(model.config) or 128)
    training = TrainingPairs(pairs, model.config, 0, model.reader())
    batch = stacked([training[position] for position in range(model.config.batch_size)])
    return {name: value.to(device) for name, value in batch.items()}


def step_of(stage: Stage, batch: Batch, half: bool, device: torch.device) -> Callable[[], None]:
    """A step of a stage, as the runner takes it."""
    optimisers = [make_optimiser(update) for update in stage.updates]

    def step() -> None:
        for update, optimiser in zip(stage.updates, optimisers, strict=True):
            set_trainable(stage, update)
            for _ in range(update.repeats):
                optimiser.zero_grad(set_to_none=True)
                with torch.autocast(device.type, torch.bfloat16, enabled=half):
                    loss = update.loss(batch)["loss"]
                torch.autograd.backward(loss)
                optimiser.step()

    return step


def preset_row(
    training: Training, mode: str, seconds: float, report: Report, device: torch.device
) -> Row:
    """Samples a second of the last stage, peak memory, and what the loader would take of a step.

    stages: seconds a sample of each.
    """
    model = without_files(training).to(device)
    model.to(memory_format=model.LAYOUT)
    for network in model.loss_networks.values():
        network.to(device)
    batch, stages, found = noise_batch(model, device), model.stages(), {}
    for stage in stages:
        set_modes(model, [module for update in stage.updates for module in update.modules])
        chosen = compiled(stage) if mode == "compiled" else stage
        step = step_of(chosen, batch, mode != "fp32", device)
        found[stage.name] = seconds_of(step, seconds / len(stages), device)
    size = model.config.batch_size
    sample = found[stages[-1].name] / size
    pairs = report.rows.get("loader", {}).get("pairs_per_s")
    return {
        "samples_per_s": 1 / sample,
        "peak_MiB": None if mode == "compiled" else peak_of(step, device),
        "loader_share": min(1.0, 1 / pairs / sample) if pairs else None,
        "batch": size,
        "stages": {name: taken / size for name, taken in found.items()},
    }


def peak_of(step: Callable[[], None], device: torch.device) -> float:
    """MiB of tensors; of a GPU with weights, moments and workspaces."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        step()
        return torch.cuda.max_memory_allocated(device) / 2**20
    with PeakBytes() as peak:
        step()
    return peak.most / 2**20


def paper_presets() -> dict[str, Training]:
    """What the tables train, each network once; by the name of its row."""
    found = (one for name in tables() for one in trainings(cells(name)))
    return {one.name: replace(one, init=None) for one in found}


def measured(report: Report) -> Callable[[Training, str], float | None]:
    """Seconds a sample of a stage in fp32, as the papers train; None where it was not measured."""

    def seconds(training: Training, stage: str) -> float | None:
        row = report.rows.get(f"{training.name} fp32", {})
        found: float | None = row.get("stages", {}).get(stage)
        return found

    return seconds


def estimated(tera: float) -> Callable[[Training, str], float]:
    """The same from the multiply-accumulates of what restores; critics and teachers left out."""

    def seconds(training: Training, _stage: str) -> float:
        model = planned(training, PAPER).model.eval()
        side = largest_crop(model.config) or 128
        # At that size: captioners bring every picture to one of their own.
        return gmacs(model, side, side) * OPERATIONS / (tera * 1e3)

    return seconds


def hours_of(training: Training, seconds: Callable[[Training, str], float | None]) -> float | None:
    """Hours of one training of the paper's length; None where a stage was not measured."""
    whole = planned(training, PAPER)
    stages, total = whole.model.stages(), 0.0
    for stage, bounds in zip(stages, stage_bounds(stages, whole.steps), strict=True):
        each = seconds(training, stage.name)
        if each is None:
            return None
        total += each * samples(whole.model.config, bounds)
    return total / 3600


def hours_table(seconds: Callable[[Training, str], float | None]) -> list[str]:
    """Hours of each printed table; what tables have in common is counted in each."""
    lines = ["| table | trainings | hours | not measured |", "|---|---|---|---|"]
    for name in tables():
        found = {one.name: hours_of(one, seconds) for one in trainings(cells(name))}
        known = [hours for hours in found.values() if hours is not None]
        missing = ", ".join(one for one, hours in found.items() if hours is None)
        lines.append(f"| {name} | {len(found)} | {sum(known):.0f} | {missing} |")
    return lines


def fill(report: Report, options: argparse.Namespace, folder: Path) -> None:
    """Every row that is missing, until the minutes are over."""
    device, quick = pick_device(options.device), options.quick
    began, seconds = time.monotonic(), options.minutes * 60
    report.add("loader", partial(loader_row, device, quick))
    for name in LARGE[: 1 if quick else None]:
        report.add(f"deblur {name}", partial(deblur_row, name, device, quick))
    minutes, preset = options.minutes * TRAIN_SHARE, "tiny" if quick else "small"
    for name in list(TRAINED)[: 1 if quick else None]:
        work = partial(train_row, name, preset, folder, minutes, options.device)
        report.add(f"train {name}:{preset}", work)
    if (folder / "unet").is_dir():
        report.add("evaluate", partial(evaluate_row, folder, options.device))
    little = Training("unet", "tiny", "", (("crop_size", 64), ("batch_size", 2)))
    wanted = {"unet_tiny": little} if quick else paper_presets()
    jobs = [(name, mode) for mode in MODES[: 2 if quick else None] for name in wanted]
    for number, (name, mode) in enumerate(jobs):
        left = seconds - (time.monotonic() - began)
        if left < 0:
            print(f"{len(jobs) - number} rows not reached; the same command goes on with them")
            break
        share = left / (len(jobs) - number) / 2  # building and warming up take as long
        work = partial(preset_row, wanted[name], mode, share, report, device)
        report.add(f"{name} {mode}", work)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=Path("gpu"))
    parser.add_argument("--quick", action="store_true", help="few rows of tiny networks")
    parser.add_argument("--estimate", type=float, metavar="TERA", help="operations a second, 1e12")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if options.estimate:
        print("\n".join(hours_table(estimated(options.estimate))))
        return
    device = pick_device(options.device)
    report = Report(options.out, f"{device.type}: {processor(device)}, PyTorch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        fill(report, options, Path(folder))
    if not options.quick:
        report.write(hours_table(measured(report)))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
