"""Restoration and segmentation of each face class: UMSN (Yasarla et al., IEEE TIP 2020).

Its table I says no more than "each deblurred semantic class". Both pictures are blackened outside
the class and compared whole: of the usual readings the one whose squared errors, summed over the
printed classes (25.3 and 24.3 dB), come near the printed PSNR of whole faces (25.9 and 25.1 dB).
"""

import math
import pkgutil
from collections.abc import Callable

import numpy as np

from blurbench.metrics.levels import rounded
from blurbench.metrics.protocols import Protocol


def class_psnr(
    restored: np.ndarray, sharp: np.ndarray, protocol: Protocol, *, mask: np.ndarray, part: int
) -> float:
    """PSNR in dB of a class; `mask` (H, W) holds labels. NaN where the class is absent."""
    return on_black("psnr", restored, sharp, protocol, mask == part)


def class_ssim(
    restored: np.ndarray, sharp: np.ndarray, protocol: Protocol, *, mask: np.ndarray, part: int
) -> float:
    """SSIM of a class; NaN where it is absent."""
    return on_black("ssim", restored, sharp, protocol, mask == part)


def on_black(
    metric: str, restored: np.ndarray, sharp: np.ndarray, protocol: Protocol, inside: np.ndarray
) -> float:
    """The protocol's own `metric` of what is `inside` (H, W); NaN where nothing is."""
    if not inside.any():
        return math.nan
    usual = f"blurbench.metrics.distortion:{metric}"
    score = pkgutil.resolve_name(protocol.functions.get(metric, usual))
    return float(score(restored * inside[..., None], sharp * inside[..., None], protocol))


def f_score(
    restored: np.ndarray,
    _sharp: np.ndarray,
    _protocol: Protocol,
    *,
    mask: np.ndarray,
    segmenter: Callable[[np.ndarray], np.ndarray],
    part: int,
) -> float:
    """F of a class found in the restored picture: table II. NaN where nothing is to be found.

    `segmenter` gives the (H, W) labels of an (H, W, 3) uint8 picture.
    """
    found, true = segmenter(rounded(restored)) == part, mask == part
    if not true.any():
        return math.nan
    return float(2 * (found & true).sum() / (found.sum() + true.sum()))
