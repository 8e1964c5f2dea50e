"""One-thread time of deblurring networks, as a ratio to a calibrator measured in between.

Run: python benchmarks/models.py [NAME[:PRESET] ...] [--checkpoint RUN ...]
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from blurbench.errors import UserError
from blurbench.models import MODELS, build
from blurbench.models.base import Model
from blurbench.models.parts.released import RELEASED, released_network
from blurbench.runs.devices import pick_device
from blurbench.runs.load import load_run
from blurbench.runs.memory import PeakBytes, out_of_memory
from blurbench.runs.trained import TrainedModel

# CPU seconds of the authors' own code, forward and forward + backward of 1x3x256x256 in PyTorch's
# default layout: one thread of an EPYC, PyTorch 2.15, on which the calibrator takes 0.100 s.
AUTHORS: dict[str, tuple[float, float | None]] = {
    "deblurgan": (0.61573, 2.25924),
    "deblurgan_D": (0.04221, 0.15767),
    "pix2pix_unet256_G": (0.16628, 0.64444),
    "pix2pix_unet128_G": (0.08669, 0.36041),
    "pix2pix_D70": (0.03926, 0.13947),
    "deepdeblur": (3.68638, 11.23496),
    "deepdeblur:rb6": (1.19336, 3.61125),
    "deepdeblur_D": (0.04975, 0.17967),
    "mimo-unet": (0.97706, 3.01822),
    "mimo-unet-plus": (1.97011, 6.37675),
    "mprnet": (10.28154, 37.43732),
    "mprnet:stage1": (1.36213, 4.28361),
    "mssnet": (2.48286, 7.44289),
    "mssnet:released-small": (0.90791, 2.94548),
    # SN and then the released network, which runs the parts that only training needs.
    "umsn": (3.68694 + 2.12915, None),
    "umsn_G": (3.68694, 12.82652),
    "umsn_SN": (2.12915, 7.42993),
    "udeconv": (1.1477, 3.05535),
    "restormer": (7.0875, 40.06466),
    "nafnet:w32": (0.55736, 2.13345),
    "nafnet": (1.66673, 5.53106),
}
CALIBRATOR_SECONDS = 0.100
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
# Inputs that are not one picture; pix2pix's unet_128 was timed at half the size.
CHANNELS = {"pix2pix_D70": 6}
HALF_SIZE = ("pix2pix_unet128_G",)


@dataclass(frozen=True)
class Subject:
    """A network to be timed: `run` takes `inputs` and gives one tensor or several."""

    name: str
    network: nn.Module
    run: Callable[..., Tensor | Iterable[Tensor]]
    inputs: tuple[Tensor, ...]
    layout: torch.memory_format


@dataclass(frozen=True)
class Row:
    """Medians in seconds; ratios are to the calibrator, quotients ours / the authors'."""

    name: str
    what: str
    seconds: float
    calibrator: float
    authors: float | None
    peak_mib: float | None
    runs: int

    @property
    def ratio(self) -> float:
        return self.seconds / self.calibrator

    @property
    def quotient(self) -> float | None:
        return None if self.authors is None else self.ratio / self.authors


def calibrator(device: torch.device) -> Callable[[], object]:
    """Four 3x3 convolutions of 64 channels and ReLU at 256x256: 9.66 GMAC."""
    layers = [m for _ in range(4) for m in (nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())]
    network, x = nn.Sequential(*layers).to(device), torch.rand(1, 64, 256, 256, device=device)

    def run() -> None:
        with torch.no_grad():
            network(x)

    return run


def released_inputs(name: str, size: int) -> tuple[Tensor, ...]:
    size = size // 2 if name in HALF_SIZE else size
    x = torch.rand(1, CHANNELS.get(name, 3), size, size)
    if name != "umsn_G":
        return (x,)
    masks = torch.rand(1, 4, size, size).softmax(1)
    classes = masks.split(1, 1)
    wide = [mask.expand(1, 3, -1, -1) for mask in classes]
    return (x, x[..., ::2, ::2], masks, *classes, torch.rand_like(x), *wide)


def named_subject(name: str, size: int) -> Subject:
    """A model by its name and preset, or a released network by its name."""
    if name in RELEASED and name not in MODELS:
        network = released_network(name).eval()
        inputs = released_inputs(name, size)
        return Subject(name, network, network, inputs, torch.contiguous_format)
    kind, _, preset = name.partition(":")
    return model_subject(name, build(kind, preset or "paper"), size)


def model_subject(name: str, model: Model, size: int) -> Subject:
    size += -size % model.multiple
    return Subject(name, model, model.restore, (torch.rand(1, 3, size, size),), model.LAYOUT)


def placed(subject: Subject, options: argparse.Namespace, device: torch.device) -> Subject:
    """On the device, in the layout asked for, compiled where asked for."""
    layout = LAYOUTS.get(options.layout, subject.layout)
    subject.network.to(device).to(memory_format=layout)
    inputs = tuple(x.to(device).contiguous(memory_format=layout) for x in subject.inputs)
    run = torch.compile(subject.run) if options.compile else subject.run
    return Subject(subject.name, subject.network, run, inputs, layout)


