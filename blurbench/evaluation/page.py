"""Boards -> one HTML page that needs no network: its style and script are inside it."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from blurbench import __version__
from blurbench.evaluation import counted
from blurbench.evaluation.boards import Board, Entry, Result
from blurbench.evaluation.pictures import FOLDER
from blurbench.evaluation.statistics import FEWEST, Estimate
from blurbench.metrics import METRICS, PROTOCOLS


def render_page(
    boards: list[Board], viewers: list[dict[str, Any]], stories: list[dict[str, Any] | None]
) -> str:
    """The page of some boards, each with its slider and its comparison, if any."""
    loader = PackageLoader("blurbench.evaluation")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(compact=compact, counted=counted)
    style, script = (
        loader.get_source(environment, name)[0] for name in ("leaderboard.css", "leaderboard.js")
    )
    return environment.get_template("leaderboard.html").render(
        sections=list(zip(boards, viewers, stories, strict=True)),
        metrics=METRICS,
        protocols=PROTOCOLS,
        functions={
            "costs": costs,
            "leaders": leaders,
            "made": made,
            "plot": plot,
            "verdict": verdict,
        },
        fewest=FEWEST,
        folder=FOLDER,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        version=__version__,
    )


def costs(result: Result) -> dict[str, float | None]:
    """Parameters, GMACs at 256x256 and median milliseconds a picture, where they are known."""
    provenance = result.summary["provenance"]
    return {
        "params": provenance.get("params"),
        "gmacs_256": provenance.get("gmacs_256"),
        "milliseconds": result.summary["milliseconds_median"],
    }


def compact(value: float | None) -> str:
    """Three digits and a unit prefix: 7841123 -> `7.84 M`."""
    if value is None:
        return "–"
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def leaders(board: Board) -> list[Entry]:
    """The entries that share the first rank on the board's first metric."""
    first = board.metrics[0]
    return [one for one in board.entries if first in one.scores and one.scores[first].rank == 1]


def verdict(gain: Estimate, metric: str) -> str:
    """`better` or `worse` where chance does not explain the difference, else `even`."""
    if not gain.differs:
        return "even"
    return "better" if (gain.mean > 0) == METRICS[metric].higher_is_better else "worse"


def plot(board: Board) -> list[dict[str, float] | None]:
    """Each entry's gain on the first metric, its interval, and zero, as positions 0 to 100."""
    scores = [entry.scores.get(board.metrics[0]) for entry in board.entries]
    gains = [score.gain if score else None for score in scores]
    ends = [0.0, *(end for one in gains if one for end in (one.low, one.mean, one.high) if end)]
    low, span = min(ends), max(max(ends) - min(ends), 1e-9)

    def place(value: float) -> float:
        return round(4 + 92 * (value - low) / span, 2)

    def bar(one: Estimate | None) -> dict[str, float] | None:
        if one is None:
            return None
        ends = {"low": one.low, "mean": one.mean, "high": one.high, "zero": 0.0}
        return {name: place(one.mean if end is None else end) for name, end in ends.items()}

    return [bar(one) for one in gains]


def made(entry: Entry) -> list[tuple[str, str]]:
    """How a line came about: everything its summary.json says beyond the scores."""
    summary = entry.result.summary
    chosen = {
        "restored by": summary["restored_by"],
        "data": {**summary["data"], "folder": summary.get("data_folder")},
        "protocol": summary["protocol"],
        "provenance": summary["provenance"],
        "peak memory, MB": summary.get("peak_memory_mb"),
        "peak memory on the GPU, MB": summary.get("gpu_peak_memory_mb"),
        "environment": summary["environment"],
        "skipped": {item["id"]: item["why"] for item in summary["skipped"]},
    }
    return list(_flat(chosen, ""))


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Nested dictionaries as (`outer · inner`, text) pairs."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name} · {key}" if name else str(key))
    else:
        yield name, "–" if value is None else str(value)


def _hash(text: str) -> str:
    """What the page's content security policy calls an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
