"""Camera-shake trajectories and their point spread functions.

Boracchi and Foi, Modeling the performance of image restoration from motion blur (IEEE TIP 2012):
a particle of constant speed under random impulses, rare big shakes and a pull to the origin.
Trajectories are complex128 (n,): real = column, imaginary = row, px.
"""

import math
from collections.abc import Sequence

import numpy as np

from blurbench_kernels._jit import jit


def walk(
    angle: float,
    anxiety: float,
    pull: float,
    impulse: float,
    shaken: np.ndarray,
    shakes: np.ndarray,
    impulses: np.ndarray,
    max_length: float,
) -> np.ndarray:
    """The trajectory of given draws, from the origin: shaken (n - 1,) bool, shakes (n - 1,) in rad,
    impulses (n - 1, 2) standard normal; returns complex128 (n,).
    """
    numbers = np.array([[angle, anxiety, pull, impulse]], np.float64)
    out: np.ndarray = _walks(numbers, shaken[None], shakes[None], impulses[None], max_length)[0]
    return out


@jit
def _walks(
    numbers: np.ndarray,
    shaken: np.ndarray,
    shakes: np.ndarray,
    impulses: np.ndarray,
    max_length: float,
) -> np.ndarray:
    """`walk` for each row of `numbers` (N, 4) and of the draws; returns complex128 (N, n).

    Side by side, as each step waits for the root of the one before: 8 us a walk of 2000 for 8 at
    once, 38 for one.
    """
    count, steps = shaken.shape
    paths = np.zeros((count, steps + 1), np.complex128)
    places, speeds = np.zeros((count, 2)), np.empty((count, 2))
    length = max_length / steps
    for k in range(count):
        angle, anxiety = numbers[k, 0], numbers[k, 1]
        # As the authors have it: the first velocity, against which the first impulse counts, is of
        # another length than all that follow.
        speed = anxiety if anxiety > 0 else length
        speeds[k, 0], speeds[k, 1] = speed * math.cos(angle), speed * math.sin(angle)
    for t in range(steps):
        for k in range(count):
            anxiety, pull, impulse = numbers[k, 1], numbers[k, 2], numbers[k, 3]
            x, y, vx, vy = places[k, 0], places[k, 1], speeds[k, 0], speeds[k, 1]
            ax = anxiety * (impulse * impulses[k, t, 0] - pull * x) * length
            ay = anxiety * (impulse * impulses[k, t, 1] - pull * y) * length
            if shaken[k, t]:
                c, s = 2 * math.cos(shakes[k, t]), 2 * math.sin(shakes[k, t])
                ax, ay = ax + c * vx - s * vy, ay + s * vx + c * vy
            vx, vy = vx + ax, vy + ay
            scale = length / math.sqrt(vx * vx + vy * vy)
            vx, vy = vx * scale, vy * scale
            x, y = x + vx, y + vy
            paths[k, t + 1] = complex(x, y)
            places[k, 0], places[k, 1], speeds[k, 0], speeds[k, 1] = x, y, vx, vy
    return paths


@jit
def _bounds(path: np.ndarray) -> tuple[float, float, float, float]:
    """Lowest and highest column, lowest and highest row."""
    left = right = path[0].real
    top = bottom = path[0].imag
    for point in path:
        left, right = min(left, point.real), max(right, point.real)
        top, bottom = min(top, point.imag), max(bottom, point.imag)
    return left, right, top, bottom


@jit
def place(path: np.ndarray, canvas: int) -> np.ndarray:
    """Move a trajectory as the authors' code does, px, 1-based: its first point on a whole pixel,
    its bounding box (not its barycentre) in the middle of a (canvas, canvas) picture.
    """
    left, _, top, _ = _bounds(path)
    first = path[0] - complex(left, top)
    part = complex(first.real % 1.0, first.imag % 1.0)
    placed = np.empty_like(path)
    for i in range(path.size):
        placed[i] = path[i] - complex(left, top) - part + complex(1.0, 1.0)
    _, right, _, bottom = _bounds(placed)
    middle = complex(math.ceil((canvas - right) / 2), math.ceil((canvas - bottom) / 2))
    for i in range(path.size):
        placed[i] += middle
    return placed


def sample(
    stream: np.random.Generator,
    canvas: int = 64,
    steps: int = 2000,
    max_length: float = 60.0,
    anxiety: float | None = None,
) -> np.ndarray:
    """Draw a trajectory: complex128 (steps,), px, 1-based, placed in (canvas, canvas).

    max_length: path length, px. anxiety: strength of the shake, 0 a straight line; None draws it
    from U[0, 0.1]. Drawn in this order, whatever is asked for: U[0, 1) for anxiety, pull (x 0.7),
    probability of a big shake (x 0.2), impulse (x 10), angle (x 2 pi); then steps - 1 uniforms that
    decide on a shake, steps - 1 for its angle, and (steps - 1, 2) normals. ValueError for fewer
    than 2 steps, or an anxiety or length below 0.
    """
    return samples([stream], canvas, steps, max_length, anxiety)[0]


