"""Which pixels of a picture belong to which of its objects: drawn when the picture is read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from blurbench.images import BadImage
from blurbench.memory import shortage
from blurbench.sources.labels.masks import fitted

MOST_TIMES = 32  # a list's size over the picture's, a side: thumbnails may come with it
DRAWING = 3.0  # bytes a pixel of the list's size, in which pycocotools draws one object at a time
MOST = 255  # objects with a label of 8 bits; what comes after so many fills under 1/256 of all


class ObjectMasks(Protocol):
    """The objects of one picture: cheap, picklable, drawn only when asked for."""

    def draw(self, name: str, size: tuple[int, int]) -> np.ndarray:
        """(H, W) uint8 of the picture `name`: 0, and 1 to N of its objects.

        BadImage names a file that is damaged or of another shape.
        """

    def identity(self) -> bytes:
        """What tells them from others."""


@dataclass(frozen=True)
class JoinedObjects:
    """Objects that are one: of rows that tell what is an object, and not which."""

    each: ObjectMasks

    def draw(self, name: str, size: tuple[int, int]) -> np.ndarray:
        """0, and 1 where any of them is."""
        return (self.each.draw(name, size) > 0).astype(np.uint8)

    def identity(self) -> bytes:
        """That of all."""
        return self.each.identity()


@dataclass(frozen=True)
class Outline:
    """One object as COCO has it, checked (`outline_of`)."""

    runs: bytes = b""  # compressed run lengths, of columns
    polygons: tuple[bytes, ...] = ()  # float64 x, y, x, y, ..., px

    def draw(self, size: tuple[int, int]) -> np.ndarray:
        """(H, W) bool."""
        from pycocotools import mask

        lists = [np.frombuffer(each).tolist() for each in self.polygons]
        drawn = mask.merge(mask.frPyObjects(lists, *size)) if lists else None
        found = mask.decode(drawn or {"size": list(size), "counts": self.runs})
        out: np.ndarray = found.view(bool)
        return out


@dataclass(frozen=True)
class ListedObjects:
    """Objects that a list tells of a picture of `size`, (H, W)."""

    size: tuple[int, int]
    outlines: tuple[Outline, ...]

    def draw(self, name: str, size: tuple[int, int]) -> np.ndarray:
        """In the list's size, then in the picture's; BadImage for a size that cannot be."""
        height, width = self.size
        stated = f"{name}: its list has it as {width}x{height} px"
        if max(self.size) > MOST_TIMES * max(size):
            real = f"over {MOST_TIMES} times the picture's {size[1]}x{size[0]}"
            raise BadImage(f"{stated}, {real}; mend the list")
        if problem := shortage(width, height, DRAWING):
            raise BadImage(f"{stated}: {problem}; free memory")
        return stacked((each.draw(self.size) for each in self.outlines), name, size)

    def identity(self) -> bytes:
        """The outlines themselves."""
        return repr((self.size, self.outlines)).encode()


def stacked(masks: Iterable[np.ndarray], name: str, size: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8 of bool masks: 1 is the largest; where several lie, the smallest one.

    One after the other: a hundred masks of a large picture would take a gigabyte together. Masks
    of another size than the picture's, `size`, are `fitted`.
    """
    areas, shown = [np.inf], np.zeros(size, np.int32)
    for whole in masks:
        areas.append(float(np.count_nonzero(whole)))
        mask = fitted(whole.view(np.uint8), name, size).view(bool)
        # A bag lies over the person who holds it: lists do not tell what is in front.
        under = shown[mask]
        under[np.array(areas)[under] > areas[-1]] = len(areas) - 1
        shown[mask] = under
    order = np.argsort(-np.array(areas), kind="stable")
    labels = np.zeros(len(areas), np.uint8)
    labels[order[1 : MOST + 1]] = np.arange(1, min(len(areas) - 1, MOST) + 1)
    out: np.ndarray = labels[shown]
    return out


def outline_of(segmentation: Any, size: tuple[int, int]) -> Outline | None:
    """What COCO calls a segmentation, of a picture of `size`; None for a broken one.

    Checked here: pycocotools takes memory as its numbers say, and reads beyond their end.
    """
    if isinstance(segmentation, list):
        polygons = [_polygon(each, size) for each in segmentation]
        told = [each for each in polygons if each]
        return Outline(polygons=tuple(told)) if told and len(told) == len(polygons) else None
    if not isinstance(segmentation, dict) or segmentation.get("size") != list(size):
        return None
    runs = _compressed(segmentation.get("counts"), size)
    return Outline(runs) if runs and _sum(runs) == size[0] * size[1] else None


def _polygon(numbers: Any, size: tuple[int, int]) -> bytes | None:
    """Three points or more, none farther outside than the longer side."""
    if not isinstance(numbers, list) or any(type(each) not in (int, float) for each in numbers):
        return None
    points = np.array(numbers, np.float64)
    longer = max(size)
    whole = points.size >= 6 and points.size % 2 == 0
    near = whole and points.min() >= -longer and points.max() <= 2 * longer
    return points.tobytes() if near else None


def _compressed(counts: Any, size: tuple[int, int]) -> bytes | None:
    """Run lengths as COCO compresses them; theirs may be a list of numbers."""
    if isinstance(counts, str):
        return counts.encode() if counts.isascii() else None
    pixels = size[0] * size[1]
    whole = isinstance(counts, list) and all(
        type(each) is int and 0 <= each <= pixels for each in counts
    )
    if not whole or not counts:
        return None
    from pycocotools import mask

    found: bytes = mask.frPyObjects({"size": list(size), "counts": counts}, *size)["counts"]
    return found


def _sum(runs: bytes) -> int | None:
    """What compressed run lengths sum to; None where they are torn or one is negative.

    Each is told by digits of 5 bits, the lowest first, 32 added while more follow; the last bit
    is the sign; from the fourth on it is the difference from the one two before it.
    """
    code = np.frombuffer(runs, np.uint8).astype(np.int64) - 48
    if code.min() < 0 or code.max() > 63 or code[-1] & 32:
        return None
    ends = np.flatnonzero(code & 32 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    digits = ends - starts + 1
    if digits.max() > 6:  # of a picture of 2^29 px
        return None
    place = np.arange(code.size) - np.repeat(starts, digits)
    values = np.add.reduceat((code & 31) << 5 * place, starts)
    values -= np.where(code[ends] & 16, 1 << 5 * digits, 0)
    lengths = values.copy()
    for first in (1, 2):
        lengths[first::2] = np.cumsum(values[first::2])
    return int(lengths.sum()) if lengths.min() >= 0 else None


def identity_of(masks: Sequence[ObjectMasks | None]) -> bytes:
    """What tells the objects of some pictures from others; empty where there are none."""
    return b"\0".join(each.identity() for each in masks if each)