def works(subject: Subject, options: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """What is timed: the forward pass without gradients, and both passes in training mode."""
    device = subject.inputs[0].device.type
    half = torch.autocast(device, torch.bfloat16, enabled=options.precision == "bf16")

    def forward() -> None:
        subject.network.eval()
        with torch.no_grad(), half:
            subject.run(*subject.inputs)

    def both() -> None:
        subject.network.train()
        with half:
            found = subject.run(*subject.inputs)
            outputs = [found] if isinstance(found, Tensor) else found
            loss = torch.stack([output.float().mean() for output in outputs]).sum()
        loss.backward()
        subject.network.zero_grad(set_to_none=True)

    forward_only: dict[str, Callable[[], object]] = {"forward": forward}
    return forward_only if options.forward else {**forward_only, "forward + backward": both}


def clock(device: torch.device) -> Callable[[], float]:
    """CPU seconds of this process, which other processes lengthen least; a GPU's wall clock."""
    if device.type == "cpu":
        return time.process_time

    def synchronised() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return synchronised


def in_tiles(
    subject: Subject, device: torch.device, out_of: bool = False
) -> tuple[str, Callable[[], object]] | None:
    """Its forward pass as `deblur` has it where the whole picture is too much; None: it is not."""
    if not isinstance(subject.network, Model):
        return None
    size = subject.inputs[0].shape[-1]
    trained = TrainedModel(subject.name, subject.network, device, {})
    sides = trained.sides(size, size)[out_of:]
    if not sides or sides[0] >= size:
        return None
    tiled, picture = replace(trained, tile=sides[0]), np.full((size, size, 3), 128, np.uint8)
    return f"in tiles of {sides[0]}", lambda: tiled(picture)


def warmed_up(work: Callable[[], object], options: argparse.Namespace) -> float | None:
    """Run it once; MiB of tensors that it makes, at most at a time."""
    if options.compile:  # which would not see what is counted
        work()
        return None
    with PeakBytes() as peak:
        work()
    return peak.most / 2**20


def timed(
    work: Callable[[], object], options: argparse.Namespace, device: torch.device
) -> tuple[list[float], list[float]]:
    """Work and calibrator in turns, until the repeats or the seconds are used up."""
    now, calibrate = clock(device), calibrator(device)
    calibrate()
    times: tuple[list[float], list[float]] = [], []
    while len(times[0]) < options.repeats and sum(times[0]) < options.seconds:
        for function, kept in zip((work, calibrate), times, strict=True):
            began = now()
            function()
            kept.append(now() - began)
    return times


def measure(subject: Subject, options: argparse.Namespace, device: torch.device) -> Iterator[Row]:
    """Both figures; where the memory is too small, that of tiles, or none."""
    authors = AUTHORS.get(subject.name, (None, None)) if comparable(options) else (None, None)
    for (what, work), theirs in zip(works(subject, options).items(), authors, strict=False):
        try:
            tiles = in_tiles(subject, device)
            if tiles and what == "forward":
                what, work = tiles
            used = warmed_up(work, options)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            tiles = in_tiles(subject, device, out_of=True)
            if not tiles or what != "forward":
                print(f"{subject.name:20} {what:18} out of memory", flush=True)
                continue
            what, work = tiles
            used = warmed_up(work, options)
        yield row(subject.name, what, timed(work, options, device), theirs, used)


def row(
    name: str,
    what: str,
    times: tuple[list[float], list[float]],
    authors: float | None,
    used: float | None,
) -> Row:
    ours, calibrator = map(statistics.median, times)
    theirs = authors and authors / CALIBRATOR_SECONDS
    return Row(name, what, ours, calibrator, theirs, used, len(times[0]))


def comparable(options: argparse.Namespace) -> bool:
    """The authors' times are of one size, on a CPU, in float32."""
    return options.size == 256 and options.device == "cpu" and options.precision == "fp32"


def table_line(row: Row) -> str:
    figures = f"{row.seconds * 1e3:9.1f} {row.calibrator * 1e3:7.1f} {row.ratio:8.2f}"
    authors = "" if row.authors is None else f"{row.authors:8.2f}"
    quotient = "" if row.quotient is None else f"{row.quotient:8.2f}"
    memory = "" if row.peak_mib is None else f"{row.peak_mib:7.0f}"
    return f"{row.name:20} {row.what:18} {figures} {authors:8} {quotient:8} {memory:7} {row.runs:4}"


def subjects(options: argparse.Namespace) -> Iterator[Subject]:
    names = options.names or ([] if options.checkpoint else list(AUTHORS))
    for name in names:
        yield named_subject(name, options.size)
    for run in options.checkpoint:
        trained = load_run(run, options.device)
        trained.model.requires_grad_(True)
        yield model_subject(run.name, trained.model, options.size)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="models, MODEL:PRESET, or released networks")
    parser.add_argument("--checkpoint", type=Path, nargs="+", default=[], help="finished runs")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=256, help="px, of both sides")
    parser.add_argument("--layout", choices=["own", *LAYOUTS], default="own")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--compile", action="store_true", help="with torch.compile")
    parser.add_argument("--forward", action="store_true", help="no backward pass")
    parser.add_argument("--repeats", type=int, default=9, help="at most")
    parser.add_argument("--seconds", type=float, default=20, help="roughly, for each figure")
    parser.add_argument("--json", type=Path, help="write the figures there, not on stdout")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    device = pick_device(options.device)
    head = f"{'ms':>9} {'cal. ms':>7} {'ratio':>8} {'authors':>8} {'quotient':>8} {'MiB':>7}"
    print(f"{'network':20} {'what':18} {head} runs")
    found = []
    for subject in subjects(options):
        for row in measure(placed(subject, options, device), options, device):
            print(table_line(row), flush=True)
            found.append({**asdict(row), "ratio": row.ratio, "quotient": row.quotient})
    text = json.dumps(found, indent=2)
    if options.json:
        options.json.write_text(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
