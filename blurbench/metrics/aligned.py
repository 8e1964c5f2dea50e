"""PSNR and SSIM of a restored picture that was first laid onto the sharp one."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from skimage.registration import phase_cross_correlation

from blurbench.metrics.protocols import NoScore, Protocol
from blurbench.metrics.variants import WANG, mean_square_psnr
from blurbench.metrics.windows import mean_ssim

ITERATIONS, SMOOTHING = 100, 5  # of the enhanced correlation; px of its Gaussian filter
STEPS = 10  # to a pixel, in looking for a shift


@dataclass(frozen=True)
class Aligned:
    """Restored and sharp picture, (H, W, 3) float32 in 0..1, black where `covered` is 0."""

    restored: np.ndarray
    sharp: np.ndarray
    covered: np.ndarray  # (H, W), 1 where the laid picture has pixels


def homography(restored: np.ndarray, sharp: np.ndarray) -> Aligned:
    """Warp by the homography of highest enhanced correlation (Evangelidis and Psarakis, 2008).

    Raises NoScore where none is found.
    """
    bright, target = matched(restored, sharp)
    # An epsilon of 0 never ends the search early.
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, ITERATIONS, 0)
    template, moved = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (target, bright))
    try:
        _, matrix = cv2.findTransformECC(
            template,
            moved,
            np.eye(3, dtype=np.float32),
            cv2.MOTION_HOMOGRAPHY,
            criteria,
            np.full(template.shape, 255, np.uint8),
            SMOOTHING,
        )
    except cv2.error:
        raise NoScore("the restored picture cannot be laid onto the sharp one") from None
    return warped(bright, target, matrix)


def shift(restored: np.ndarray, sharp: np.ndarray) -> Aligned:
    """Move by the shift of least squares, to a tenth of a pixel.

    The better of two guesses. Plain correlation is drawn 0.1 px by what wraps around the border;
    that of the phases follows the noise where blur took the detail: noisy blurred faces moved by
    2 px and lost 1 dB.
    """
    bright, target = matched(restored, sharp)
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (target, bright)]
    if not (bright.any() and target.any()):  # nothing to correlate
        return warped(bright, target, np.eye(3, dtype=np.float32))
    pairs = []
    for how in (None, "phase"):
        (down, right), *_ = phase_cross_correlation(*grey, upsample_factor=STEPS, normalization=how)
        matrix = np.array([[1, 0, -right], [0, 1, -down], [0, 0, 1]], np.float32)
        pairs.append(warped(bright, target, matrix))
    # By the score itself: least squares over what is covered is the highest PSNR.
    return max(pairs, key=covered_psnr)


def matched(restored: np.ndarray, sharp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float32 in 0..1, the restored one times the factor that brings it nearest."""
    x, y = (image.astype(np.float32) / 255 for image in (restored, sharp))
    power = float(np.vdot(x, x))
    return (x * (float(np.vdot(x, y)) / power) if power else x), y


def warped(image: np.ndarray, target: np.ndarray, matrix: np.ndarray) -> Aligned:
    """`image` at the places that `matrix` (3, 3) gives for the pixels of `target`."""
    height, width = target.shape[:2]
    inverse = cv2.WARP_INVERSE_MAP
    laid = cv2.warpPerspective(
        image, matrix, (width, height), None, cv2.INTER_CUBIC | inverse, cv2.BORDER_REFLECT
    )
    ones = np.ones((height, width), np.float32)
    covered = cv2.warpPerspective(ones, matrix, (width, height), None, cv2.INTER_NEAREST | inverse)
    inside = covered[..., None]
    return Aligned(laid * inside, target * inside, covered)


def covered_psnr(pair: Aligned) -> float:
    """PSNR in dB over the covered pixels."""
    if not pair.covered.any():
        raise NoScore("the restored picture cannot be laid onto the sharp one")
    squares = np.sum((pair.restored.astype(np.float64) - pair.sharp) ** 2)
    return mean_square_psnr(float(squares / (3 * pair.covered.sum(dtype=np.float64))), 1.0)


def covered_ssim(pair: Aligned) -> float:
    """SSIM, mean over the covered pixels."""
    return mean_ssim(pair.restored, pair.sharp, WANG, 1.0, pair.covered)


def _score(
    lay: Callable[[np.ndarray, np.ndarray], Aligned], score: Callable[[Aligned], float]
) -> Callable[[np.ndarray, np.ndarray, Protocol], float]:
    """A metric's function out of a way to lay and a way to score."""
    return lambda restored, sharp, _protocol: score(lay(restored, sharp))


homography_psnr = _score(homography, covered_psnr)
homography_ssim = _score(homography, covered_ssim)
shift_psnr = _score(shift, covered_psnr)
shift_ssim = _score(shift, covered_ssim)
