"""One simple kernel for the whole picture: a line, a Gaussian, a disk."""

import math
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from pydantic import AfterValidator, model_validator

from blurbench.blurs.base import (
    MIN_SIDE,
    Angle,
    Blurred,
    Family,
    Lengths,
    Scene,
    Spreads,
    Target,
    between,
    need,
    ordered,
)


class Line(Family):
    """A straight uniform line."""

    KERNELS: ClassVar = "one"

    family: Literal["line"]
    length: Lengths | None = None  # drawn uniformly, px
    angle: Annotated[tuple[Angle, Angle], AfterValidator(ordered)] = (0.0, 180.0)  # degrees
    target: Target | None = None

    @model_validator(mode="after")
    def _sized(self) -> "Line":
        return _one_of(self, "length")

    def blur(self, scene: Scene) -> Blurred:
        """Convolve with one such kernel."""
        from blurbench_kernels import uniform

        length = _either(self.length, self.target, scene)
        angle = between(self.angle, scene.random)
        kernel = uniform.line(length, math.radians(angle))
        return one_kernel(self.family, kernel, scene, {"length": length, "angle": angle})


class Gaussian(Family):
    """A Gaussian."""

    KERNELS: ClassVar = "one"

    family: Literal["gaussian"]
    sigma: Spreads | None = None  # drawn uniformly, px
    target: Target | None = None

    @model_validator(mode="after")
    def _sized(self) -> "Gaussian":
        return _one_of(self, "sigma")

    def blur(self, scene: Scene) -> Blurred:
        """Convolve with one such kernel."""
        from blurbench_kernels import uniform

        value = _either(self.sigma, self.target, scene)
        sigma = uniform.gaussian_sigma(value) if self.target else value
        return one_kernel(self.family, uniform.gaussian(sigma), scene, {"sigma": sigma})


class Disk(Family):
    """A uniform disk: a lens out of focus."""

    KERNELS: ClassVar = "one"

    family: Literal["disk"]
    radius: Spreads | None = None  # drawn uniformly, px
    target: Target | None = None

    @model_validator(mode="after")
    def _sized(self) -> "Disk":
        return _one_of(self, "radius")

    def blur(self, scene: Scene) -> Blurred:
        """Convolve with one such kernel."""
        from blurbench_kernels import uniform

        value = _either(self.radius, self.target, scene)
        radius = uniform.disk_radius(value) if self.target else value
        return one_kernel(self.family, uniform.disk(radius), scene, {"radius": radius})


_Kernel = TypeVar("_Kernel", Line, Gaussian, Disk)


def _one_of(table: _Kernel, name: str) -> _Kernel:
    if (getattr(table, name) is None) == (table.target is None):
        raise ValueError(f"give {name} or a target")
    return table


def _either(ends: tuple[float, float] | None, target: Target | None, scene: Scene) -> float:
    if ends:
        return between(ends, scene.random)
    assert target is not None, "a recipe states a range or a target"
    return target.draw(scene.random, scene.image.shape[1])


def one_kernel(
    family: str,
    kernel: np.ndarray,
    scene: Scene,
    drawn: dict[str, Any],
    apply: Literal["convolution", "correlation"] = "convolution",
) -> Blurred:
    """Blur the whole picture by one kernel, (K, K) of odd sides that sums to 1."""
    from blurbench_kernels import bank, convolution

    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    least = (max(rows, MIN_SIDE), max(columns, MIN_SIDE))
    need(scene.item_id, scene.image.shape[:2], least)
    how = {"convolution": convolution.convolve, "correlation": convolution.correlate}[apply]
    # On the 0..255 scale, where the kernel's multiples of 2^-24 make every sum of 8-bit pixels
    # exact.
    image = how(scene.image, kernel)
    extent = bank.extent(kernel)
    drawn = {**drawn, "kernel": bank.digest(kernel)}
    return Blurred(image, (rows, columns), drawn, (extent, extent), family)
