"""Objects that move before a background: each layer on a way of its own during one exposure.

Every kernel is read as a list of places and the times that a pixel sees them, in order; together
they last 1. Between two changes of any layer nothing moves, so that the exposure is a finite sum
of composited moments, without sampling: layers that move alike blur as one picture does, and a
layer by itself has the kernels of its family, but for the order of the additions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blurbench_kernels._jit import jit
from blurbench_kernels._lines import capacity, find_runs, tap_tables
from blurbench_kernels.convolution import apply_runs, fill_padded
from blurbench_kernels.holes import Fill, fill
from blurbench_kernels.motion_flow import round_flow

SOFT = 3  # px about objects that tell nothing of what is behind: masks drawn by hand miss by 1 to 2
_STEP = 2**24  # from one row to the next while places are single numbers: more than any width


@dataclass(frozen=True)
class Way:
    """What each pixel sees of a layer during the exposure."""

    lists: np.ndarray  # (H, W) int32: which list of moments each pixel has
    first: np.ndarray  # list k has the moments first[k] to first[k + 1], in order of time
    rows: np.ndarray  # int64, px: from the pixel down to what it sees
    columns: np.ndarray  # int64, px: from the pixel to the right
    spans: np.ndarray  # float64: how long, parts of the exposure; those of a list sum to 1

    @property
    def reach(self) -> int:
        """The farthest that a pixel sees along rows or columns, px."""
        return int(max(np.abs(self.rows).max(), np.abs(self.columns).max()))


@dataclass(frozen=True)
class Layer:
    """A part of a picture: `light` (H, W, C) float64 is times `cover`, (H, W) float64 in [0, 1]."""

    light: np.ndarray
    cover: np.ndarray


def still(height: int, width: int) -> Way:
    """What does not move."""
    zero = np.zeros(1, np.int64)
    return Way(np.zeros((height, width), np.int32), np.array([0, 1]), zero, zero, np.ones(1))


def along_flow(u: np.ndarray, v: np.ndarray) -> Way:
    """The line kernels of `motion_flow.blur`; (u, v) as there: what is seen moves by them, px.

    ValueError as there.
    """
    u, v = round_flow(u, v)
    runs, motions = find_runs(u, v, 1, 0)
    room = capacity(int(np.abs(motions).max()))
    first, places, spans = tap_tables(motions, room, _STEP, 1)
    rows, columns = np.divmod(places + _STEP // 2, _STEP)
    columns -= _STEP // 2
    kernel = np.repeat(np.arange(len(motions)), np.diff(first))
    # What moves along (u, v) is seen ahead of its mean place last: at the start a pixel sees what
    # will leave it. Equals keep their order: whole numbers alone decide.
    behind = rows * motions[kernel, 1] + columns * motions[kernel, 0]
    order = np.lexsort((-behind, kernel))
    lists = np.repeat(runs[:, 3], runs[:, 2]).reshape(u.shape).astype(np.int32)
    return Way(lists, first, rows[order], columns[order], spans[order])


def along_kernels(kernels: np.ndarray, height: int, width: int) -> Way:
    """Kernels (N, K, K), K odd, one after the other, that all pixels share; their sum sums to 1.

    As in a convolution: they hold where a point of light goes, in N parts of the exposure.
    """
    half = kernels.shape[1] // 2
    part, rows, columns = np.nonzero(kernels)
    spans = kernels[part, rows, columns]
    lists = np.zeros((height, width), np.int32)
    return Way(lists, np.array([0, len(spans)]), half - rows, half - columns, spans)


def cut(image: np.ndarray, labels: np.ndarray, how: Fill = "inpaint") -> list[Layer]:
    """Layers of (H, W, C), back to front: labels (H, W) are 0 behind and 1 to N, N in front.

    Covers fall off over 2 px, each of what those in front of it leave: at rest a pixel shows every
    layer by its share of the pixels around, and nothing of what is behind two that touch. The light
    is such that the layers at rest are the picture again, whatever `how` fills the holes of those
    behind (holes.fill). ValueError for a picture without any background.
    """
    image = rest = np.asarray(image, np.float64)
    filled = fill(image, _grown(labels > 0, SOFT), how)
    left = np.ones(labels.shape)  # of each pixel, what the objects in front let through
    outside = _softened((labels == 0).astype(np.float64))
    objects: list[Layer] = []
    for label in range(int(labels.max()), 0, -1):
        share = _softened((labels == label).astype(np.float64))
        cover = np.divide(share, left, out=np.zeros(labels.shape), where=left > 0)
        left = left - share
        hole = (cover > 0) & ((labels == 0) | (labels >= label))
        behind = np.where(hole[..., None], filled, rest)
        lower = (labels > 0) & (labels < label)
        _add_objects(behind, image, lower, np.nonzero(hole & (left > outside)), outside)
        objects.append(Layer(rest - (1.0 - cover)[..., None] * behind, cover))
        rest = behind
    return [Layer(rest, np.ones(labels.shape)), *objects[::-1]]


def _add_objects(
    filled: np.ndarray,
    image: np.ndarray,
    lower: np.ndarray,
    at: tuple[np.ndarray, ...],
    outside: np.ndarray,
) -> None:
    """Mix the light of `lower` objects (H, W) into a hole that is filled, `at` pixels beside them.

    outside (H, W): the share of a pixel at rest that no object has.
    """
    light, shares = np.zeros((at[0].size, image.shape[2])), np.zeros((at[0].size, 1))
    for i, j in np.ndindex(3, 3):  # in this order, whatever the processor
        y = np.clip(at[0] + i - 1, 0, lower.shape[0] - 1)
        x = np.clip(at[1] + j - 1, 0, lower.shape[1] - 1)
        weights = (lower[y, x] * (1, 2, 1)[i] * (1, 2, 1)[j] / 16)[:, None]
        light += weights * image[y, x]
        shares += weights
    rest = outside[at][:, None]
    filled[at] = (light + rest * filled[at]) / (shares + rest)


def _grown(inside: np.ndarray, reach: int) -> np.ndarray:
    """What lies at most `reach` px from the inside along rows and columns."""
    for _ in range(reach):
        for axis in (0, 1):
            before, own, after = _neighbours(inside, axis)
            inside = np.moveaxis(before | own | after, 0, axis)
    return inside


def _softened(cover: np.ndarray) -> np.ndarray:
    """Weights 1 2 1 along both axes: sixteenths, exact in any order."""
    for axis in (0, 1):
        before, own, after = _neighbours(cover, axis)
        cover = np.moveaxis((before + 2 * own + after) / 4, 0, axis)
    return cover


def _neighbours(plane: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each pixel those before it, it, and those after it along an axis, which comes first."""
    around = [(0, 0), (0, 0)]
    around[axis] = (1, 1)
    wider = np.moveaxis(np.pad(plane, around, mode="edge"), axis, 0)
    return wider[:-2], wider[1:-1], wider[2:]


