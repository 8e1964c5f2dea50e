"""What a camera does to light: mosaic, noise, colour, transfer curve, 8 bits. Pure functions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from blurbench_kernels._jit import jit

Pattern = Literal["RGGB", "GRBG", "GBRG", "BGGR"]
PATTERNS: tuple[Pattern, ...] = ("RGGB", "GRBG", "GBRG", "BGGR")


@dataclass(frozen=True)
class NoiseLevels:
    """Noise of a set of real raw pictures: log read variance is a line in log shot noise."""

    shot: tuple[float, float]  # ends of the shot noise: light of one electron, of [0, 1]
    slope: float
    offset: float
    spread: float  # standard deviation about the line
    base: float  # of the logarithms


# Of raw light in [0, 1]. Fitted by Brooks et al., Unprocessing Images for Learned Raw Denoising
# (CVPR 2019, section 3.1), to the Darmstadt Noise Dataset (Ploetz and Roth, CVPR 2017), and by
# Zamir et al., CycleISP (CVPR 2020; its code), to SIDD (Abdelhamed et al., CVPR 2018).
NOISE_LEVELS = {
    "dnd": NoiseLevels((1e-4, 1.2e-2), 2.18, 1.20, 0.26, math.e),
    "sidd": NoiseLevels((0.00068674, 0.02194856), 1.85, 0.30, 0.20, 10.0),
}

# XYZ (D65) to the colours of the four cameras of the Darmstadt Noise Dataset, as in the code of
# Brooks et al.; the numbers of their DNG profiles.
CAMERAS = {
    "nexus-6p": (1.0234, -0.2969, -0.2266, -0.5625, 1.6328, -0.0469, -0.0703, 0.2188, 0.6406),
    "a7r": (0.4913, -0.0541, -0.0202, -0.613, 1.3513, 0.2906, -0.1564, 0.2151, 0.7183),
    "e-m10": (0.838, -0.263, -0.0639, -0.2887, 1.0725, 0.2496, -0.0627, 0.1427, 0.5438),
    "rx100-iv": (0.6596, -0.2079, -0.0562, -0.4782, 1.3016, 0.1933, -0.097, 0.1581, 0.5181),
}
# Linear sRGB to XYZ (IEC 61966-2-1).
TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.072175),
    (0.0193339, 0.119192, 0.9503041),
)

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


def draw_noise_levels(stream: np.random.Generator, levels: NoiseLevels) -> tuple[float, float]:
    """(gain, read_std) as `poisson_gaussian` takes them: log-uniform gain, read noise beside it."""
    low, high = (math.log(end) for end in levels.shot)
    shot = low + (high - low) * stream.random()
    unit = math.log(levels.base)
    offset = levels.offset + levels.spread * stream.standard_normal()
    read = levels.slope * shot + offset * unit
    # Seven digits: the last ones of exp depend on the C library.
    return float(f"{math.exp(shot):.6e}"), float(f"{math.exp(read / 2):.6e}")


def colour_matrices(to_camera: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """(from linear sRGB to a camera's colours, and back), (3, 3), of its matrix from XYZ, by rows.

    White stays white: rows sum to 1. ValueError for what is not 9 numbers or has no inverse.
    """
    if len(to_camera) != 9 or not np.isfinite(to_camera).all():
        raise ValueError(f"colour matrix: expected 9 finite numbers by rows, got {to_camera}")
    matrix = np.reshape(to_camera, (3, 3)) @ np.array(TO_XYZ)
    sums = matrix.sum(axis=1, keepdims=True)
    if abs(sums).min() < 1e-3:
        raise ValueError(f"colour matrix: a row makes no light of white, got {to_camera}")
    matrix = np.round(matrix / sums, 6)
    if abs(np.linalg.det(matrix)) < 1e-3:
        raise ValueError(f"colour matrix: has no inverse, got {to_camera}")
    # Six decimals: the last digits of an inverse depend on the processor.
    return matrix, np.round(np.linalg.inv(matrix), 6)


def mixed_camera(shares: Sequence[float]) -> tuple[float, ...]:
    """The matrix from XYZ of a camera between the four of CAMERAS, by its shares of them."""
    columns = zip(*CAMERAS.values(), strict=True)
    mixed = (
        sum(share * value for share, value in zip(shares, each, strict=True)) for each in columns
    )
    return tuple(round(value / sum(shares), 6) for value in mixed)


def recolour(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Each pixel of (H, W, 3) times a (3, 3) matrix -> float64, not clipped."""
    pixels = np.ascontiguousarray(image, np.float64)
    out = np.empty_like(pixels)
    _recolour(pixels.reshape(-1, 3), np.ascontiguousarray(matrix, np.float64), out.reshape(-1, 3))
    return out


@jit
def _recolour(pixels: np.ndarray, matrix: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(pixels)):
        red, green, blue = pixels[i, 0], pixels[i, 1], pixels[i, 2]
        for k in range(3):
            out[i, k] = matrix[k, 0] * red + matrix[k, 1] * green + matrix[k, 2] * blue


def _red_place(pattern: Pattern) -> tuple[int, int]:
    """Row and column of the red pixel of a pattern; blue is diagonally across."""
    if pattern not in PATTERNS:
        raise ValueError(f"pattern: {pattern!r} is none of {', '.join(PATTERNS)}")
    return divmod(pattern.index("R"), 2)


def mosaic(image: np.ndarray, pattern: Pattern) -> np.ndarray:
    """(H, W, 3) -> (H, W): of each pixel the one colour that its Bayer filter lets through.

    ValueError for another pattern.
    """
    row, column = _red_place(pattern)
    raw = image[..., 1].astype(np.float64)
    raw[row::2, column::2] = image[row::2, column::2, 0]
    raw[1 - row :: 2, 1 - column :: 2] = image[1 - row :: 2, 1 - column :: 2, 2]
    return raw


def demosaic(raw: np.ndarray, pattern: Pattern) -> np.ndarray:
    """(H, W), sides of at least 3 -> (H, W, 3) float64, not clipped; the border is mirrored.

    Malvar, He and Cutler, High-quality linear interpolation for demosaicing of Bayer-patterned
    color images (ICASSP 2004). ValueError for another pattern or a smaller picture.
    """
    if raw.ndim != 2 or min(raw.shape) < 3:
        raise ValueError(f"raw: expected (H, W) of at least 3 x 3, got {raw.shape}")
    out = np.empty((*raw.shape, 3))
    # Mirrored about the outermost pixels, where the colours of the pattern go on as they should.
    _demosaic(np.pad(raw.astype(np.float64), 2, mode="reflect"), _red_place(pattern), out)
    return out


@jit
def _demosaic(wide: np.ndarray, red: tuple[int, int], out: np.ndarray) -> None:
    height, width, _ = out.shape
    for y in range(height):
        top, above, own, below, bottom = wide[y], wide[y + 1], wide[y + 2], wide[y + 3], wide[y + 4]
        # The colour beside green in this row, and the one in the rows about it.
        near = 0 if y % 2 == red[0] else 2
        for x in range(width):
            here = own[x + 2]
            beside, upright = own[x + 1] + own[x + 3], above[x + 2] + below[x + 2]
            far_beside, far_upright = own[x] + own[x + 4], top[x + 2] + bottom[x + 2]
            corners = above[x + 1] + above[x + 3] + below[x + 1] + below[x + 3]
            if (x % 2 == red[1]) == (near == 0):
                far = far_beside + far_upright
                out[y, x, near] = here
                out[y, x, 1] = (4.0 * here + 2.0 * (beside + upright) - far) / 8.0
                out[y, x, 2 - near] = (6.0 * here + 2.0 * corners - 1.5 * far) / 8.0
            else:
                out[y, x, 1] = here
                level = 5.0 * here - corners
                out[y, x, near] = (level + 4.0 * beside - far_beside + 0.5 * far_upright) / 8.0
                out[y, x, 2 - near] = (level + 4.0 * upright - far_upright + 0.5 * far_beside) / 8.0


def quantise(image: np.ndarray) -> np.ndarray:
    """[0, 1] -> uint8 0..255, clipped, halves away from zero as in MATLAB's uint8; NaN is refused.

    Every k / 255 comes back as k. ValueError for NaN.
    """
    if np.isnan(image).any():
        raise ValueError("image: NaN cannot become a grey level")
    out: np.ndarray = np.floor(np.clip(image, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return out
