"""What a camera does to light: transfer curve, saturation, noise, 8 bits. Pure functions."""

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
    return np.floor(np.clip(image, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