def blur(layers: Sequence[Layer], ways: Sequence[Way]) -> np.ndarray:
    """The exposure of layers, back to front, each on its way: (H, W, C) float64.

    Beyond the border each layer repeats its edge. Sums in float64, in the order of time.
    ValueError where layers and ways differ in number or size.
    """
    shape = layers[0].light.shape
    sizes = {each.light.shape for each in layers} | {(*each.lists.shape, shape[2]) for each in ways}
    if len(layers) != len(ways) or sizes != {shape}:
        raise ValueError(f"{len(layers)} layers and {len(ways)} ways of sizes {sorted(sizes)}")
    margin, channels = max(way.reach for way in ways), shape[2]
    clears = [np.repeat(1.0 - each.cover[..., None], channels, axis=2) for each in layers[1:]]
    counts = np.cumsum([0, *(len(way.first) - 1 for way in ways)])
    starts = np.cumsum([0, *(len(way.spans) for way in ways)])
    lists = [way.lists + count for way, count in zip(ways, counts, strict=False)]
    begins = [way.first[:-1] + start for way, start in zip(ways, starts, strict=False)]
    stride = (shape[1] + 2 * margin) * channels
    out = np.zeros(shape)
    light = _padded([each.light for each in layers], margin)
    first = np.concatenate([*begins, starts[-1:]])
    places = np.concatenate([way.rows * stride + way.columns * channels for way in ways])
    spans = np.concatenate([way.spans for way in ways])
    alone = _expose(
        light,
        _padded(clears, margin),
        np.stack(lists),
        first,
        places,
        spans,
        np.array([_box(each, way.reach) for each, way in zip(layers, ways, strict=True)]),
        (margin, channels),
        out.reshape(-1),
    )
    if len(alone):
        apply_runs(light.reshape(-1), alone, first, places, spans, out.reshape(-1))
    return out


