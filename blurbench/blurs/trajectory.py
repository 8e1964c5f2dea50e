"""One kernel for the whole picture, from a random camera trajectory."""

import math
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, field_validator, model_validator

from blurbench.blurs.base import (
    MIN_SIDE,
    Blurred,
    Family,
    Moving,
    OddSize,
    Order,
    Range,
    Scene,
    Target,
    between,
    need,
    one_of,
)
from blurbench.blurs.uniform import one_kernel


def listed(value: Any) -> Any:
    """One value as a tuple; a list too, for strict validation takes no list from Python."""
    return tuple(value) if isinstance(value, list) else (value,)


class Trajectory(Family):
    """One kernel for the whole image, from a random camera trajectory (blurbench_kernels.bank)."""

    KERNELS: ClassVar = "one"

    family: Literal["trajectory"]
    sizes: tuple[OddSize, ...] = ()  # drawn uniformly, px; none with a target
    anxiety: Range  # drawn uniformly
    # Shares of the trajectory that are exposed, one drawn uniformly.
    exposure: Annotated[
        tuple[Annotated[float, Field(gt=0, le=1)], ...],
        Field(min_length=1),
        BeforeValidator(listed),
    ] = (1.0,)
    fill: bool = True  # scale the trajectory so that it fills its kernel
    steps: int = Field(2000, ge=2, le=20000)  # samples of the trajectory
    count: int | None = Field(None, ge=1)  # kernels in all, by split; None: a new one a pair
    order: Order = "random"  # which of `count` kernels a pair gets; replica: its replica's
    target: Target | None = None

    @field_validator("sizes")
    @classmethod
    def _odd(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if even := [size for size in value if size % 2 == 0]:
            raise ValueError(f"kernel sizes must be odd, not {even[0]}")
        return value

    @model_validator(mode="after")
    def _sized(self) -> "Trajectory":
        if bool(self.sizes) == bool(self.target):
            raise ValueError("give sizes or a target")
        if self.order == "replica" and self.count is None:
            raise ValueError('order = "replica" needs a count of kernels')
        return self

    def shared(self) -> int | None:
        """How many kernels all pairs share, where the recipe states a count."""
        return self.count

    def blur(self, scene: Scene) -> Blurred:
        """Convolve with a kernel drawn for the pair, or shared from `count` of them."""
        from blurbench_kernels.random import stream

        random, index = scene.random, None
        if self.count:
            index = scene.pick(self.order, self.count)
            # Not the pair's own stream: every pair that gets kernel `index` draws the same.
            random = stream(*scene.bank, "bank", index)
        length = self.target.draw(random, scene.image.shape[1]) if self.target else None
        size = None if self.target else self._size(random, index)
        anxiety = between(self.anxiety, random)
        # One exposure draws nothing.
        exposure = one_of(self.exposure, random) if len(self.exposure) > 1 else self.exposure[0]
        kernel = _shake(self, random, anxiety, exposure, size, length)
        drawn = {"size": len(kernel), "anxiety": anxiety, "exposure": exposure}
        if index is not None:
            drawn = {"index": index, **drawn}
        return one_kernel(self.family, kernel, scene, drawn)

    def over_time(self, scene: Scene, inside: np.ndarray) -> Moving:  # noqa: ARG002
        """A kernel as long as the target asks, part after part of its trajectory."""
        from blurbench_kernels import bank, layers

        random, size = scene.random, scene.image.shape[:2]
        assert self.target is not None, "layers take trajectories with a target"
        length = self.target.draw(random, size[1])
        anxiety = between(self.anxiety, random)
        exposure = one_of(self.exposure, random) if len(self.exposure) > 1 else self.exposure[0]
        path, side = _path(self, random, anxiety, exposure, length)
        parts = _parts(path, side, max(1, math.ceil(2 * length)))
        kernel = trim(parts.sum(axis=0))
        half = len(kernel) // 2
        need(scene.item_id, size, (max(half, MIN_SIDE), max(half, MIN_SIDE)))
        extent = bank.extent(kernel)
        drawn = {"anxiety": anxiety, "exposure": exposure, "kernel": bank.digest(kernel)}
        way = layers.along_kernels(parts, *size)
        return Moving(way, (half, half), drawn, (extent, extent))

    def _size(self, random: np.random.Generator, index: int | None) -> int:
        """Of a kernel, px: drawn, or its own of the kernel `index` that pairs share."""
        if index is None or self.count is None:
            return one_of(self.sizes, random)
        # Each size has its equal share of the bank.
        return self.sizes[index * len(self.sizes) // self.count]


def _shake(
    settings: Trajectory,
    random: np.random.Generator,
    anxiety: float,
    exposure: float,
    size: int | None,
    length: float | None,
) -> np.ndarray:
    """A kernel of this size, or one as long as asked."""
    from blurbench_kernels import bank, trajectory

    if size:
        return bank.trajectory_kernel(random, size, anxiety, exposure, settings.fill)
    path, side = _path(settings, random, anxiety, exposure, length or 0)
    return trim(bank.snap(trajectory.rasterize_psf(path, side, [1.0])[0]))


def _path(
    settings: Trajectory,
    random: np.random.Generator,
    anxiety: float,
    exposure: float,
    length: float,
) -> tuple[np.ndarray, int]:
    """The exposed part of a trajectory as long as asked, px, and the side of its kernel."""
    from blurbench_kernels import trajectory

    path = trajectory.sample(random, steps=settings.steps, anxiety=anxiety)
    path = path[: max(2, round(exposure * len(path)))]
    # Splatting reaches about half a pixel beyond each end.
    path = path * (max(length - 1, 0) / trajectory.extent(path))
    # No point is farther from the barycentre than from another point.
    return path, 2 * math.ceil(length) + 3


def _parts(path: np.ndarray, side: int, count: int) -> np.ndarray:
    """(count, side, side): the kernel of a trajectory in parts of equal time."""
    from blurbench_kernels import bank, trajectory

    seen = trajectory.rasterize_psf(path, side, np.arange(1, count + 1) / count)
    kernel = bank.snap(seen[-1])
    # In the kernel's own steps, so that the parts sum to it exactly.
    seen = np.minimum(np.rint(seen * bank.GRID) / bank.GRID, kernel)
    seen[-1] = kernel
    return np.diff(seen, axis=0, prepend=0.0)


def trim(kernel: np.ndarray) -> np.ndarray:
    """A kernel without the rings of zeros around it; odd as it was."""
    rows, columns = np.nonzero(kernel)
    half = kernel.shape[0] // 2
    spare = half - max(np.abs(rows - half).max(), np.abs(columns - half).max())
    return kernel[spare : len(kernel) - spare, spare : len(kernel) - spare]
