"""The brush behind the procedural faces: shapes, shading and texture on one picture.

Only +, -, *, / and square roots of float32 arrays: these are exact on every CPU (IEEE 754), while
sines, powers and OpenCV's float filters differ in the last bit from one CPU to another.
"""

from copy import copy

import numpy as np

Colour = tuple[float, float, float] | np.ndarray  # RGB in [0, 1], or (H, W, 3)


class Canvas:
    """A picture of a head under construction, with the label of every pixel.

    x, y (H, W): head coordinates, origin between the eyes and the nose; the face is 1 wide to
    each side and about 1.3 high each way. u, v: the same for what lies on the turned face.
    """

    def __init__(
        self, size: int, scale: float, centre: tuple[float, float], roll: float, turn: np.ndarray
    ) -> None:
        """`scale` px a unit, `centre` in px from the middle, `roll` tan of half the angle."""
        self.size, self.scale = size, scale
        rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) - np.float32((size - 1) / 2)
        down, right = (rows - centre[1]) / scale, (columns - centre[0]) / scale
        # By the tangent of half the angle: sines differ by CPU.
        cos, sin = (1 - roll * roll) / (1 + roll * roll), 2 * roll / (1 + roll * roll)
        self.x, self.y = right * cos + down * sin, down * cos - right * sin
        # A turned head moves what lies in the middle of the face more than what lies at its rim.
        bulge = np.maximum(1 - 0.55 * self.x * self.x - 0.25 * self.y * self.y, 0)
        self.u, self.v = self.x - turn[0] * bulge, self.y - turn[1] * bulge
        self.image = np.zeros((size, size, 3), np.float32)
        self.labels = np.zeros((size, size), np.uint8)

    def window(self, u: float, v: float, reach: float) -> "Canvas":
        """The square `reach` units around a place on the face; painting it paints the whole."""
        near = (np.abs(self.u - u) < reach) & (np.abs(self.v - v) < reach)
        rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
        cut = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        part = copy(self)
        for name in ("x", "y", "u", "v", "image", "labels"):
            setattr(part, name, getattr(self, name)[cut])
        return part

    def cover(self, distance: np.ndarray, soft: float = 1.0) -> np.ndarray:
        """Coverage in [0, 1] of a shape: `distance` inside it in units, edge `soft` px wide."""
        return np.clip(0.5 + distance * (self.scale / soft), 0, 1)

    def paint(self, cover: np.ndarray, colour: Colour, label: int | None = None) -> None:
        """Lay a colour over the picture; pixels that are half covered take `label`."""
        self.image += cover[..., None] * (np.asarray(colour, np.float32) - self.image)
        if label is not None:
            self.labels[cover > 0.5] = label

    def shade(self, amount: np.ndarray) -> None:
        """Lighten (above 0) or darken (below 0) by (H, W) fractions; shadows keep a little red."""
        self.image *= 1 + amount[..., None] * np.array([0.88, 1.0, 1.06], np.float32)


def ellipse(x: np.ndarray, y: np.ndarray, radii: tuple[float, float]) -> np.ndarray:
    """About the distance inside an ellipse around the origin, in units."""
    a, b = x / radii[0], y / radii[1]
    return (1 - np.sqrt(a * a + b * b)) * min(radii)


def blob(x: np.ndarray, y: np.ndarray, radii: tuple[float, float]) -> np.ndarray:
    """A smooth hill around the origin: 1 in the middle, 0 from the ellipse on."""
    a, b = x / radii[0], y / radii[1]
    hill = np.maximum(1 - a * a - b * b, 0)
    return hill * hill


def box(x: np.ndarray, y: np.ndarray, half: tuple[float, float]) -> np.ndarray:
    """Distance inside a rectangle around the origin."""
    out: np.ndarray = np.minimum(half[0] - np.abs(x), half[1] - np.abs(y))
    return out


def lens(x: np.ndarray, y: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Distance inside two curves of x that meet at x = -1 and x = 1: eyes, lips."""
    return np.where(np.abs(x) < 1, np.minimum(y - top, bottom - y), np.float32(-1))


class Texture:
    """Textures from one random stream, values in [0, 1]."""

    TABLE = 1024

    def __init__(self, stream: np.random.Generator, size: int) -> None:
        """`size`: height and width of the picture."""
        self.stream, self.size = stream, size

    def grain(self) -> np.ndarray:
        """(H, W): independent pixels."""
        return self.stream.random((self.size, self.size), np.float32)

    def clouds(self, cells: int) -> np.ndarray:
        """(H, W): smooth value noise with `cells` hills across."""
        grid = self.stream.random((cells + 2, cells + 2), np.float32)
        place = np.arange(self.size, dtype=np.float32) * np.float32(cells / self.size)
        low = place.astype(np.intp)
        t = place - np.floor(place)
        t = t * t * (3 - 2 * t)
        rows = grid[low] + t[:, None] * (grid[low + 1] - grid[low])
        out: np.ndarray = rows[:, low] + t * (rows[:, low + 1] - rows[:, low])
        return out

    def strands(self, across: np.ndarray) -> np.ndarray:
        """Texture along a coordinate (H, W), one hill a unit: hair, cloth, wood."""
        table = self.stream.random(self.TABLE, np.float32)
        place = np.floor(across)
        low = place.astype(np.intp) % self.TABLE
        out: np.ndarray = table[low] + (across - place) * (
            table[(low + 1) % self.TABLE] - table[low]
        )
        return out
