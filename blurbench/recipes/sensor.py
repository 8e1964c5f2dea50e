"""The `[sensor]` table of a recipe: what light and camera do around the blur."""

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from blurbench.blurs.base import Fraction, RecipeTable, ordered

Gain = Annotated[float, Field(ge=0, le=100)]
Gains = Annotated[tuple[Gain, Gain], AfterValidator(ordered)]
Quality = Annotated[int, Field(ge=1, le=100)]
Balance = Annotated[float, Field(ge=0.1, le=10)]
Balances = Annotated[tuple[Balance, Balance], AfterValidator(ordered)]
ColourMatrix = tuple[float, float, float, float, float, float, float, float, float]
CameraName = Literal["mixed", "nexus-6p", "a7r", "e-m10", "rx100-iv"]

WHITE = (0.9505, 1.0, 1.089)  # D65, XYZ


def invertible(camera: CameraName | ColourMatrix) -> CameraName | ColourMatrix:
    """A camera whose colours can be told; ValueError for a matrix without an inverse."""
    if isinstance(camera, str):
        return camera
    a, b, c, d, e, f, g, h, i = camera
    volume = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    rows = (camera[0:3], camera[3:6], camera[6:9])
    least = min(sum(map(math.prod, zip(row, WHITE, strict=True))) for row in rows)
    if not (abs(volume) >= 0.01 and least >= 0.01 and max(map(abs, camera)) <= 10):
        raise ValueError("no camera sees so: expected the rows of its matrix from XYZ, as in DNG")
    return camera


class Raw(RecipeTable):
    """A Bayer mosaic: noise falls on one colour a pixel, and demosaicking spreads it."""

    pattern: Literal["any", "RGGB", "GRBG", "GBRG", "BGGR"] = "any"  # any: drawn for each pair
    red: Balances = (1.9, 2.4)  # white balance: gains of red and blue beside green's
    blue: Balances = (1.5, 1.9)
    # Colours: of a camera of the Darmstadt Noise Dataset, a drawn mixture of the four, or a matrix
    # from XYZ (D65), 9 numbers by rows (ColorMatrix of a DNG file).
    camera: Annotated[CameraName | ColourMatrix, AfterValidator(invertible)] = "mixed"
    # Of the sensor table, or drawn as in the raw pictures of DND or SIDD.
    noise: Literal["stated", "dnd", "sidd"] = "stated"


class Sensor(RecipeTable):
    """What light and camera do around the blur (blurbench_kernels.sensor)."""

    light: Literal["encoded", "linear"] = "linear"  # which values are blurred
    curve: Literal["srgb", "gamma-2.2"] = "srgb"  # that takes a picture to linear light
    highlights: Gains | None = None  # light that clipping took, added where it clips
    threshold: Fraction = 0.98  # linear light from which a channel counts as clipped
    shot_noise: Fraction = 0.0  # the light of one electron, of the [0, 1] range
    read_noise: Fraction = 0.0  # standard deviation, of the [0, 1] range
    noise_factor: Gains = (1.0, 1.0)  # both noises are times a factor of their own from here
    raw: Raw | None = None  # noise falls on a mosaic; none: on each colour of each pixel
    # Camera response, polynomial c0 + c1 x + ..., of sharp and blur alike; none: the curve.
    response: tuple[float, ...] | None = None
    jpeg: Annotated[tuple[Quality, Quality], AfterValidator(ordered)] | None = None  # of the blur
    depth: Literal[8, 16] = 8  # bits of a source that has 16 which are kept into linear light

    SINCE: ClassVar[dict[str, Any]] = {"depth": 8, "raw": None}

    @model_validator(mode="after")
    def _linear(self) -> "Sensor":
        linear = (self.highlights, self.shot_noise, self.read_noise, self.response, self.raw)
        if self.light == "encoded" and any(linear):
            raise ValueError('highlights, noise, raw and response need light = "linear"')
        if self.light == "encoded" and self.depth == 16:
            raise ValueError('depth = 16 needs light = "linear"')
        return self

    @model_validator(mode="after")
    def _one_noise(self) -> "Sensor":
        drawn = self.raw is not None and self.raw.noise != "stated"
        if drawn and (self.shot_noise or self.read_noise or self.noise_factor != (1, 1)):
            told = "shot_noise, read_noise and noise_factor are drawn"
            raise ValueError(f'{told}: leave them out, or state raw.noise = "stated"')
        return self
