"""SSIM with any separable window and border, in float64, a strip of rows at a time."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from blurbench.metrics.protocols import NoScore

K1, K2 = 0.01, 0.03
STRIP = 128  # rows: the temporaries of a 12 MP picture would otherwise take 2 GB


@dataclass(frozen=True)
class Window:
    """How neighbours are weighed, and what lies beyond the border."""

    weights: np.ndarray  # (2 r + 1,) along rows and along columns, sum 1
    border: int | None = None  # OpenCV's name; None: only windows wholly inside the picture
    unbiased: float = 1.0  # on the covariances
    across: np.ndarray | None = None  # (C, C) weights of the other channels


def gaussian(radius: int = 5, sigma: float = 1.5) -> np.ndarray:
    """(2 radius + 1,) weights that sum to 1."""
    weights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(-radius, radius + 1)]
    return np.array(weights) / math.fsum(weights)


def mean_ssim(
    x: np.ndarray,
    y: np.ndarray,
    window: Window,
    data_range: float,
    mask: np.ndarray | None = None,
) -> float:
    """Mean SSIM of two (H, W, C) pictures: over the windows, then over the channels.

    `mask` (H, W) weighs the windows by their centre. Raises NoScore where the picture is
    smaller than the window, or the mask is empty.
    """
    size = len(window.weights)
    radius = size // 2
    if window.border is not None:
        x, y = (pad(image, radius, window.border) for image in (x, y))
    elif min(x.shape[:2]) < size:
        raise NoScore(f"SSIM needs at least {size}x{size} px, got {x.shape[1]}x{x.shape[0]}")
    total, count = np.zeros(x.shape[2]), 0.0
    for top in range(0, len(x) - 2 * radius, STRIP):
        rows = slice(top, top + STRIP + 2 * radius)
        values = ssim_map(x[rows], y[rows], window, data_range)
        if mask is None:
            total += values.sum((0, 1))
            count += values.shape[0] * values.shape[1]
        else:
            centres = mask[rows][radius:-radius, radius:-radius].astype(np.float64)
            total += (values * centres[..., None]).sum((0, 1))
            count += float(centres.sum())
    if not count:
        raise NoScore("no pixel to compare")
    return float((total / count).mean())


def pad(image: np.ndarray, radius: int, border: int) -> np.ndarray:
    """(H, W, C) with `radius` px of border on each side."""
    # OpenCV drops the axis of a single channel; reshape gives it back.
    out: np.ndarray = cv2.copyMakeBorder(image, radius, radius, radius, radius, border).reshape(
        image.shape[0] + 2 * radius, image.shape[1] + 2 * radius, -1
    )
    return out


def ssim_map(x: np.ndarray, y: np.ndarray, window: Window, data_range: float) -> np.ndarray:
    """SSIM of each whole window, Wang et al. (2004) eq. 13: (H - 2 r, W - 2 r, C) float64."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    mean_x, mean_y = weigh(x, window), weigh(y, window)
    power, cross = mean_x**2 + mean_y**2, mean_x * mean_y
    # Only the sum of the variances is needed, which saves a fifth filter.
    variances = window.unbiased * (weigh(x * x + y * y, window) - power)
    covariance = window.unbiased * (weigh(x * y, window) - cross)
    out: np.ndarray = (2 * cross + c1) * (2 * covariance + c2) / ((power + c1) * (variances + c2))
    return out


def weigh(image: np.ndarray, window: Window) -> np.ndarray:
    """Weighted mean over each whole window."""
    radius = len(window.weights) // 2
    # OpenCV makes up a border, which is cut off again: only whole windows count.
    means = cv2.sepFilter2D(image, cv2.CV_64F, window.weights, window.weights)
    means = means.reshape(image.shape)[radius:-radius, radius:-radius]
    out: np.ndarray = means if window.across is None else means @ window.across.T
    return out
