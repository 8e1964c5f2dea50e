"""The sensor stage of a recipe: which light is blurred, and what the camera makes of it."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from blurbench.blurs.base import between
from blurbench.datasets.splits import PairKey
from blurbench.images import jpeg
from blurbench.recipes.sensor import Raw, Sensor
from blurbench_kernels import sensor
from blurbench_kernels.random import stream


@dataclass(frozen=True)
class RawDraws:
    """What a mosaic draws for one pair."""

    pattern: sensor.Pattern
    red: float  # white balance: gains beside green's
    blue: float
    camera: tuple[float, ...]  # its matrix from XYZ, by rows


@dataclass(frozen=True)
class SensorDraws:
    """What the sensor stage draws for one pair; None where the recipe has no such thing."""

    highlights: float | None = None  # light added where the sharp picture clips
    shot_noise: float | None = None  # light of one electron
    read_noise: float | None = None  # standard deviation
    jpeg: int | None = None  # quality
    raw: RawDraws | None = None

    @property
    def stated(self) -> dict[str, Any]:
        """What there is."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def draw(settings: Sensor | None, key: PairKey) -> SensorDraws:
    """The draws of the pair named by `key`."""
    if settings is None:
        return SensorDraws()
    # A stream for each: a recipe that leaves one out draws the others alike.
    highlights = shot = read = quality = raw = None
    if settings.highlights:
        highlights = between(settings.highlights, stream(*key, "highlights"))
    if settings.shot_noise or settings.read_noise:
        random = stream(*key, "noise factors")
        shot = settings.shot_noise * between(settings.noise_factor, random)
        read = settings.read_noise * between(settings.noise_factor, random)
    if settings.raw:
        raw = _draw_raw(settings.raw, key)
        if settings.raw.noise != "stated":
            levels = sensor.NOISE_LEVELS[settings.raw.noise]
            shot, read = sensor.draw_noise_levels(stream(*key, "noise levels"), levels)
    if settings.jpeg:
        low, high = settings.jpeg
        quality = low + int(stream(*key, "jpeg").random() * (high - low + 1))
    return SensorDraws(highlights, shot, read, quality, raw)


def _draw_raw(settings: Raw, key: PairKey) -> RawDraws:
    pattern = settings.pattern
    if pattern == "any":
        pattern = sensor.PATTERNS[int(stream(*key, "mosaic").random() * len(sensor.PATTERNS))]
    balance = stream(*key, "white balance")
    red, blue = between(settings.red, balance), between(settings.blue, balance)
    return RawDraws(pattern, red, blue, _camera(settings, key))


def _camera(settings: Raw, key: PairKey) -> tuple[float, ...]:
    if not isinstance(settings.camera, str):
        return settings.camera
    if settings.camera != "mixed":
        return sensor.CAMERAS[settings.camera]
    shares = stream(*key, "camera colours").random(len(sensor.CAMERAS))
    return sensor.mixed_camera(shares.tolist())


def expose(settings: Sensor | None, draws: SensorDraws, image: np.ndarray) -> np.ndarray:
    """What is blurred of an (H, W, 3) picture: itself, or linear light, float64 0..255.

    uint8; uint16 where the recipe keeps 16 bits.
    """
    if settings is None or settings.light == "encoded":
        return image
    linear = _to_linear(settings, image)
    if draws.highlights is not None:
        linear = sensor.boost_highlights(linear, settings.threshold, draws.highlights)
    # On the scale of 8 bits, so that no blur need know which light it gets.
    return linear * 255.0


def develop(
    settings: Sensor | None, draws: SensorDraws, sigma: float, image: np.ndarray, key: PairKey
) -> np.ndarray:
    """The (H, W, 3) uint8 picture of what `expose` gave, once blurred.

    sigma: of the Gaussian noise added to the encoded values, of the [0, 1] range.
    """
    if image.dtype == np.uint8 and not sigma:
        return _compress(draws, image)
    values = _of_unit(image)
    if settings and settings.light == "linear":
        if draws.raw:
            values = _through_mosaic(draws, draws.raw, values, key)
        else:
            values = _shot_noise(draws, sensor.saturate(values), key)
        values = _encode(settings, values)
    if sigma:
        values = sensor.gaussian_noise(values, sigma, stream(*key, "noise"))
    return _compress(draws, sensor.quantise(values))


def develop_sharp(settings: Sensor | None, image: np.ndarray) -> np.ndarray:
    """The sharp picture, with the response of the camera that took the blurred one."""
    if settings is None or settings.response is None:
        if image.dtype == np.uint16:
            return sensor.quantise(_of_unit(image))
        return np.ascontiguousarray(image)
    return sensor.quantise(_encode(settings, _to_linear(settings, image)))


def _of_unit(image: np.ndarray) -> np.ndarray:
    """Float64 in [0, 1] of a uint8 or uint16 picture, or of floats on the scale of 8 bits."""
    out: np.ndarray = image / (65535.0 if image.dtype == np.uint16 else 255.0)
    return out


def _to_linear(settings: Sensor, image: np.ndarray) -> np.ndarray:
    values = _of_unit(image)
    return sensor.srgb_to_linear(values) if settings.curve == "srgb" else sensor.power(values, 2.2)


def _encode(settings: Sensor, linear: np.ndarray) -> np.ndarray:
    linear = sensor.saturate(linear)
    if settings.response:
        return sensor.response(linear, settings.response)
    if settings.curve == "srgb":
        return sensor.linear_to_srgb(linear)
    return sensor.power(linear, 1 / 2.2)


def _through_mosaic(
    draws: SensorDraws, raw: RawDraws, linear: np.ndarray, key: PairKey
) -> np.ndarray:
    """Linear sRGB, brighter than white where highlights are, as a camera's raw file gives it."""
    to_camera, to_srgb = sensor.colour_matrices(raw.camera)
    gains = np.broadcast_to((raw.red, 1.0, raw.blue), linear.shape)
    balance = sensor.mosaic(gains, raw.pattern)
    seen = sensor.mosaic(sensor.recolour(linear, to_camera), raw.pattern) / balance
    # Colours out of a camera's gamut are below 0, where no photon is: they pass by the noise.
    noisy = _shot_noise(draws, np.maximum(seen, 0.0), key) + np.minimum(seen, 0.0)
    # Full wells first, then white: what clips is white and has no noise.
    whitened = np.minimum(np.minimum(noisy, 1.0) * balance, 1.0)
    return sensor.recolour(sensor.demosaic(whitened, raw.pattern), to_srgb)


def _shot_noise(draws: SensorDraws, linear: np.ndarray, key: PairKey) -> np.ndarray:
    if draws.shot_noise is None or draws.read_noise is None:
        return linear
    random = stream(*key, "shot noise")
    if not draws.shot_noise:
        return sensor.gaussian_noise(linear, draws.read_noise, random)
    return sensor.poisson_gaussian(linear, draws.shot_noise, draws.read_noise, random)


def _compress(draws: SensorDraws, image: np.ndarray) -> np.ndarray:
    image = np.ascontiguousarray(image)
    return image if draws.jpeg is None else jpeg(image, draws.jpeg)
