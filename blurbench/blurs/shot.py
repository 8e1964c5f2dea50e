"""The seven concert blurs."""

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from blurbench.blurs.base import Blurred, Family, OddSize, Positive, Scene

ShotType = Literal[
    "horizontal", "vertical", "averaging", "gaussian", "median", "bilateral", "resizing"
]


# What each shot blur needs to be told.
SHOT_FIELDS: dict[str, tuple[str, ...]] = {
    "horizontal": ("size",),
    "vertical": ("size",),
    "averaging": ("size",),
    "gaussian": ("size", "sigma"),
    "median": ("size",),
    "bilateral": ("diameter", "sigma_color", "sigma_space"),
    "resizing": ("factor",),
}


class Shot(Family):
    """One of the seven concert blurs (blurbench_kernels.shot)."""

    KERNELS: ClassVar = "none"  # a median has none, nor has a bilateral filter
    CONCERT: ClassVar = True

    family: Literal["shot"]
    type: ShotType
    size: OddSize | None = None  # px
    sigma: Positive | None = None  # px
    diameter: OddSize | None = None  # px
    sigma_color: Positive | None = None  # grey levels
    sigma_space: Positive | None = None  # px
    factor: Annotated[float, Field(gt=1, le=64)] | None = None  # how much smaller, then back

    @model_validator(mode="after")
    def _told(self) -> "Shot":
        needed = SHOT_FIELDS[self.type]
        given = [name for fields in SHOT_FIELDS.values() for name in fields]
        for name in dict.fromkeys(given):
            if (getattr(self, name) is not None) != (name in needed):
                raise ValueError(f"{self.type} takes {', '.join(needed)}")
        return self

    @property
    def parameters(self) -> dict[str, float]:
        """The arguments of the blur."""
        return {name: getattr(self, name) for name in SHOT_FIELDS[self.type]}

    def blur(self, scene: Scene) -> Blurred:
        """Blur as OpenCV does."""
        from blurbench_kernels import shot

        parameters = self.parameters
        image = shot.SHOT_BLURS[self.type](scene.image, **parameters)
        extent = shot.extent(self.type, **parameters)
        reach = math.ceil(extent / 2)
        severity = (extent, extent)
        return Blurred(image, (reach, reach), parameters, severity, self.family, type=self.type)