def samples(
    streams: Sequence[np.random.Generator],
    canvas: int = 64,
    steps: int = 2000,
    max_length: float = 60.0,
    anxiety: float | None = None,
) -> list[np.ndarray]:
    """`sample` from each of the streams in turn, at less time a trajectory."""
    if steps < 2 or max_length <= 0 or (anxiety is not None and anxiety < 0):
        raise ValueError(f"trajectory: {steps=}, {max_length=}, {anxiety=} must be >= 2, > 0, >= 0")
    each = len(streams), steps - 1
    shaken, shakes, impulses = np.empty(each, np.bool_), np.empty(each), np.empty((*each, 2))
    numbers = np.empty((len(streams), 4))
    for k, stream in enumerate(streams):
        drawn, pull, shake, impulse, angle = stream.random(5).tolist()
        own = 0.1 * drawn if anxiety is None else anxiety
        numbers[k] = 2 * math.pi * angle, own, 0.7 * pull, 10 * impulse
        np.less(stream.random(steps - 1), 0.2 * shake * own, out=shaken[k])
        stream.random(out=shakes[k])
        stream.standard_normal(out=impulses[k])
    # Twice the velocity at pi, give or take half a rad: a big shake turns back.
    shakes += math.pi
    shakes -= 0.5
    return [place(path, canvas) for path in _walks(numbers, shaken, shakes, impulses, max_length)]


@jit
def _barycentre(path: np.ndarray) -> complex:
    total = 0j  # in sequence: np.mean adds in an order of its own
    for point in path:
        total += point
    return total / path.size


@jit
def fit(path: np.ndarray, size: int) -> np.ndarray:
    """Scale a trajectory about its barycentre until it fills a (size, size) kernel; px, 1-based.

    Rasterised with its barycentre in the middle, its farthest point then lies on the border of the
    kernel and nothing beyond it. A trajectory of one point stays one.
    """
    centre = _barycentre(path)
    fitted = np.empty_like(path)
    reach = 0.0
    for i in range(path.size):
        fitted[i] = path[i] - centre
        reach = max(reach, abs(fitted[i].real), abs(fitted[i].imag))
    half = (size - 1) / 2
    scale = half / reach if reach > 0 else 1.0
    for i in range(path.size):
        x, y = fitted[i].real * scale, fitted[i].imag * scale
        fitted[i] = complex(x + (half + 1), y + (half + 1))
    return fitted


def extent(path: np.ndarray) -> float:
    """Largest distance between two of its points, px: the blur length of a uniform blur."""
    return float(_extent(np.ascontiguousarray(path.real), np.ascontiguousarray(path.imag)))


@jit
def _extent(x: np.ndarray, y: np.ndarray) -> float:
    largest = 0.0
    for i in range(x.size):
        for j in range(i):
            dx, dy = x[i] - x[j], y[i] - y[j]
            largest = max(largest, dx * dx + dy * dy)
    return math.sqrt(largest)


@jit
def _share(t: int, start: float, end: float) -> float:
    """The part of sample t (1-based) that an exposure from `start` to `end` samples sees."""
    if start < t - 1:
        if end >= t:
            return 1.0
        return end - (t - 1) if end >= t - 1 else 0.0
    if start < t:
        if end >= t:
            return t - start
        return end - start if end >= t - 1 else 0.0
    return 0.0


@jit
def _splat(path: np.ndarray, ends: np.ndarray, psfs: np.ndarray) -> None:
    size = psfs.shape[1]
    start = 0.0
    for j in range(ends.size):
        psf = psfs[j]
        if j > 0:
            # Exposures rise: each goes on where the one before ended.
            psf[:] = psfs[j - 1]
        for i in range(path.size):
            share = _share(i + 1, start, ends[j])
            if share == 0:
                continue
            column, row = path[i].real, path[i].imag
            # The four pixels around the point; what lies off the canvas is lost.
            left = min(size - 1, max(1, math.floor(column)))
            top = min(size - 1, max(1, math.floor(row)))
            for r in range(top, top + 2):
                for c in range(left, left + 2):
                    near = max(0.0, 1 - abs(column - c)) * max(0.0, 1 - abs(row - r))
                    psf[r - 1, c - 1] += share * near
        start = ends[j]


@jit
def _rasterize(path: np.ndarray, size: int, ends: np.ndarray, center: bool) -> np.ndarray:
    if center:
        path = path - _barycentre(path) + complex((size + 1) / 2, (size + 1) / 2)
    psfs = np.zeros((ends.size, size, size))
    _splat(path, ends * path.size, psfs)
    return psfs / path.size


def psf(path: np.ndarray, size: int) -> np.ndarray:
    """`rasterize_psf` of a whole, centred, finite trajectory: (size, size), without the checks."""
    out: np.ndarray = _rasterize(path, size, np.ones(1), True)[0]
    return out


def rasterize_psf(
    x: np.ndarray, size: int, exposures: list[float] | np.ndarray, center: bool = True
) -> np.ndarray:
    """PSFs of a trajectory (px, 1-based) at rising exposures in (0, 1]: (len, size, size) float64.

    Each sums to its exposure: the first part of the trajectory, splatted bilinearly. center puts
    the barycentre of the whole trajectory in the middle; without it x is taken as it lies. The
    authors' createPSFs.m; mass beyond the canvas is lost, as there. ValueError for a size below 2,
    an empty trajectory, or exposures that fall or leave (0, 1].
    """
    path = np.asarray(x, np.complex128).reshape(-1)
    ends = np.asarray(exposures, np.float64).reshape(-1)
    if size < 2 or not path.size or not np.isfinite(path).all():
        raise ValueError(f"psf: {size=} must be at least 2 and the trajectory finite, not empty")
    if not (np.all(ends > 0) and np.all(ends <= 1) and np.all(np.diff(ends) >= 0)):
        raise ValueError(f"exposures: expected rising values in (0, 1], got {ends.tolist()}")
    return _rasterize(path, size, ends, center)
