"""The kernel between a sharp picture and its blurred one: least squares on gradients, not blind.

Gradients of 8-bit pictures are whole numbers, so every sum of the equations is exact in any order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blurbench_kernels import bank
from blurbench_kernels._jit import jit

# Weights of the ridge, in parts of the mean of the diagonal.
RIDGES = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
TEXTURE = 4.0  # grey levels^2, of `texture`: less leaves a kernel open
# The strongest ridge within so much of the least held-out error is taken: weaker ones fit noise.
NEAR = 0.05
# Of the largest tap: less is cut (Cho and Lee, SIGGRAPH Asia 2009, section 4). Of the whole: what
# hangs together and has less is a speck of noise, and would make a kernel four times as long.
SPECK = 0.05
ENOUGH = 1e-7  # a sweep that changes no tap by more is the last; the taps' sum is near 1
SWEEPS = 5000  # at most; photographs take 40 to 200


@dataclass(frozen=True)
class Estimated:
    """The kernel of a patch, and how well it tells what it was not fitted to."""

    kernel: np.ndarray  # (K, K) float64 of sum 1, K odd, to convolve with; barycentre central
    shift: tuple[int, int]  # rows down and columns right that the blurred patch is moved by
    ridge: float  # the one of RIDGES
    residual: float  # root mean square of the held-out differences of gradients, grey levels
    unexplained: float  # the sum of their squares, in parts of the blurred patch's
    agreement: float  # cosine of the kernels of the patch's two halves, 0 to 1
    cut: bool  # whether it meets the border of the window that it was sought in


@dataclass(frozen=True)
class Equations:
    """Normal equations of a region: gram @ taps = right, with the taps of a correlation."""

    gram: np.ndarray  # (N, N), N = size * size
    right: np.ndarray  # (N,)
    energy: float  # sum of the squared gradients of the blurred picture

    def __add__(self, other: "Equations") -> "Equations":
        """Of both regions together."""
        right = self.right + other.right
        return Equations(self.gram + other.gram, right, self.energy + other.energy)


def estimate(sharp: np.ndarray, blur: np.ndarray, size: int) -> Estimated | None:
    """The kernel k >= 0 of sum 1 with blur = sharp * k, sought in a window of size x size px.

    sharp (H + size - 1, W + size - 1[, C]) uint8 around blur (H, W[, C]); sums over C are compared.
    The ridge is the one with which each half of the patch best tells the other. None where nothing
    can be told: `texture` below TEXTURE, or no kernel brings blur nearer. ValueError for other
    shapes.
    """
    around = tuple(side + size - 1 for side in blur.shape[:2])
    if size < 3 or size % 2 == 0 or sharp.shape[:2] != around or min(blur.shape[:2]) < 4:
        raise ValueError(f"patch: {sharp.shape} around {blur.shape} does not suit a size of {size}")
    inner = slice(size // 2, -(size // 2))
    if texture(sharp[inner, inner]) < TEXTURE:
        return None
    halves = _halves(gradients(sharp), gradients(blur), size)
    whole = halves[0] + halves[1]
    ridge, held_out, agreement = _best_ridge(halves)
    taps = solve(whole, ridge)
    if not taps.any():
        return None
    kernel, shift, cut = settled(taps.reshape(size, size)[::-1, ::-1])
    count = 2 * (blur.shape[0] - 1) * (blur.shape[1] - 1) * channels(blur) ** 2
    residual = math.sqrt(held_out / count)
    return Estimated(kernel, shift, ridge, residual, held_out / whole.energy, agreement, cut)


def channels(image: np.ndarray) -> int:
    """How many levels are added to one of `gradients`' own."""
    return image.shape[2] if image.ndim == 3 else 1


def gradients(image: np.ndarray) -> np.ndarray:
    """(H, W[, C]) uint8 -> (2, H - 1, W - 1) float64: what is more below, and to the right."""
    levels = np.asarray(image, np.float64)
    levels = levels.sum(axis=2) if levels.ndim == 3 else levels
    return np.stack([levels[1:, 1:] - levels[:-1, 1:], levels[1:, 1:] - levels[1:, :-1]])


