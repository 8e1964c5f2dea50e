"""PSNR and SSIM: pure functions of (H, W, 3) uint8 RGB pictures, in float64 throughout."""

import cv2
import numpy as np

from blurbench.metrics.protocols import NoScore, Protocol
from blurbench.metrics.variants import mean_square_psnr
from blurbench.metrics.windows import K1, K2, gaussian
from blurbench_kernels._jit import jit

RADIUS = 5  # of the 11 px window; Wang et al. (2004), section III-C


def psnr(restored: np.ndarray, sharp: np.ndarray, protocol: Protocol) -> float:
    """Peak signal-to-noise ratio in dB, at most PSNR_CEILING_DB."""
    # cv2.norm sums 8-bit squares as integers: exact, and 40 times faster than NumPy in float64.
    error = cv2.norm(restored, sharp, cv2.NORM_L2SQR) / sharp.size
    return mean_square_psnr(error, protocol.data_range)


def ssim(restored: np.ndarray, sharp: np.ndarray, protocol: Protocol) -> float:
    """Structural similarity, Wang et al. (2004) eq. 13, mean over whole windows and channels.

    Raises NoScore where the picture is smaller than the window.
    """
    height, width, channels = sharp.shape
    size = 2 * RADIUS + 1
    if min(height, width) < size:
        raise NoScore(f"SSIM needs at least {size}x{size} px, got {width}x{height}")
    # Channels stay interleaved: a neighbour to the right is then `channels` samples away.
    x, y = (np.ascontiguousarray(image).reshape(height, -1) for image in (restored, sharp))
    c1, c2 = (K1 * protocol.data_range) ** 2, (K2 * protocol.data_range) ** 2
    total = _ssim_total(x, y, gaussian(RADIUS), c1, c2, channels)
    return float(total / ((height - 2 * RADIUS) * (width - 2 * RADIUS) * channels))


@jit
def _ssim_total(
    x: np.ndarray, y: np.ndarray, window: np.ndarray, c1: float, c2: float, step: int
) -> float:
    """Sum of SSIM over all whole windows of (H, W * step) uint8 `x`, `y`.

    One row at a time, so no temporary is larger than a row. Float64: in float32 the variance
    cancels, and two flat pictures one grey level apart come out 4e-4 wrong.
    """
    rows, columns = x.shape
    moments = np.empty((4, columns))
    scores = np.zeros(columns - 2 * RADIUS * step)
    for top in range(rows - 2 * RADIUS):
        _filter_down(x[top : top + 2 * RADIUS + 1], y[top : top + 2 * RADIUS + 1], window, moments)
        _add_scores(moments, window, c1, c2, step, scores)
    value: float = scores.sum()
    return value


@jit
def _filter_down(x: np.ndarray, y: np.ndarray, window: np.ndarray, moments: np.ndarray) -> None:
    """Weigh 11 rows of x + y, x - y and their squares into the four rows of `moments`.

    Of sum and difference SSIM needs two means and two variances, where x and y would also need
    their covariance. Rows of one weight are added as integers first, which is exact and halves the
    multiplications by it. Signed, for Numba reads an unsigned byte as an unsigned integer.
    """
    for j in range(x.shape[1]):
        a, b = np.int32(x[RADIUS, j]), np.int32(y[RADIUS, j])
        first, first_gap = a + b, a - b
        weight = window[RADIUS]
        sums, gaps = weight * first, weight * first_gap
        sum_squares, gap_squares = weight * (first * first), weight * (first_gap * first_gap)
        for k in range(RADIUS):
            a, b = np.int32(x[k, j]), np.int32(y[k, j])
            first, first_gap = a + b, a - b
            a, b = np.int32(x[2 * RADIUS - k, j]), np.int32(y[2 * RADIUS - k, j])
            last, last_gap = a + b, a - b
            weight = window[k]
            sums += weight * (first + last)
            gaps += weight * (first_gap + last_gap)
            sum_squares += weight * (first * first + last * last)
            gap_squares += weight * (first_gap * first_gap + last_gap * last_gap)
        moments[0, j], moments[1, j] = sums, gaps
        moments[2, j], moments[3, j] = sum_squares, gap_squares


@jit
def _add_scores(
    moments: np.ndarray, window: np.ndarray, c1: float, c2: float, step: int, scores: np.ndarray
) -> None:
    """Weigh `moments` along the row and add the SSIM of each window to `scores`.

    A total for each column, not one for all: a single running sum could not be vectorised.
    """
    for j in range(scores.size):
        centre = j + RADIUS * step
        weight = window[RADIUS]
        total, gap = weight * moments[0, centre], weight * moments[1, centre]
        total_squares, gap_squares = weight * moments[2, centre], weight * moments[3, centre]
        for k in range(RADIUS):
            left, right = j + k * step, j + (2 * RADIUS - k) * step
            weight = window[k]
            total += weight * (moments[0, left] + moments[0, right])
            gap += weight * (moments[1, left] + moments[1, right])
            total_squares += weight * (moments[2, left] + moments[2, right])
            gap_squares += weight * (moments[3, left] + moments[3, right])
        total, gap = total * total, gap * gap
        total_squares, gap_squares = total_squares - total, gap_squares - gap
        # 4 xy = (x + y)^2 - (x - y)^2 and 2 (x^2 + y^2) = (x + y)^2 + (x - y)^2.
        likeness = ((total - gap) / 2 + c1) * ((total_squares - gap_squares) / 2 + c2)
        scores[j] += likeness / (
            ((total + gap) / 2 + c1) * ((total_squares + gap_squares) / 2 + c2)
        )
