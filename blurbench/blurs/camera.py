"""A camera path before a plane."""

import math
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from blurbench.blurs.base import (
    MIN_SIDE,
    Blurred,
    Family,
    Fraction,
    Moving,
    Range,
    Scene,
    Target,
    between,
    need,
)
from blurbench.errors import UserError


class Camera(Family):
    """A camera path with six degrees of freedom before a plane (blurbench_kernels.camera)."""

    family: Literal["camera"]
    anxiety: Range  # of each component's path, drawn uniformly
    translation: Fraction = 0.01  # largest, parts of the plane's distance
    rotation: float = Field(1.0, ge=0, le=45)  # largest, degrees
    focal: float = Field(1.0, gt=0, le=20)  # parts of the image's width
    tilt: float = Field(0.0, ge=0, le=45)  # of the plane, largest, degrees
    target: Target | None = None
    # Rolling shutter: time from the first row's exposure to the last row's, in exposures. The path
    # is then that of the camera from the first row's begin to the last row's end.
    readout: float = Field(0.0, ge=0, le=16)

    SINCE: ClassVar[dict[str, Any]] = {"readout": 0.0}

    def blur(self, scene: Scene) -> Blurred:
        """Average the picture over the poses of a drawn path."""
        from blurbench_kernels import camera

        poses, border, drawn = self._drawn(scene)
        height, width = scene.image.shape[:2]
        lengths = camera.lengths(poses, height, width, self.readout)
        image = camera.blur(scene.image, poses, self.readout)
        return Blurred(image, border, drawn, lengths, self.family)

    def over_time(self, scene: Scene, inside: np.ndarray) -> Moving:
        """The same path in time; a target is the length of the pixels `inside` (H, W)."""
        from blurbench_kernels import poses as ways

        poses, border, drawn = self._drawn(scene, inside)
        way = ways.along_poses(poses, inside.shape[0], inside.shape[1])
        return Moving(way, border, drawn, ways.lengths_inside(poses, inside))

    def _drawn(
        self, scene: Scene, inside: np.ndarray | None = None
    ) -> tuple[np.ndarray, tuple[int, int], dict[str, Any]]:
        """The poses of a drawn path, the border that they touch, and what was drawn."""
        from blurbench_kernels import bank, camera

        height, width = scene.image.shape[:2]
        random = scene.random
        anxiety = between(self.anxiety, random)
        largest = math.radians(self.tilt)
        # Drawn even where it is 0, so that a recipe with another tilt has the same path.
        tilt = largest * (2 * random.random() - 1), largest * (2 * random.random() - 1)
        focal = self.focal * width
        path = camera.sample_path(
            random,
            anxiety=anxiety,
            translation=self.translation,
            rotation=math.radians(self.rotation),
        )
        if self.target:
            length = self.target.draw(random, width)
            path = camera.scale_to(path, length, height, width, focal, tilt, self.readout)
            path = path if inside is None else _nearer(path, length, inside, focal, tilt)
        try:
            poses = camera.homographies(path, height, width, focal, tilt)
        except ValueError as error:
            mend = "lower blur.target, blur.tilt or blur.rotation, or raise blur.focal"
            raise UserError(f"{scene.item_id}: {error}; {mend}") from None
        drawn = {"anxiety": anxiety, "tilt": tilt, "focal": focal, "path": bank.digest(path)}
        border = camera.border(poses, height, width)
        need(scene.item_id, (height, width), (2 * border[0] + MIN_SIDE, 2 * border[1] + MIN_SIDE))
        return poses, border, drawn


def _nearer(
    path: np.ndarray, length: float, inside: np.ndarray, focal: float, tilt: tuple[float, float]
) -> np.ndarray:
    """A path whose mean length `inside` is that asked of the whole picture."""
    from blurbench_kernels import camera, poses

    height, width = inside.shape
    found = camera.homographies(path, height, width, focal, tilt)
    mean, _ = poses.lengths_inside(found, inside)
    # Six digits: the last ones of a mean depend on the CPU.
    return path * round(length / mean, 6)