def texture(image: np.ndarray) -> float:
    """Least eigenvalue of the mean structure tensor of (H, W[, C]) uint8, levels^2.

    Shi and Tomasi, CVPR 1994: 0 for a plain area, and for straight parallel edges, which tell
    nothing of blur along them.
    """
    down, right = gradients(image)
    # Divided last: sums of whole numbers are exact.
    scale = down.size * channels(image) ** 2
    products = ((down, down), (right, right), (down, right))
    yy, xx, xy = (float((one * other).sum()) / scale for one, other in products)
    least: float = (xx + yy - math.sqrt((xx - yy) ** 2 + 4 * xy * xy)) / 2
    return max(least, 0.0)


def _halves(sharp: np.ndarray, blur: np.ndarray, size: int) -> list[Equations]:
    """Of the upper and lower half of a patch's gradients, or the left and right of a wide one's."""
    axis = 2 if blur.shape[2] > blur.shape[1] else 1
    middle = blur.shape[axis] // 2
    ours = np.split(blur, [middle], axis)
    first = np.split(sharp, [middle + size - 1], axis)[0]
    second = np.split(sharp, [middle], axis)[1]
    return [equations(*part, size) for part in zip((first, second), ours, strict=True)]


def equations(sharp: np.ndarray, blur: np.ndarray, size: int) -> Equations:
    """Of `gradients` (2, H + size - 1, W + size - 1) around (2, H, W), whole numbers."""
    sharp, blur = np.ascontiguousarray(sharp), np.ascontiguousarray(blur)
    gram, right = np.zeros((size * size, size * size)), np.zeros((size, size))
    _fill_gram(sharp, blur.shape[1], blur.shape[2], size, gram)
    _fill_right(sharp, blur, right)
    return Equations(gram, right.ravel(), float((blur**2).sum()))


@jit
def _fill_gram(sharp: np.ndarray, height: int, width: int, size: int, gram: np.ndarray) -> None:
    """Sums of sharp(p + i) sharp(p + j) over height x width places p, for all taps i and j.

    One difference j - i at a time: its window slides down and to the right.
    """
    column = np.empty(sharp.shape[2])
    for dy in range(size):
        for dx in range(1 - size if dy else 0, size):
            left, count = max(0, -dx), size - abs(dx)
            end = left + count + width - 1
            column[:] = 0.0
            for y in range(height):
                _add_products(sharp, y, dy, dx, left, end, 1.0, column)
            for iy in range(size - dy):
                if iy:
                    _add_products(sharp, iy - 1, dy, dx, left, end, -1.0, column)
                    _add_products(sharp, iy - 1 + height, dy, dx, left, end, 1.0, column)
                total = 0.0
                for x in range(left, left + width - 1):
                    total += column[x]
                for ix in range(left, left + count):
                    total += column[ix + width - 1]
                    i, j = iy * size + ix, (iy + dy) * size + ix + dx
                    gram[i, j] = total
                    gram[j, i] = total
                    total -= column[ix]


@jit
def _add_products(
    sharp: np.ndarray,
    y: int,
    dy: int,
    dx: int,
    left: int,
    end: int,
    sign: float,
    column: np.ndarray,
) -> None:
    for x in range(left, end):
        down = sharp[0, y, x] * sharp[0, y + dy, x + dx]
        column[x] += sign * (down + sharp[1, y, x] * sharp[1, y + dy, x + dx])


@jit
def _fill_right(sharp: np.ndarray, blur: np.ndarray, right: np.ndarray) -> None:
    """Sums of sharp(p + i) blur(p) over all places p, for all taps i."""
    _, height, width = blur.shape
    size = len(right)
    for y in range(height):
        for iy in range(size):
            for x in range(width):
                for ix in range(size):
                    down = blur[0, y, x] * sharp[0, y + iy, x + ix]
                    right[iy, ix] += down + blur[1, y, x] * sharp[1, y + iy, x + ix]


