"""runs.html: the curves of trainings, each ticked or not; it needs no network."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from blurbench import __version__
from blurbench.files import read_regular
from blurbench.images import check_header
from blurbench.ranking.page.charts import BOTTOM, LEFT, MOST_LINES, RIGHT, TOP, Axis
from blurbench.ranking.page.jinja import joined, templates
from blurbench.runs.history import LOOKS, History

STYLES = ("leaderboard.css", "charts.css", "reproduce.css", "runs.css")
SCRIPTS = ("runs.js",)
MOST_POINTS = 400  # of a curve: more than its 448 units of width show
MOST_DOTS = 16  # of a curve; a run that was looked at once is a dot and no line
MOST_SAMPLES = 6  # of a run, spread over its time
SAMPLE_WIDTH = 640  # px; a page of ten runs stays under 5 MB
WORDS = {"psnr": "PSNR of the validation split", "cider": "CIDEr of the validation split"}

TitledRun = tuple[str, History, Mapping[str, str]]  # name, history, its line of the table


@dataclass(frozen=True)
class Trace:
    """A run's curve in one chart."""

    run: int  # its place in the table
    name: str
    points: list[tuple[float, float]]  # of its line
    dots: list[tuple[float, float]]  # the same, where they are few
    blurred: float | None = None  # y of its blurred pictures


@dataclass(frozen=True)
class TraceChart:
    """One number of the log of all runs that have it, over their steps."""

    title: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    traces: list[Trace]


def runs_page(runs: Sequence[TitledRun]) -> str:
    """The page of some runs."""
    environment = templates()
    environment.globals.update(colour=lambda place: place % MOST_LINES + 1)
    style, style_hash = joined(environment, STYLES)
    script, script_hash = joined(environment, SCRIPTS)
    return environment.get_template("runs.html").render(
        rows=[row for _, _, row in runs],
        charts=charts(runs),
        samples=[(name, sample_pictures(history)) for name, history, _ in runs],
        style=style,
        style_hash=style_hash,
        script=script,
        script_hash=script_hash,
        version=__version__,
    )


def charts(runs: Sequence[TitledRun]) -> list[TraceChart]:
    """The validations first, then every loss, by the stages of the first run that has it."""
    found = []
    for look, unit in LOOKS.items():
        curves = {
            place: history.looks
            for place, (_, history, _) in enumerate(runs)
            if history.look == look and history.looks
        }
        title = f"{WORDS[look]}{f', {unit}' * bool(unit)}"
        found += [chart(title, runs, curves, blurred=look == "psnr")] if curves else []
    for name in dict.fromkeys(name for _, history, _ in runs for name in history.losses):
        curves = {
            place: history.losses[name]
            for place, (_, history, _) in enumerate(runs)
            if history.losses.get(name)
        }
        found.append(chart(name, runs, curves))
    return found


def chart(
    title: str,
    runs: Sequence[TitledRun],
    curves: Mapping[int, Mapping[int, float]],
    blurred: bool = False,
) -> TraceChart:
    """One chart; curves: value by step, by place of the run."""
    identities = {place: runs[place][1].blurred for place in curves} if blurred else {}
    values = [value for curve in curves.values() for value in curve.values()]
    values += [value for value in identities.values() if value is not None]
    flat = 0.5 if min(values) == max(values) else 0.0
    steps = [step for curve in curves.values() for step in curve]
    x_axis = Axis(0, max(steps) or 1, LEFT, RIGHT)
    y_axis = Axis(min(values) - flat, max(values) + flat, BOTTOM, TOP)
    traces = []
    for place, curve in curves.items():
        thinned = sorted(curve.items())[:: max(1, len(curve) // MOST_POINTS)]
        points = [(x_axis.place(step), y_axis.place(y)) for step, y in thinned]
        dots = points if len(points) <= MOST_DOTS else []
        low = identities.get(place)
        dashed = None if low is None else y_axis.place(low)
        traces.append(Trace(place, runs[place][0], points, dots, dashed))
    return TraceChart(title, x_axis.ticks(), y_axis.ticks(), traces)


def sample_pictures(history: History) -> list[tuple[int, str]]:
    """Step and data URI of some of a run's sample pictures, from the first to the last."""
    pictures = history.samples
    count = min(len(pictures), MOST_SAMPLES)
    chosen = [pictures[round(n * (len(pictures) - 1) / max(count - 1, 1))] for n in range(count)]
    return [
        (int(path.stem), uri) for path in chosen if path.stem.isdecimal() and (uri := _uri(path))
    ]


def _uri(path: Path) -> str:
    """A sample picture made small; empty for a damaged one, which costs the page nothing else."""
    try:
        data = read_regular(path)
        check_header(data, str(path))
        with Image.open(io.BytesIO(data)) as image:
            small = image.convert("RGB")
    except Exception:  # Pillow's decoders raise what they like
        return ""
    small.thumbnail((SAMPLE_WIDTH, 100 * SAMPLE_WIDTH))
    into = io.BytesIO()
    small.save(into, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(into.getvalue()).decode()
