"""The sensor stage of a recipe: which light is blurred, and what the camera makes of it."""

import numpy as np

from blurbench.data.manifest import Sensor
from blurbench.images import jpeg
from blurbench_kernels import sensor
from blurbench_kernels.random import stream

Key = tuple[str | int, ...]


def expose(settings: Sensor | None, image: np.ndarray, key: Key) -> np.ndarray:
    """What is blurred of an (H, W, 3) uint8 picture: itself, or linear light, float64 0..255."""
    if settings is None or settings.light == "encoded":
        return image
    linear = _to_linear(settings, image)
    if settings.highlights:
        low, high = settings.highlights
        gain = low + (high - low) * stream(*key, "highlights").random()
        linear = sensor.boost_highlights(linear, settings.threshold, gain)
    return linear * 255.0


def develop(settings: Sensor | None, sigma: float, image: np.ndarray, key: Key) -> np.ndarray:
    """The (H, W, 3) uint8 picture of what `expose` gave, once blurred.

    sigma: of the Gaussian noise added to the encoded values, of the [0, 1] range.
    """
    if image.dtype == np.uint8 and not sigma:
        return _compress(settings, image, key)
    values = image / 255.0
    if settings and settings.light == "linear":
        values = _encode(settings, _shot_noise(settings, sensor.saturate(values), key))
    if sigma:
        values = sensor.gaussian_noise(values, sigma, stream(*key, "noise"))
    return _compress(settings, sensor.quantise(values), key)


def develop_sharp(settings: Sensor | None, image: np.ndarray) -> np.ndarray:
    """The sharp picture, with the response of the camera that took the blurred one."""
    if settings is None or settings.response is None:
        return np.ascontiguousarray(image)
    return sensor.quantise(_encode(settings, _to_linear(settings, image)))


def _to_linear(settings: Sensor, image: np.ndarray) -> np.ndarray:
    values = image / 255.0
    return sensor.srgb_to_linear(values) if settings.curve == "srgb" else sensor.power(values, 2.2)


def _encode(settings: Sensor, linear: np.ndarray) -> np.ndarray:
    linear = sensor.saturate(linear)
    if settings.response:
        return sensor.response(linear, settings.response)
    if settings.curve == "srgb":
        return sensor.linear_to_srgb(linear)
    return sensor.power(linear, 1 / 2.2)


def _shot_noise(settings: Sensor, linear: np.ndarray, key: Key) -> np.ndarray:
    if not (settings.shot_noise or settings.read_noise):
        return linear
    random = stream(*key, "shot noise")
    low, high = settings.noise_factor
    factors = low + (high - low) * random.random(2)
    shot, read = settings.shot_noise * factors[0], settings.read_noise * factors[1]
    if not shot:
        return sensor.gaussian_noise(linear, read, random)
    return sensor.poisson_gaussian(linear, shot, read, random)


def _compress(settings: Sensor | None, image: np.ndarray, key: Key) -> np.ndarray:
    image = np.ascontiguousarray(image)
    if settings is None or settings.jpeg is None:
        return image
    low, high = settings.jpeg
    return jpeg(image, low + int(stream(*key, "jpeg").random() * (high - low + 1)))