def _padded(planes: Sequence[np.ndarray], margin: int) -> np.ndarray:
    """(H, W, C) each -> a flat row each, with `margin` px of its edge around it."""
    if not planes:
        return np.empty((0, 0))
    height, width, channels = planes[0].shape
    shape = height + 2 * margin, (width + 2 * margin) * channels
    # Written where they stay: np.pad and np.stack touched four times the memory, 40 ms a picture.
    out = np.empty((len(planes), *shape))
    for plane, padded in zip(planes, out, strict=True):
        fill_padded(plane.reshape(height, width * channels), channels, margin, True, padded)
    return out.reshape(len(planes), -1)


def _box(layer: Layer, reach: int) -> tuple[int, int, int, int]:
    """Rows from, to and columns from, to where something of a layer may be seen."""
    seen = layer.cover != 0
    rows, columns = seen.any(axis=1), seen.any(axis=0)
    if not seen.all():  # a background's light need not be looked at
        # Channels side by side: NumPy takes five times as long for an axis of 3.
        lit = layer.light.reshape(len(rows), -1) != 0
        rows = rows | lit.any(axis=1)
        columns = columns | lit.any(axis=0).reshape(len(columns), -1).any(axis=1)
    ends: list[int] = []
    for any_of in (rows, columns):
        places = np.flatnonzero(any_of)
        if not places.size:
            return 0, 0, 0, 0
        # What touches the border goes on beyond it.
        ends += [max(0, int(places[0]) - reach), min(len(any_of), int(places[-1]) + reach + 1)]
    return ends[0], ends[1], ends[2], ends[3]


@jit
def _segment(
    lists: np.ndarray, boxes: np.ndarray, y: int, x: int, active: np.ndarray
) -> tuple[int, int]:
    """Where the pixels end that see as pixel x does, and how many layers they see: `active`."""
    end, count = lists.shape[2], 0
    for k in range(lists.shape[0]):
        top, bottom, left, right = boxes[k]
        if not top <= y < bottom or x >= right:
            continue
        if x < left:
            end = min(end, left)
            continue
        active[count] = k
        count += 1
        end = min(end, right)
    for n in range(count):
        row = lists[active[n], y]
        stop = x + 1
        while stop < end and row[stop] == row[x]:
            stop += 1
        end = stop
    return end, count


@jit
def _schedule(
    active: np.ndarray,
    moments: np.ndarray,
    ends: np.ndarray,
    places: np.ndarray,
    spans: np.ndarray,
    lasting: np.ndarray,
    seen: np.ndarray,
) -> int:
    """Write how long nothing moves, and which place of each layer is seen then; how many times.

    From one change of any layer to the next, until the exposure ends.
    """
    left = np.empty(active.size)
    for n in range(active.size):
        left[n] = spans[moments[n]]
    count = 0
    while True:
        span = left.min()
        lasting[count] = span
        for n in range(active.size):
            seen[n, count] = places[moments[n]]
        count += 1
        for n in range(active.size):
            left[n] -= span
            if left[n] > 0:
                continue
            moments[n] += 1
            # Spans sum to 1 but for rounding: the others have 1e-16 left.
            if moments[n] == ends[n]:
                return count
            left[n] = spans[moments[n]]


