"""Uniform-blur kernels and banks of them: draw, centre, normalise, identify."""

import hashlib
from collections.abc import Sequence

import numpy as np

from blurbench_kernels import trajectory
from blurbench_kernels._jit import jit
from blurbench_kernels.random import Key, stream

TOGETHER = 8  # kernels of a bank: 16 are no faster
GRID = 2**24  # up to here float32 holds every whole number


def normalise(kernels: np.ndarray) -> np.ndarray:
    """(..., K, K) -> float64, each kernel divided by its sum; ValueError where that is not > 0."""
    kernels = np.asarray(kernels, np.float64)
    sums = kernels.sum(axis=(-2, -1), keepdims=True)
    if not np.all((sums > 0) & np.isfinite(sums)):
        raise ValueError("kernel: its sum is 0, negative or NaN, so it cannot be normalised")
    out: np.ndarray = kernels / sums
    return out


def snap(kernel: np.ndarray) -> np.ndarray:
    """Normalise a kernel (K, K) to whole multiples of 2^-24 that sum to exactly 1.

    The last digits of a rasterised kernel depend on the C library. Multiples of 2^-24 do not
    (but for a rare tap on the edge between two), are exact in float32, and make float64 sums of
    8-bit pixels exact, so that their order does not matter. The largest tap takes up the rest.
    """
    kernel = np.asarray(kernel, np.float64)
    total = kernel.sum()
    if not 0 < total < np.inf:
        raise ValueError("kernel: its sum is 0, negative or NaN, so it cannot be normalised")
    snapped = kernel.flatten()
    _snap(snapped, total)
    return snapped.reshape(kernel.shape)


@jit
def _snap(kernel: np.ndarray, total: float) -> None:
    rest, largest = float(GRID), 0
    for i in range(kernel.size):
        kernel[i] = np.rint(kernel[i] / total * GRID)
        rest -= kernel[i]
        if kernel[i] > kernel[largest]:
            largest = i
    kernel[largest] += rest
    for i in range(kernel.size):
        kernel[i] /= GRID


def centre_pad(kernel: np.ndarray, size: int) -> np.ndarray:
    """(K, K) -> (size, size) with the kernel in the middle of zeros; both odd, or ValueError."""
    inner = kernel.shape[0]
    if kernel.shape != (inner, inner) or inner % 2 == 0 or size % 2 == 0 or size < inner:
        raise ValueError(f"kernel {kernel.shape} does not fit the middle of {size} x {size}")
    margin = (size - inner) // 2
    padded = np.zeros((size, size), kernel.dtype)  # np.pad takes 15 us, a quarter of a kernel
    padded[margin : margin + inner, margin : margin + inner] = kernel
    return padded


def trajectory_kernel(
    stream: np.random.Generator,
    size: int,
    anxiety: float | None = None,
    exposure: float = 1.0,
    fill: bool = True,
    steps: int = 2000,
) -> np.ndarray:
    """Draw one camera-shake kernel: (size, size) float64, size odd, barycentre central, sum 1.

    anxiety as in trajectory.sample; exposure in (0, 1] is the part of the trajectory that is seen.
    fill scales that part until its farthest point lies on the border of the kernel; without it
    the trajectory keeps its px, and what leaves the canvas is lost. steps: points of a trajectory.
    ValueError for bad values.
    """
    return _kernels([stream], [size], anxiety, exposure, fill, steps)[0]


def _kernels(
    streams: Sequence[np.random.Generator],
    sizes: Sequence[int],
    anxiety: float | None,
    exposure: float,
    fill: bool,
    steps: int,
) -> list[np.ndarray]:
    """`trajectory_kernel` of each stream and size."""
    for size in sizes:
        if size < 3 or size % 2 == 0:
            raise ValueError(f"size: a kernel needs an odd size of at least 3, got {size}")
    if not 0 < exposure <= 1:
        raise ValueError(f"exposure: expected a part in (0, 1], got {exposure}")
    kernels: list[np.ndarray] = []
    whole = trajectory.samples(streams, steps=steps, anxiety=anxiety)
    for path, size in zip(whole, sizes, strict=True):
        seen = path[: max(2, round(exposure * steps))]
        kernels.append(snap(trajectory.psf(trajectory.fit(seen, size) if fill else seen, size)))
    return kernels


def draw(
    *key: Key,
    count: int,
    sizes: Sequence[int] = tuple(range(13, 30, 2)),
    start: int = 0,
    anxiety: float | None = None,
    exposure: float = 1.0,
    fill: bool = True,
    steps: int = 2000,
) -> np.ndarray:
    """Kernels start to start + count of the bank named `key`: (count, S, S), S = max(sizes).

    Kernel i has its own stream (*key, i), so that any slice can be drawn alone; that stream picks
    one of the odd `sizes`, then draws `trajectory_kernel`, which zeros surround up to S.
    """
    bank = np.empty((count, max(sizes), max(sizes)))
    for begin in range(0, count, TOGETHER):
        streams = [stream(*key, start + n) for n in range(begin, min(begin + TOGETHER, count))]
        picked = [sizes[int(own.random() * len(sizes))] for own in streams]
        kernels = _kernels(streams, picked, anxiety, exposure, fill, steps)
        for n, kernel in enumerate(kernels, start=begin):
            bank[n] = centre_pad(kernel, max(sizes))
    return bank


def extent(kernel: np.ndarray) -> float:
    """Severity of a uniform blur: the largest distance, px, of two taps above 1 % of the peak.

    0 for a kernel of one tap. Every pixel has the same, so it is both the mean and the maximum.
    """
    rows, columns = np.nonzero(kernel > 0.01 * kernel.max())
    return trajectory.extent(columns + 1j * rows)


def digest(kernels: np.ndarray) -> str:
    """SHA-256 (hex) of the shape and the values as little-endian float64."""
    shape = ",".join(map(str, kernels.shape)).encode()
    return hashlib.sha256(shape + b";" + kernels.astype("<f8").tobytes()).hexdigest()
