"""A pair cut into patches, and the kernel of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal, NamedTuple

import numpy as np

from blurbench.blurs.base import MIN_SIDE
from blurbench.errors import UserError
from blurbench.estimates.pairs import KnownPair
from blurbench.files import sha256
from blurbench.images import decode
from blurbench.memory import budget, in_words
from blurbench_kernels import bank, estimate

# Of the kernels of a patch's halves: below, those of photographs under noise were less than .92
# alike with the truth.
AGREE = 0.8
EQUATIONS = 4  # that are held at once: of the halves, of both, and one that is being added

# kept: in the bank. flat: too few edges to tell a kernel. unsure: its halves tell different ones,
# for noise, or since more than one motion is in it. cut: longer than the window.
State = Literal["kept", "flat", "unsure", "cut"]


@dataclass(frozen=True)
class Search:
    """What is sought, and where."""

    size: int  # side of the window, px, odd: holds the kernel, and how far the pictures are apart
    patch: int  # side of a patch, about, px

    def check(self, sharers: int) -> None:
        """UserError for an even size, or one whose equations the memory does not hold."""
        if self.size % 2 == 0:
            raise UserError(f"--size {self.size}: give an odd number, such as {self.size + 1}")
        needed = EQUATIONS * 8 * self.size**4
        if needed > (free := budget() // sharers):
            told = f"needs {in_words(needed)} of memory a process, {in_words(free)} are free"
            raise UserError(f"--size {self.size}: {told}; give a smaller one, or fewer --workers")


class PatchPlace(NamedTuple):
    """Where a patch lies, px."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class KnownKernel:
    """The kernel of a patch, as a line of JSON holds it."""

    units: list[list[int]]  # taps in multiples of 2^-24
    shift: tuple[int, int]  # rows down and columns right that the blurred picture is moved by
    ridge: float
    residual: float
    unexplained: float
    agreement: float

    def taps(self) -> np.ndarray:
        """(K, K) float64 of sum 1."""
        return np.array(self.units, np.float64) / bank.GRID


@dataclass(frozen=True)
class PatchKernel:
    """A patch of a blurred picture, px, and what was found there."""

    row: int
    column: int
    height: int
    width: int
    state: State
    kernel: KnownKernel | None  # None where it is flat


@dataclass(frozen=True)
class EstimatedPair:
    """All patches of a pair, and what they were found in."""

    name: str
    blur_sha256: str  # of the files
    sharp_sha256: str
    patches: list[PatchKernel]


def estimate_pair(search: Search, pair: KnownPair) -> EstimatedPair:
    """The kernels of a pair's patches; UserError where it cannot be read, or is too small."""
    names = [pair.store.where(each) for each in (pair.blur, pair.sharp)]
    files = pair.read()
    blur, sharp = (decode(data, name) for data, name in zip(files, names, strict=True))
    if blur.shape != sharp.shape:
        sizes = " and ".join(f"{each.shape[1]}x{each.shape[0]}" for each in (blur, sharp))
        raise UserError(f"{names[0]}: blurred and sharp picture are of {sizes} px")
    height, width = blur.shape[:2]
    places = _places(names[0], height, width, search)
    patches = [_estimate(search.size, sharp, blur, place) for place in places]
    return EstimatedPair(pair.name, sha256(files[0]), sha256(files[1]), patches)


def _places(name: str, height: int, width: int, search: Search) -> Iterator[PatchPlace]:
    """Of patches that tile what has `size // 2` px around it; UserError where that is too small."""
    reach = search.size // 2
    inner = [side - 2 * reach for side in (height, width)]
    if min(inner) < MIN_SIDE:
        least = MIN_SIDE + 2 * reach
        told = f"{width}x{height} px, a window of {search.size} needs at least {least} a side"
        raise UserError(f"{name}: {told}; give a smaller --size")
    rows, columns = (_edges(reach, side, search.patch) for side in inner)
    for (top, bottom), (left, right) in product(pairwise(rows), pairwise(columns)):
        yield PatchPlace(top, left, bottom, right)


def _edges(first: int, side: int, patch: int) -> list[int]:
    """Where parts of about `patch` px begin and end, that have `side` px together."""
    count = max(1, round(side / patch))
    return [first + side * n // count for n in range(count + 1)]


def _estimate(size: int, sharp: np.ndarray, blur: np.ndarray, place: PatchPlace) -> PatchKernel:
    top, left, bottom, right = place
    reach = size // 2
    around = sharp[top - reach : bottom + reach, left - reach : right + reach]
    found = estimate.estimate(around, blur[top:bottom, left:right], size)
    if found is None:
        return PatchKernel(top, left, bottom - top, right - left, "flat", None)
    state: State = "cut" if found.cut else "kept"
    if found.agreement < AGREE:  # first, since such kernels scatter up to the border
        state = "unsure"
    units = (found.kernel * bank.GRID).astype(int).tolist()
    told = (found.residual, found.unexplained, found.agreement)
    kernel = KnownKernel(units, found.shift, found.ridge, *told)
    return PatchKernel(top, left, bottom - top, right - left, state, kernel)