@jit
def _add_moment(
    lights: np.ndarray,
    clears: np.ndarray,
    active: np.ndarray,
    origins: np.ndarray,
    span: float,
    scratch: np.ndarray,
    total: np.ndarray,
) -> None:
    """Add what a run of values sees for a while."""
    start, length = origins[0], total.size
    seen = scratch[:length]
    seen[:] = lights[active[0]][start : start + length]
    for n in range(1, active.size):
        start, end = origins[n], origins[n] + length
        light, clear = lights[active[n]][start:end], clears[active[n] - 1][start:end]
        for i in range(length):
            seen[i] = light[i] + clear[i] * seen[i]
    for i in range(length):
        total[i] += span * seen[i]


@jit
def _add_two(
    behind: np.ndarray,
    light: np.ndarray,
    clear: np.ndarray,
    origins: np.ndarray,
    lasting: np.ndarray,
    total: np.ndarray,
) -> None:
    """`_add_moment` for all moments of a layer before another, two at once: a third of the time."""
    length, moment = total.size, 0
    while moment + 2 <= lasting.size:
        b, c = origins[0, moment], origins[0, moment + 1]
        f, g = origins[1, moment], origins[1, moment + 1]
        b0, b1 = behind[b : b + length], behind[c : c + length]
        l0, l1 = light[f : f + length], light[g : g + length]
        c0, c1 = clear[f : f + length], clear[g : g + length]
        s0, s1 = lasting[moment], lasting[moment + 1]
        for i in range(length):
            total[i] = total[i] + s0 * (l0[i] + c0[i] * b0[i]) + s1 * (l1[i] + c1[i] * b1[i])
        moment += 2
    if moment < lasting.size:
        b, f, s0 = origins[0, moment], origins[1, moment], lasting[moment]
        b0, l0, c0 = behind[b : b + length], light[f : f + length], clear[f : f + length]
        for i in range(length):
            total[i] += s0 * (l0[i] + c0[i] * b0[i])


@jit
def _expose(
    lights: np.ndarray,
    clears: np.ndarray,
    lists: np.ndarray,
    first: np.ndarray,
    places: np.ndarray,
    spans: np.ndarray,
    boxes: np.ndarray,
    around: tuple[int, int],
    out: np.ndarray,
) -> np.ndarray:
    """Add to `out`, flat, run by run of pixels that see the same layers by the same lists.

    Runs that see one layer alone are left, and returned as apply_runs wants them: most of a
    picture, for which it takes a third of the time.

    lights (L, n), clears (L - 1, n): flat, with a margin of `around` px, which has the number of
    channels, too; clear is how much each but the first lets through of what is behind. lists
    (L, H, W): of the moments first[k] to first[k + 1], `places` in lights and `spans`. boxes (L, 4)
    as of `_box`.
    """
    _, height, width = lists.shape
    margin, channels = around
    seen, scratch = np.empty(len(boxes), np.int64), np.empty(width * channels)
    moments, ends = np.empty(len(boxes), np.int64), np.empty(len(boxes), np.int64)
    most = len(boxes) * int(np.diff(first).max())
    lasting, origins = np.empty(most), np.empty((len(boxes), most), np.int64)
    alone, left = np.empty((height * width, 4), np.int64), 0
    for y in range(height):
        x = 0
        while x < width:
            end, count = _segment(lists, boxes, y, x, seen)
            active = seen[:count]
            for n in range(count):
                which = lists[active[n], y, x]
                moments[n], ends[n] = first[which], first[which + 1]
            origin = ((y + margin) * (width + 2 * margin) + x + margin) * channels
            start, length = (y * width + x) * channels, (end - x) * channels
            if count == 1:
                alone[left, 0], alone[left, 1] = start, active[0] * lights.shape[1] + origin
                alone[left, 2], alone[left, 3] = length, lists[active[0], y, x]
                left += 1
            else:
                changes = _schedule(active, moments, ends, places, spans, lasting, origins)
                total, at = out[start : start + length], origins[:count, :changes] + origin
                if count == 2:
                    back, front = lights[active[0]], lights[active[1]]
                    clear = clears[active[1] - 1]
                    _add_two(back, front, clear, at, lasting[:changes], total)
                else:
                    for k in range(changes):
                        _add_moment(lights, clears, active, at[:, k], lasting[k], scratch, total)
            x = end
    return alone[:left]
