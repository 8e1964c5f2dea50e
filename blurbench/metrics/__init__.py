"""How restored pictures are scored: METRICS says what is measured, PROTOCOLS exactly how."""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from blurbench.errors import UserError
from blurbench.metrics.protocols import PROTOCOLS, Protocol

__all__ = ["METRICS", "PROTOCOLS", "Metric", "Protocol", "compute", "known"]


@dataclass(frozen=True)
class Metric:
    """One measure of a restored picture against its sharp one."""

    function: str  # "module:name" of (restored, sharp, protocol) -> float, imported when used
    title: str
    higher_is_better: bool
    unit: str
    digits: int  # decimals worth printing


METRICS: dict[str, Metric] = {
    "psnr": Metric(
        function="blurbench.metrics.distortion:psnr",
        title="PSNR",
        higher_is_better=True,
        unit="dB",
        digits=2,
    ),
    "ssim": Metric(
        function="blurbench.metrics.distortion:ssim",
        title="SSIM",
        higher_is_better=True,
        unit="",
        digits=4,
    ),
}


def compute(
    metric: str, restored: np.ndarray, sharp: np.ndarray, protocol: str = "wang-rgb"
) -> float:
    """Score `restored` against `sharp`, both (H, W, 3) uint8 RGB.

    Raises UserError for an unknown name, ValueError for pictures that cannot be compared.
    """
    how = known(PROTOCOLS, protocol, "protocol")
    function = pkgutil.resolve_name(known(METRICS, metric, "metric").function)
    check_pair(restored, sharp)
    return float(function(restored, sharp, how))


def known(table: Mapping[str, Any], name: str, kind: str) -> Any:
    """`table[name]`, or a UserError that lists the names there are."""
    if name not in table:
        raise UserError(f"unknown {kind} {name!r}; known: {', '.join(sorted(table))}")
    return table[name]


def check_pair(restored: np.ndarray, sharp: np.ndarray) -> None:
    """Refuse all but two (H, W, 3) uint8 arrays of one size."""
    for name, image in (("restored", restored), ("sharp", sharp)):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"{name} must be (H, W, 3) uint8 RGB, not {image.shape} {image.dtype}")
    if restored.shape != sharp.shape:
        raise ValueError(f"restored is {_size(restored)}, sharp is {_size(sharp)} px")


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
