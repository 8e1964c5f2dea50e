"""PSNR and SSIM as protocols other than wang-rgb want them: of (H, W, 3) uint8 or 0..255 float."""

import math

import cv2
import numpy as np

from blurbench.metrics.protocols import PSNR_CEILING_DB, Protocol
from blurbench.metrics.windows import Window, gaussian, mean_ssim

WANG = Window(gaussian())
LUMA = np.array([65.481, 128.553, 24.966]) / 255  # and 16 on top; ITU-R BT.601


def mean_square_psnr(error: float, data_range: float) -> float:
    """PSNR in dB of a mean squared error, at most PSNR_CEILING_DB."""
    if error == 0:
        return PSNR_CEILING_DB
    return min(10 * math.log10(data_range**2 / error), PSNR_CEILING_DB)


def exact_psnr(restored: np.ndarray, sharp: np.ndarray, protocol: Protocol) -> float:
    """PSNR of pictures that may lie between grey levels."""
    error = float(np.mean((restored.astype(np.float64) - sharp) ** 2))
    return mean_square_psnr(error, protocol.data_range)


def exact_ssim(restored: np.ndarray, sharp: np.ndarray, protocol: Protocol) -> float:
    """SSIM of pictures that may lie between grey levels."""
    return mean_ssim(restored, sharp, WANG, protocol.data_range)


def luma(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) RGB of 0..255 -> (H, W, 1) float64 of 16..235."""
    return (image.astype(np.float64) @ LUMA + 16)[..., None]


def luma_psnr(restored: np.ndarray, sharp: np.ndarray, protocol: Protocol) -> float:
    """PSNR of the luma."""
    return exact_psnr(luma(restored), luma(sharp), protocol)


def luma_ssim(restored: np.ndarray, sharp: np.ndarray, protocol: Protocol) -> float:
    """SSIM of the luma."""
    return exact_ssim(luma(restored), luma(sharp), protocol)


def volume_ssim(restored: np.ndarray, sharp: np.ndarray, protocol: Protocol) -> float:
    """SSIM with a window over rows, columns and channels, all borders repeated."""
    weights = gaussian()
    channels, radius = sharp.shape[2], len(weights) // 2
    across = np.zeros((channels, channels))
    for channel in range(channels):
        for offset, weight in enumerate(weights, start=-radius):
            # A channel beyond the last repeats it, as beyond the border of a picture.
            across[channel, min(max(channel + offset, 0), channels - 1)] += weight
    window = Window(weights, cv2.BORDER_REPLICATE, across=across)
    return mean_ssim(restored, sharp, window, protocol.data_range)


def uniform_ssim(restored: np.ndarray, sharp: np.ndarray, protocol: Protocol) -> float:
    """SSIM with a 7x7 uniform window and sample covariances."""
    window = Window(np.full(7, 1 / 7), unbiased=49 / 48)
    return mean_ssim(restored, sharp, window, protocol.data_range)


def bordered_ssim(restored: np.ndarray, sharp: np.ndarray, protocol: Protocol) -> float:
    """SSIM of all windows, of which some reach into a black border."""
    window = Window(gaussian(), cv2.BORDER_CONSTANT)
    return mean_ssim(restored, sharp, window, protocol.data_range)
