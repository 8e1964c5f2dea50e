"""Slow, obviously right versions of the fast functions."""

import math

import numpy as np


def psnr(restored, sharp):
    """10 log10(255^2 / MSE), at most 100 dB."""
    error = np.mean((restored.astype(float) - sharp.astype(float)) ** 2)
    return 100.0 if error == 0 else min(100.0, 10 * math.log10(255**2 / error))


def ssim(restored, sharp):
    """Wang et al. (2004), equations 13 to 16: one 11x11 window at a time, one channel at a time."""
    weights = np.array(
        [[math.exp(-(i * i + j * j) / 4.5) for j in range(-5, 6)] for i in range(-5, 6)]
    )
    weights /= weights.sum()
    height, width, channels = sharp.shape
    values = []
    for top in range(height - 10):
        for left in range(width - 10):
            for channel in range(channels):
                x = restored[top : top + 11, left : left + 11, channel].astype(float)
                y = sharp[top : top + 11, left : left + 11, channel].astype(float)
                mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
                variance_x = (weights * (x - mean_x) ** 2).sum()
                variance_y = (weights * (y - mean_y) ** 2).sum()
                covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
                values.append(
                    (2 * mean_x * mean_y + 2.55**2)
                    * (2 * covariance + 7.65**2)
                    / ((mean_x**2 + mean_y**2 + 2.55**2) * (variance_x + variance_y + 7.65**2))
                )
    return np.mean(values)
