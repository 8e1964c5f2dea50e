"""The light of a clip at any time: its frames, and what lies between two of them."""

import numpy as np

from blurbench.blurs.base import Scene
from blurbench.blurs.shutter import LEAST
from blurbench_kernels.frames.interpolation import FrameGap, frame, gap


class Footage:
    """A scene's frames at `stamps` (N,), rising. Fast when asked in order: it keeps two of them."""

    def __init__(self, scene: Scene, frames: np.ndarray, stamps: np.ndarray) -> None:
        """Nothing is read yet; `frames` (N, H, W, 3) uint8."""
        self._scene, self._frames, self._stamps = scene, frames, stamps
        self._lights: dict[int, np.ndarray] = {}
        self._gaps: dict[int, FrameGap] = {}

    def at(self, time: float) -> np.ndarray:
        """(H, W, 3): a frame, or one made between two along their motion."""
        before = self.place(time)
        start, end = self._stamps[before], self._stamps[before + 1]
        if time - start < LEAST or end - time < LEAST:
            return self._light(before if time - start < LEAST else before + 1)
        lights = self._light(before), self._light(before + 1)
        return frame(*lights, self._gap(before), (time - start) / (end - start))

    def place(self, time: float) -> int:
        """Which two frames a time is between: this one and the next."""
        found = int(np.searchsorted(self._stamps, time + LEAST, "right")) - 1
        return min(max(found, 0), len(self._stamps) - 2)

    def speed(self, before: int) -> np.ndarray:
        """(H, W) px that each pixel goes in one unit of time, from this frame to the next."""
        u, v = self._gap(before).ahead.transpose(2, 0, 1)
        length = self._stamps[before + 1] - self._stamps[before]
        speed: np.ndarray = np.sqrt(u * u + v * v) / length
        return speed

    def _light(self, place: int) -> np.ndarray:
        if place not in self._lights:
            self._lights = {n: light for n, light in self._lights.items() if n == place - 1}
            self._lights[place] = self._scene.light(self._frames[place])
        return self._lights[place]

    def _gap(self, before: int) -> FrameGap:
        if before not in self._gaps:
            self._gaps = {before: gap(*(_grey(self._frames[before + n]) for n in (0, 1)))}
        return self._gaps[before]


def _grey(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 -> (H, W) uint8, BT.601 in 256ths: whole numbers, alike everywhere."""
    light = image.astype(np.int32) @ np.array([77, 150, 29], np.int32)
    return (light >> 8).astype(np.uint8)
