"""Kernels of one blur for the whole image: a straight line, a Gaussian, a disk.

Each is float64 (K, K), K the smallest odd size that holds it, of whole multiples of 2^-24 that sum
to exactly 1, point symmetric about the middle tap. Lengths in px, x right and y down.
"""

import math

import numpy as np

from blurbench_kernels._jit import jit
from blurbench_kernels.bank import GRID, normalise

# A Gaussian falls to 1 %, where bank.extent stops to see it, at this many sigmas.
_ONE_PERCENT = math.sqrt(2 * math.log(100))
# Strips that a pixel is cut into for the area of a disk: no area is then off by over 0.3 %.
_STRIPS = 64


def _check(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name}: expected a number of px of at least 0, got {value}")


def _settle(kernel: np.ndarray) -> np.ndarray:
    """What bank.snap does, but symmetric: the rest is shared by the largest pairs of taps.

    On one tap alone it would show: 11,000 equal taps of a disk all round the same way, and their
    rest is three times a tap.
    """
    units = np.rint(normalise(kernel) * GRID)
    # Views: what is added to `half` and `mirrored` below is added to `units`.
    flat = units.reshape(-1)
    half, mirrored = flat[: flat.size // 2], flat[::-1][: flat.size // 2]
    rest = int(GRID - flat.sum())
    pairs, odd = divmod(abs(rest), 2)
    # Stable: which of equal taps take the rest must not hang on how NumPy sorts.
    largest = np.argsort(-half, kind="stable")[:pairs]
    step = math.copysign(1.0, rest)
    half[largest] += step
    mirrored[largest] += step
    flat[flat.size // 2] += step * odd
    return _trim(units / GRID)


def _trim(kernel: np.ndarray) -> np.ndarray:
    """Without the rings of zeros around it."""
    middle = len(kernel) // 2
    rows, columns = np.nonzero(kernel)
    reach = max(np.abs(rows - middle).max(), np.abs(columns - middle).max())
    inside = slice(middle - reach, middle + reach + 1)
    return np.ascontiguousarray(kernel[inside, inside])


@jit
def _splat(places: np.ndarray, dx: float, dy: float, kernel: np.ndarray) -> None:
    middle = kernel.shape[0] // 2
    for i in range(places.size - 1):
        start, length = places[i], places[i + 1] - places[i]
        # Within a cell of the grid a tap's share is quadratic in the place: Simpson is exact.
        for part in range(3):
            x = (start + 0.5 * part * length) * dx + middle
            y = (start + 0.5 * part * length) * dy + middle
            share = length * (4.0 if part == 1 else 1.0) / 6.0
            left = min(max(math.floor(x), 0), kernel.shape[1] - 2)
            top = min(max(math.floor(y), 0), kernel.shape[0] - 2)
            for row in range(top, top + 2):
                for column in range(left, left + 2):
                    near = max(0.0, 1 - abs(x - column)) * max(0.0, 1 - abs(y - row))
                    kernel[row, column] += share * near


def _crossings(half: float, slope: float) -> np.ndarray:
    """Places from -half to half where place * slope is a whole number."""
    last = math.floor(half * abs(slope))
    # Without a crossing but the middle the slope may be 0.
    return np.arange(-last, last + 1) / abs(slope) if last else np.zeros(1)


def line(length: float, angle: float) -> np.ndarray:
    """A straight line of `length` px between its ends, at `angle` rad from x towards y (down).

    Each point of the continuous line is shared by its four pixels, bilinearly. Length 0 is the
    identity (1, 1). ValueError for a length below 0 or an angle that is not finite.
    """
    _check("length", length)
    if not math.isfinite(angle):
        raise ValueError(f"angle: expected a finite number of rad, got {angle}")
    half, dx, dy = length / 2, math.cos(angle), math.sin(angle)
    if half == 0:
        return np.ones((1, 1))
    reach = math.ceil(half * max(abs(dx), abs(dy)))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    ends = np.array([-half, half])
    # Past a crossing other pixels share a point: a part never reaches over one.
    places = np.concatenate([ends, _crossings(half, dx), _crossings(half, dy)])
    _splat(np.sort(places.clip(-half, half)), dx, dy, kernel)
    return _settle(kernel + kernel[::-1, ::-1])


def gaussian(sigma: float) -> np.ndarray:
    """A Gaussian of `sigma` px, cut at 4 sigma on each side.

    Sigma 0 is the identity (1, 1). ValueError for a sigma below 0.
    """
    _check("sigma", sigma)
    if sigma == 0:
        return np.ones((1, 1))
    # At 4 sigma exp(-8) is left, 0.03 % of the peak.
    reach = int(4 * sigma + 0.5)
    # math.exp, not np.exp: NumPy picks that by CPU.
    profile = np.array([math.exp(-0.5 * (i / sigma) ** 2) for i in range(-reach, reach + 1)])
    # The profile is symmetric to the bit, since i is squared: no mirror image need be added.
    return _settle(np.outer(profile, profile))


def disk(radius: float) -> np.ndarray:
    """A disk of `radius` px: each tap is the area of its pixel that the disk covers.

    A radius of at most 0.5, a disk within one pixel, is the identity (1, 1). ValueError for a
    radius below 0.
    """
    _check("radius", radius)
    if radius <= 0.5:
        return np.ones((1, 1))
    reach = math.ceil(radius - 0.5)
    size = 2 * reach + 1
    strips = (np.arange(size * _STRIPS) + 0.5) / _STRIPS - size / 2
    chords = np.sqrt(np.maximum(radius * radius - strips * strips, 0.0))[:, None]
    columns = np.arange(-reach, reach + 1)
    seen = np.minimum(columns + 0.5, chords) - np.maximum(columns - 0.5, -chords)
    kernel = np.maximum(seen, 0.0).reshape(size, _STRIPS, size).sum(axis=1)
    # Areas are exact along rows and in strips along columns; the transpose makes both alike.
    kernel = kernel + kernel.T
    return _settle(kernel + kernel[::-1, ::-1])


def gaussian_sigma(extent: float) -> float:
    """The sigma of a Gaussian whose bank.extent is near `extent` px; ValueError below 0."""
    _check("extent", extent)
    return extent / (2 * _ONE_PERCENT)


def disk_radius(extent: float) -> float:
    """The radius of a disk whose bank.extent is near `extent` px; ValueError below 0."""
    _check("extent", extent)
    return max(0.0, (extent - 1) / 2)
