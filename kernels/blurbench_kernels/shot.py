"""The seven blurs of the concert stills: uint8 (H, W, 3) RGB -> uint8, same shape.

Lin et al., Tell Me Where It is Still Blurry: Adversarial Blurred Region Mining and Refining (MM
2019), section 4: made by OpenCV, which the paper says without parameters. Borders are OpenCV's own:
the image mirrored about its edge pixels; for the median the edge repeated.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np

from blurbench_kernels._jit import jit

# Beyond it OpenCV's median overflows its 16-bit counts, unseen.
MAX_SIZE = 255
# Weights of the bilateral filter are whole: products of two fill 32 bits, sums stay under 2^56.
_ONE = 2**16


def _check(image: np.ndarray, **sizes: int) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image: expected uint8 (H, W, 3), got {image.dtype} {image.shape}")
    for name, size in sizes.items():
        _odd(name, size)
    return np.ascontiguousarray(image)


def _odd(name: str, size: int) -> None:
    if not isinstance(size, int | np.integer) or size % 2 == 0 or not 1 <= size <= MAX_SIZE:
        raise ValueError(f"{name}: expected an odd number of px from 1 to {MAX_SIZE}, got {size}")


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name}: expected a number above 0, got {value}")


def horizontal(image: np.ndarray, size: int) -> np.ndarray:
    """Mean of `size` pixels of a row; ValueError for an even size or no such image."""
    out: np.ndarray = cv2.blur(_check(image, size=size), (size, 1))
    return out


def vertical(image: np.ndarray, size: int) -> np.ndarray:
    """Mean of `size` pixels of a column; ValueError for an even size or no such image."""
    out: np.ndarray = cv2.blur(_check(image, size=size), (1, size))
    return out


def averaging(image: np.ndarray, size: int) -> np.ndarray:
    """Mean of (size, size) pixels; ValueError for an even size or no such image."""
    out: np.ndarray = cv2.blur(_check(image, size=size), (size, size))
    return out


def gaussian(image: np.ndarray, size: int, sigma: float) -> np.ndarray:
    """Gaussian of `sigma` px in a (size, size) window; ValueError for an even size, sigma <= 0."""
    _positive(sigma=sigma)
    out: np.ndarray = cv2.GaussianBlur(_check(image, size=size), (size, size), sigma)
    return out


def median(image: np.ndarray, size: int) -> np.ndarray:
    """Median of (size, size) pixels, each channel alone; ValueError for an even size."""
    out: np.ndarray = cv2.medianBlur(_check(image, size=size), size)
    return out


def bilateral(
    image: np.ndarray, diameter: int, sigma_color: float, sigma_space: float
) -> np.ndarray:
    """Mean of a disk of pixels, weighted by their nearness in place and in colour.

    Weights exp(-d^2 / (2 sigma_space^2)) exp(-c^2 / (2 sigma_color^2)), d the distance in px, c the
    sum of the three differences in grey levels (Tomasi and Manduchi, ICCV 1998; OpenCV's formula).
    In whole numbers: OpenCV's own result depends on the CPU. ValueError for an even diameter or
    sigmas <= 0.
    """
    _positive(sigma_color=sigma_color, sigma_space=sigma_space)
    image, reach = _check(image, diameter=diameter), diameter // 2
    padded = cv2.copyMakeBorder(image, *(reach,) * 4, cv2.BORDER_REFLECT_101)
    rows, columns = np.indices((diameter, diameter)) - reach
    inside = rows**2 + columns**2 <= reach**2
    rows, columns = rows[inside], columns[inside]
    near = _weights(np.sqrt(rows**2 + columns**2), sigma_space)
    alike = _weights(np.arange(3 * 255 + 1), sigma_color)
    out = np.empty_like(image)
    _bilateral(padded, rows + reach, columns + reach, near, alike, out)
    return out


def _weights(distances: np.ndarray, sigma: float) -> np.ndarray:
    # Whole, which also drops the last digit of exp, the C library's.
    weights = [round(_ONE * math.exp(-0.5 * (d / sigma) ** 2)) for d in distances.tolist()]
    return np.array(weights, np.int64)


@jit
def _bilateral(
    padded: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    near: np.ndarray,
    alike: np.ndarray,
    out: np.ndarray,
) -> None:
    reach = (padded.shape[0] - out.shape[0]) // 2
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            middle = padded[y + reach, x + reach]
            m0, m1, m2 = np.int64(middle[0]), np.int64(middle[1]), np.int64(middle[2])
            s0, s1, s2, total = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
            for tap in range(rows.size):
                pixel = padded[y + rows[tap], x + columns[tap]]
                p0, p1, p2 = np.int64(pixel[0]), np.int64(pixel[1]), np.int64(pixel[2])
                weight = near[tap] * alike[abs(p0 - m0) + abs(p1 - m1) + abs(p2 - m2)]
                s0, s1, s2 = s0 + weight * p0, s1 + weight * p1, s2 + weight * p2
                total += weight
            # To the nearest, halves up, without leaving the whole numbers.
            out[y, x, 0] = (2 * s0 + total) // (2 * total)
            out[y, x, 1] = (2 * s1 + total) // (2 * total)
            out[y, x, 2] = (2 * s2 + total) // (2 * total)


def resizing(image: np.ndarray, factor: float) -> np.ndarray:
    """Made `factor` times smaller by areas, then as large as before, bilinearly.

    ValueError for a factor below 1.
    """
    _factor(factor)
    height, width = _check(image).shape[:2]
    small = max(1, math.floor(width / factor + 0.5)), max(1, math.floor(height / factor + 0.5))
    shrunk = cv2.resize(np.ascontiguousarray(image), small, interpolation=cv2.INTER_AREA)
    # EXACT: fixed point whatever the platform; at most one grey level from INTER_LINEAR.
    out: np.ndarray = cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    return out


def _factor(factor: float) -> None:
    if not 1 <= factor < math.inf:
        raise ValueError(f"factor: expected a number of at least 1, got {factor}")


SHOT_BLURS: dict[str, Callable[..., np.ndarray]] = {
    "horizontal": horizontal,
    "vertical": vertical,
    "averaging": averaging,
    "gaussian": gaussian,
    "median": median,
    "bilateral": bilateral,
    "resizing": resizing,
}


def extent(name: str, **parameters: float) -> float:
    """Nominal blur length, px: how far apart, along a row or column, pixels are that mix in one.

    horizontal, vertical, averaging: the window less 1. gaussian: no farther than where its weights
    fall to 1 %, and so bilateral, whose edges stay sharper than that says. median: the window less
    1, what it looks at. resizing: 2 factor - 1, the two small pixels between which it interpolates;
    0 for factor 1. ValueError for an unknown name.
    """
    if name not in SHOT_BLURS:
        raise ValueError(f"shot blur: {name!r} is none of {', '.join(SHOT_BLURS)}")
    if name == "resizing":
        _factor(parameters["factor"])
        return 2.0 * parameters["factor"] - 1.0 if parameters["factor"] > 1 else 0.0
    window = parameters["diameter" if name == "bilateral" else "size"] - 1.0
    if name in ("gaussian", "bilateral"):
        sigma = parameters["sigma" if name == "gaussian" else "sigma_space"]
        return min(window, 2 * math.sqrt(2 * math.log(100)) * sigma)
    return window
