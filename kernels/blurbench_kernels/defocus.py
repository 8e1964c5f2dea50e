"""A thin lens that is focused nearer or farther than what it sees: a disk for each pixel.

Potmesil and Chakravarty, A Lens and Aperture Camera Model for Synthetic Image Generation, SIGGRAPH
1981: the radius of a point's disk goes with the difference of 1 / distance from that in focus.
"""

import math
from collections.abc import Sequence

import numpy as np

from blurbench_kernels._jit import jit
from blurbench_kernels.layers import Layer

STRIPS = 4  # of a row
RADIUS = 16  # parts of a px: radii over a depth map are whole numbers of them
SLOPE = 2.0**-32  # of which a plane's slopes are whole multiples


def plane(height: int, width: int, focal: float, tilt: tuple[float, float]) -> np.ndarray:
    """(H, W) 1 / distance of a plane that is 1 away in the middle; focal in px.

    Turned by tilt rad, as in camera.homographies: nearer to the right for tilt[0] > 0, nearer below
    for tilt[1] > 0. ValueError where it passes behind the camera.
    """
    x = (np.arange(width) - (width - 1) / 2) / focal
    y = (np.arange(height) - (height - 1) / 2) / focal
    # The last digits of a tangent are the C library's.
    across, down = (round(math.tan(each) / SLOPE) * SLOPE for each in tilt)
    near: np.ndarray = 1 + across * x[None] + down * y[:, None]
    if not (near.min() > 0 and focal > 0):
        raise ValueError(f"tilt {tilt}: the plane passes behind a camera of {focal=} px")
    return near


def radii(near: np.ndarray, focus: float, aperture: float) -> np.ndarray:
    """Radii of the disks, px, where 1 / distance is `near` and 1 / distance in focus is `focus`.

    aperture: the radius, px, of what is infinitely far when the lens is focused at distance 1.
    """
    out: np.ndarray = aperture * np.abs(near - focus)
    return out