def _best_ridge(halves: Sequence[Equations]) -> tuple[float, float, float]:
    """The strongest of the good ones, its held-out error, and how far its halves agree."""
    taps = [np.zeros(len(half.right)) for half in halves]
    found = []
    for ridge in RIDGES:  # each begins at what the one before found
        taps = [solve(half, ridge, start) for half, start in zip(halves, taps, strict=True)]
        one, other = (each / max(math.fsum(each), ENOUGH) for each in taps)
        held_out = error(halves[0], other) + error(halves[1], one)
        found.append((ridge, held_out, cosine(one, other)))
    least = min(held_out for _, held_out, _ in found)
    return next(each for each in found if each[1] <= (1 + NEAR) * least)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Of two kernels as they lie: their correlation; 0 where one is all zeros."""
    product, *squares = (
        math.fsum((a * b).flat) for a, b in ((one, other), (one, one), (other, other))
    )
    length = math.sqrt(squares[0] * squares[1])
    return product / length if length > 0 else 0.0


def solve(equations: Equations, ridge: float, start: np.ndarray | None = None) -> np.ndarray:
    """The taps (N,) >= 0 of least squared error plus `ridge` times their squares.

    ridge: in parts of the mean of the gram's diagonal. Coordinate descent, from `start`.
    """
    taps = np.zeros(len(equations.right)) if start is None else start.copy()
    weight = ridge * np.trace(equations.gram) / len(taps)
    if weight > 0:
        _descend(equations.gram, equations.right, weight, taps)
    return taps


@jit
def _descend(gram: np.ndarray, right: np.ndarray, weight: float, taps: np.ndarray) -> None:
    # Not scipy.optimize.nnls: it takes 10 times as long, and LAPACK's last digits are those of the
    # processor.
    slope = -right
    for i in range(taps.size):
        if taps[i] > 0:
            slope += taps[i] * gram[i]
    for _ in range(SWEEPS):
        most = 0.0
        for i in range(taps.size):
            step = max(taps[i] - (slope[i] + weight * taps[i]) / (gram[i, i] + weight), 0.0)
            step -= taps[i]
            if step != 0:
                taps[i] += step
                slope += step * gram[i]
                most = max(most, abs(step))
        if most < ENOUGH:
            break


def error(equations: Equations, taps: np.ndarray) -> float:
    """Sum of the squared differences of gradients with these taps (N,)."""
    return max(_quadratic(equations.gram, equations.right, taps) + equations.energy, 0.0)


@jit
def _quadratic(gram: np.ndarray, right: np.ndarray, taps: np.ndarray) -> float:
    slope = -2.0 * right
    for i in range(taps.size):
        if taps[i] > 0:
            slope += taps[i] * gram[i]
    total = 0.0
    for i in range(taps.size):
        total += taps[i] * slope[i]
    return total


def settled(kernel: np.ndarray) -> tuple[np.ndarray, tuple[int, int], bool]:
    """(S, S) taps >= 0 -> `kernel`, `shift` and `cut` of an Estimated; not all may be 0."""
    kept = _without_specks(kernel)
    rows, columns = np.nonzero(kept)
    weights = kept[rows, columns]
    middle = [round(math.fsum(weights * each) / math.fsum(weights)) for each in (rows, columns)]
    down, right = rows - middle[0], columns - middle[1]
    reach = max(np.abs(down).max(), np.abs(right).max())
    out = np.zeros((2 * reach + 1, 2 * reach + 1))
    out[down + reach, right + reach] = weights
    last = len(kernel) - 1
    cut = bool({0, last} & {*rows.tolist(), *columns.tolist()})
    return bank.snap(out), (middle[0] - last // 2, middle[1] - last // 2), cut


def _without_specks(kernel: np.ndarray) -> np.ndarray:
    kept = np.where(kernel >= SPECK * kernel.max(), kernel, 0.0)
    parts = np.where(kept > 0, np.arange(1, kept.size + 1).reshape(kept.shape), 0)
    while _spread(parts):
        pass
    light = {part: math.fsum(kept[parts == part]) for part in np.unique(parts[parts > 0])}
    least = min(SPECK * math.fsum(light.values()), max(light.values()))
    heavy = [part for part, each in light.items() if each >= least]
    out: np.ndarray = np.where(np.isin(parts, heavy), kept, 0.0)
    return out


@jit
def _spread(parts: np.ndarray) -> bool:
    """Give each tap the largest number of its eight neighbours'; whether any changed."""
    height, width = parts.shape
    changed = False
    for y in range(height):
        for x in range(width):
            if parts[y, x] == 0:
                continue
            for i in range(max(0, y - 1), min(height, y + 2)):
                for j in range(max(0, x - 1), min(width, x + 2)):
                    if parts[i, j] > parts[y, x]:
                        parts[y, x] = parts[i, j]
                        changed = True
    return changed
