"""What a camera does to light: transfer curve, saturation, noise, 8 bits. Pure functions."""

import math
from collections.abc import Sequence

import numpy as np

from blurbench_kernels._jit import jit

# math's pow inside compiled loops, not np.power: NumPy picks that by CPU, an ulp apart.


@jit
def _to_linear(values: np.ndarray, out: np.ndarray) -> None:
    for i in range(values.size):
        value = values[i]
        out[i] = value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


@jit
def _to_srgb(values: np.ndarray, out: np.ndarray) -> None:
    for i in range(values.size):
        value = values[i]
        out[i] = value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


@jit
def _to_power(values: np.ndarray, exponent: float, out: np.ndarray) -> None:
    for i in range(values.size):
        out[i] = max(values[i], 0.0) ** exponent


@jit
def _to_response(values: np.ndarray, coefficients: np.ndarray, out: np.ndarray) -> None:
    for i in range(values.size):
        value = 0.0
        for k in range(coefficients.size - 1, -1, -1):
            value = value * values[i] + coefficients[k]
        out[i] = min(max(value, 0.0), 1.0)


def srgb_to_linear(image: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1], any shape -> linear light in [0, 1], float64 (IEC 61966-2-1)."""
    values = np.ascontiguousarray(image, np.float64)
    out = np.empty_like(values)
    _to_linear(values.reshape(-1), out.reshape(-1))
    return out


def linear_to_srgb(image: np.ndarray) -> np.ndarray:
    """Linear light in [0, 1], any shape -> sRGB in [0, 1], float64 (IEC 61966-2-1)."""
    values = np.ascontiguousarray(image, np.float64)
    out = np.empty_like(values)
    _to_srgb(values.reshape(-1), out.reshape(-1))
    return out


def power(image: np.ndarray, exponent: float) -> np.ndarray:
    """image ** exponent, any shape -> float64, 0 for what is below 0: 2.2 to linear light and 1/2.2
    back is the plain gamma curve. ValueError for an exponent that is not above 0.
    """
    if not 0 < exponent < math.inf:
        raise ValueError(f"exponent: expected a number above 0, got {exponent}")
    values = np.ascontiguousarray(image, np.float64)
    out = np.empty_like(values)
    _to_power(values.reshape(-1), exponent, out.reshape(-1))
    return out


def response(image: np.ndarray, coefficients: Sequence[float]) -> np.ndarray:
    """A camera's response curve c0 + c1 x + c2 x^2 + ..., clipped to [0, 1]; any shape -> float64.

    ValueError without coefficients or for one that is not finite.
    """
    curve = np.array(coefficients, np.float64).reshape(-1)
    if not curve.size or not np.isfinite(curve).all():
        raise ValueError(f"response: expected finite coefficients c0, c1, ..., got {coefficients}")
    values = np.ascontiguousarray(image, np.float64)
    out = np.empty_like(values)
    _to_response(values.reshape(-1), curve, out.reshape(-1))
    return out


def boost_highlights(linear: np.ndarray, threshold: float, gain: float) -> np.ndarray:
    """Give back light that clipping took: `gain` more wherever a value >= threshold.

    linear: light in [0, 1], any shape -> float64, not clipped: blur it, then `saturate`. Each
    channel for itself, as clipping goes: skin that lost its red alone must not turn white. Rim
    et al., Realistic Blur Synthesis for Learning Image Deblurring (ECCV 2022) add U[0.25, 1.75].
    ValueError for a gain below 0.
    """
    if not 0 <= gain < math.inf:
        raise ValueError(f"highlights: the gain must be at least 0, got {gain}")
    out: np.ndarray = linear + gain * (linear >= threshold)
    return out


def saturate(image: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """Linear light times `gain`, clipped to [0, 1]: what is brighter than the full well is lost."""
    return np.clip(image * gain, 0.0, 1.0)


def gaussian_noise(image: np.ndarray, sigma: float, stream: np.random.Generator) -> np.ndarray:
    """Image plus N(0, sigma^2), sigma in the image's units; not clipped."""
    return image + sigma * stream.standard_normal(image.shape)


def poisson_gaussian(
    image: np.ndarray, gain: float, read_std: float, stream: np.random.Generator
) -> np.ndarray:
    """Shot and read noise of linear light >= 0: gain Poisson(image / gain) + N(0, read_std^2).

    gain > 0 is the light of one electron, read_std in the image's units; not clipped (Foi et al.,
    Practical Poissonian-Gaussian noise modeling, IEEE TIP 2008).
    """
    return gain * stream.poisson(image / gain) + read_std * stream.standard_normal(image.shape)


def quantise(image: np.ndarray) -> np.ndarray:
    """[0, 1] -> uint8 0..255, clipped, halves away from zero as in MATLAB's uint8; NaN is refused.

    Every k / 255 comes back as k. ValueError for NaN.
    """
    if np.isnan(image).any():
        raise ValueError("image: NaN cannot become a grey level")
    out: np.ndarray = np.floor(np.clip(image, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return out