def blur(image: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Each pixel of (H, W, C) as the mean of a disk around it of its own radius (H, W), px.

    float64; beyond the border the image repeats its edge. Disks are summed in strips of a quarter
    of a row, whose ends fall between pixels. ValueError for radii below 0 or of another size.
    """
    _refuse_radii(image, radius)
    margin = math.ceil(radius.max() + 0.5) + 1
    wider = np.pad(np.asarray(image, np.float64), ((margin,) * 2, (margin,) * 2, (0, 0)), "edge")
    before = np.zeros((wider.shape[0], wider.shape[1] + 1, wider.shape[2]))
    _sum_rows(wider, before)
    out = np.empty(image.shape)
    _gather(wider, before, np.ascontiguousarray(radius, np.float64), margin, out)
    return out


def blur_layers(layers: Sequence[Layer], radius: Sequence[np.ndarray]) -> np.ndarray:
    """Layers, back to front, each (H, W, C) out of focus by its own radii: what they show together.

    What is in front and sharp keeps its edge; what is in front and blurred veils what is behind.
    """
    out = np.zeros(layers[0].light.shape)
    for layer, own in zip(layers, radius, strict=True):
        cover = blur(layer.cover[..., None], own)
        out = blur(layer.light, own) + (1 - cover) * out
    return out


def blur_map(image: np.ndarray, near: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """(H, W, C) out of focus by `radius` (H, W), px, over a depth map: near (H, W), 1 / distance.

    What is nearer than a pixel veils it by the disks that reach it; behind these lies the mean of
    the pixel's own disk over what is not nearer. So what is sharp keeps its edge, and one distance
    everywhere is one disk. Disks fall off over a px; radii are rounded to 1 / 16 px. float64;
    beyond the border all repeats its edge. ValueError as of `blur`, and for `near` of another size.
    """
    _refuse_radii(image, radius)
    if near.shape != radius.shape:
        raise ValueError(f"near: expected {radius.shape}, got {near.shape}")
    whole = np.floor(radius * RADIUS + 0.5).astype(np.int64)
    margin = int(whole.max()) // RADIUS + 2
    areas = np.zeros(int(whole.max()) + 1)
    _disk_areas(areas)
    light = np.pad(np.asarray(image, np.float64), ((margin,) * 2, (margin,) * 2, (0, 0)), "edge")
    depth = np.pad(np.asarray(near, np.float64), margin, "edge")
    front = np.zeros((*radius.shape, image.shape[2] + 1))
    _veil(light, depth, np.pad(whole, margin, "edge"), areas, margin, front)
    out = np.empty(image.shape)
    _behind(light, depth, whole, margin, front, out)
    return out


def _refuse_radii(image: np.ndarray, radius: np.ndarray) -> None:
    if radius.shape != image.shape[:2] or not (radius >= 0).all() or not np.isfinite(radius).all():
        raise ValueError(f"radius: expected (H, W) px of 0 or more, got shape {radius.shape}")


@jit
def _covered(radius: int, i: int, j: int) -> float:
    """How much of the pixel (i, j) px off a disk covers, whose radius is in parts of a px."""
    if 2 * radius <= RADIUS:  # a disk within its pixel
        return 1.0 if i == 0 and j == 0 else 0.0
    return min(max(radius / RADIUS + 0.5 - math.sqrt(i * i + j * j), 0.0), 1.0)


@jit
def _disk_areas(areas: np.ndarray) -> None:
    for radius in range(areas.size):
        reach = radius // RADIUS + 1
        for i in range(-reach, reach + 1):
            for j in range(-reach, reach + 1):
                areas[radius] += _covered(radius, i, j)


@jit
def _veil(
    light: np.ndarray,
    near: np.ndarray,
    radius: np.ndarray,
    areas: np.ndarray,
    margin: int,
    front: np.ndarray,
) -> None:
    """Spread each pixel over those behind it: light and, last in `front`, what it covers."""
    height, width, channels = front.shape
    for y in range(near.shape[0]):
        for x in range(near.shape[1]):
            own = radius[y, x]
            if 2 * own <= RADIUS:
                continue
            reach = own // RADIUS + 1
            for row in range(max(y - reach, margin), min(y + reach + 1, margin + height)):
                for column in range(max(x - reach, margin), min(x + reach + 1, margin + width)):
                    if near[row, column] >= near[y, x]:
                        continue
                    share = _covered(own, row - y, column - x) / areas[own]
                    at = front[row - margin, column - margin]
                    for c in range(channels - 1):
                        at[c] += share * light[y, x, c]
                    at[channels - 1] += share


@jit
def _behind(
    light: np.ndarray,
    near: np.ndarray,
    radius: np.ndarray,
    margin: int,
    front: np.ndarray,
    out: np.ndarray,
) -> None:
    """Put `front` over the mean of each pixel's own disk without what is nearer than it."""
    height, width, channels = out.shape
    for y in range(height):
        for x in range(width):
            reach, total = radius[y, x] // RADIUS + 1, 0.0
            for c in range(channels):
                out[y, x, c] = 0.0
            for row in range(y + margin - reach, y + margin + reach + 1):
                for column in range(x + margin - reach, x + margin + reach + 1):
                    if near[row, column] > near[y + margin, x + margin]:
                        continue
                    share = _covered(radius[y, x], row - margin - y, column - margin - x)
                    total += share
                    for c in range(channels):
                        out[y, x, c] += share * light[row, column, c]
            veil = front[y, x, channels]
            # Disks of several radii may cover more than all of a pixel.
            over = max(veil, 1.0)
            for c in range(channels):
                out[y, x, c] = (1 - veil / over) * out[y, x, c] / total + front[y, x, c] / over


@jit
def _sum_rows(image: np.ndarray, before: np.ndarray) -> None:
    """Of each pixel the sum of those left of it: in this order, whatever the processor."""
    height, width, channels = image.shape
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                before[y, x + 1, c] = before[y, x, c] + image[y, x, c]


@jit
def _half_chord(radius: float, row: float) -> float:
    return math.sqrt(max(radius * radius - row * row, 0.0))


@jit
def _gather(
    wider: np.ndarray, before: np.ndarray, radius: np.ndarray, margin: int, out: np.ndarray
) -> None:
    height, width, channels = out.shape
    for y in range(height):
        for x in range(width):
            own = radius[y, x]
            if own <= 0.5:  # a disk within its pixel
                for c in range(channels):
                    out[y, x, c] = wider[y + margin, x + margin, c]
                continue
            reach = math.ceil(own - 0.5)
            area = 0.0
            for c in range(channels):
                out[y, x, c] = 0.0
            for strip in range(-reach * STRIPS, (reach + 1) * STRIPS):
                half = _half_chord(own, (strip + 0.5) / STRIPS - 0.5)
                area += 2 * half
                left, right = x + margin + 0.5 - half, x + margin + 0.5 + half
                first, last = int(left), int(right)
                row = y + margin + strip // STRIPS
                for c in range(channels):
                    until = before[row, last, c] + (right - last) * wider[row, last, c]
                    start = before[row, first, c] + (left - first) * wider[row, first, c]
                    out[y, x, c] += until - start
            for c in range(channels):
                out[y, x, c] /= area
