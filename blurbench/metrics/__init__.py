"""How restored pictures are scored: METRICS says what is measured, PROTOCOLS exactly how."""

import math
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from blurbench.errors import UserError, one_line
from blurbench.metrics.levels import graded
from blurbench.metrics.protocols import PROTOCOLS, NoScore, Protocol
from blurbench.metrics.table import LITE0, METRICS, PYIQA, Metric
from blurbench.plugins import PlugIns
from blurbench.words import meant

__all__ = [
    "METRICS",
    "PLUG_INS",
    "PROTOCOLS",
    "Metric",
    "Protocol",
    "compute",
    "find_metric",
    "known",
    "make_ready",
]


def fault(_name: str, found: Any) -> str:
    """What keeps a thing from being a metric; empty for nothing."""
    return "" if isinstance(found, Metric) else "is no blurbench.metrics.Metric"


PLUG_INS = PlugIns("blurbench.metrics", "metric", METRICS, fault)


def compute(
    metric: str,
    restored: np.ndarray,
    sharp: np.ndarray | None,
    protocol: str = "wang-rgb",
    **labels: Any,
) -> float:
    """Score `restored` against `sharp`: (H, W, 3) uint8 RGB; `restored` also float in [0, 1].

    `labels` holds what the metric `needs` beside the pictures. NaN where the metric does not
    apply, as for a face class that a picture does not show. Raises UserError for an unknown name
    and a missing label; NoScore, a ValueError, for pictures that cannot be compared or have no
    finite score.
    """
    how = known(PROTOCOLS, protocol, "protocol")
    measure = find_metric(metric)
    restored = graded(restored, how.levels)
    check_pair(restored, sharp, measure.reference)
    if missing := [name for name in measure.needs if name not in labels]:
        raise UserError(f"metric {metric} needs {' and '.join(missing)}")
    function = pkgutil.resolve_name(how.functions.get(metric, measure.function))
    taken = {name: labels[name] for name in measure.needs}
    score = float(function(restored, sharp, how, **measure.options, **taken))
    # NaN passes, for it says that a metric does not apply; infinity would take all means with it.
    if math.isinf(score):
        raise NoScore(f"{metric} is infinite")
    return score


def find_metric(name: str) -> Metric:
    """The metric of a name, ours or an installed package's; UserError for an unknown one."""
    found: Metric = METRICS[name] if name in METRICS else PLUG_INS.load(name)
    return found


def make_ready(name: str) -> None:
    """Load what a metric needs beside pictures and labels: UserError now where it is missing."""
    metric = find_metric(name)
    if metric.function == PYIQA:
        from blurbench.metrics.perceptual import load

        load(metric.options["name"])
    elif metric.function == LITE0:
        from blurbench.metrics.networks import lite0

        lite0.load()
    elif name not in METRICS:
        function_of(name, metric)


def function_of(name: str, metric: Metric) -> Callable[..., Any]:
    """What a metric names as its function; UserError where there is no such thing."""
    try:
        found: Callable[..., Any] = pkgutil.resolve_name(metric.function)
    # Its module may raise what it likes.
    except Exception as error:
        package = PLUG_INS.origin(name) or "blurbench"
        told = f"metric {name!r} of {package}: its function {metric.function!r} cannot be loaded"
        raise UserError(f"{told}: {one_line(error)}; mend or uninstall the package") from None
    return found


def known(table: Mapping[str, Any], name: str, kind: str) -> Any:
    """`table[name]`, or a UserError that lists the names there are."""
    if name not in table:
        raise UserError(f"unknown {kind} {name!r}{meant(name, table)}; known: {', '.join(table)}")
    return table[name]


def check_pair(restored: np.ndarray, sharp: np.ndarray | None, reference: bool) -> None:
    """Refuse all but two (H, W, 3) pictures of one size; or one, where no reference is needed."""
    if restored.dtype not in (np.uint8, np.float64) or not _is_rgb(restored):
        raise NoScore(_not_rgb("restored", restored))
    if sharp is None:
        if reference:
            raise NoScore("there is no sharp picture to compare with")
        return
    if sharp.dtype != np.uint8 or not _is_rgb(sharp):
        raise NoScore(_not_rgb("sharp", sharp))
    if restored.shape != sharp.shape:
        raise NoScore(f"restored is {_size(restored)}, sharp is {_size(sharp)} px")


def _is_rgb(image: np.ndarray) -> bool:
    return image.ndim == 3 and image.shape[2] == 3


def _not_rgb(name: str, image: np.ndarray) -> str:
    return f"{name} must be (H, W, 3) uint8 RGB, not {image.shape} {image.dtype}"


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
