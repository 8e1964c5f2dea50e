"""How restored pictures are scored: METRICS says what is measured, PROTOCOLS exactly how."""

import math
import pkgutil
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from blurbench.errors import UserError
from blurbench.metrics.levels import graded
from blurbench.metrics.protocols import PROTOCOLS, Protocol
from blurbench.metrics.table import METRICS, PYIQA, Metric

__all__ = [
    "METRICS",
    "PROTOCOLS",
    "Metric",
    "Protocol",
    "compute",
    "find_metric",
    "known",
    "make_ready",
]

ENTRY_POINTS = "blurbench.metrics"  # other packages add metrics here, as `Metric` objects


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
    and a missing label, ValueError for pictures that cannot be compared or have no finite score.
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
    if math.isinf(score):
        raise ValueError(f"{metric} is infinite")
    return score


def find_metric(name: str) -> Metric:
    """The metric of a name, ours or an installed package's; UserError for an unknown one."""
    if name in METRICS:
        return METRICS[name]
    added = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name in added:
        found: Metric = added[name].load()
        return found
    raise UserError(f"unknown metric {name!r}; known: {', '.join([*METRICS, *added])}")


def make_ready(name: str) -> None:
    """Load what a metric needs beside pictures and labels: UserError now where it is missing."""
    metric = find_metric(name)
    if metric.function == PYIQA:
        from blurbench.metrics.perceptual import load

        load(metric.options["name"])


def known(table: Mapping[str, Any], name: str, kind: str) -> Any:
    """`table[name]`, or a UserError that lists the names there are."""
    if name not in table:
        raise UserError(f"unknown {kind} {name!r}; known: {', '.join(table)}")
    return table[name]


def check_pair(restored: np.ndarray, sharp: np.ndarray | None, reference: bool) -> None:
    """Refuse all but two (H, W, 3) pictures of one size; or one, where no reference is needed."""
    if restored.dtype not in (np.uint8, np.float64) or not _is_rgb(restored):
        raise ValueError(_not_rgb("restored", restored))
    if sharp is None:
        if reference:
            raise ValueError("there is no sharp picture to compare with")
        return
    if sharp.dtype != np.uint8 or not _is_rgb(sharp):
        raise ValueError(_not_rgb("sharp", sharp))
    if restored.shape != sharp.shape:
        raise ValueError(f"restored is {_size(restored)}, sharp is {_size(sharp)} px")


def _is_rgb(image: np.ndarray) -> bool:
    return image.ndim == 3 and image.shape[2] == 3


def _not_rgb(name: str, image: np.ndarray) -> str:
    return f"{name} must be (H, W, 3) uint8 RGB, not {image.shape} {image.dtype}"


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
