"""Convolution as additions of shifted rows: the engine of every blur here."""

import ctypes
from typing import Any, Literal

import numba
import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from blurbench_kernels._jit import jit, jit_rough

Border = Literal["replicate", "zero"]
BLOCK = 48  # values summed at once, in registers; 32 and 64 take 2 % and 10 % longer
TAPS = 8  # summed before the sum is touched: less is rounded
STEPS = 2.0**24  # of a grey level: kernels of whole steps make every sum of levels a whole number
DENSE = 100  # taps from which OpenCV's transforms are faster: 1.1 ms then, and 4.0 at 431 taps


@jit
def fill_padded(
    image: np.ndarray, channels: int, margin: int, replicate: bool, padded: np.ndarray
) -> None:
    """Write (H, W C) with `margin` px about it; what lies there repeats the edge or is left."""
    height, values = image.shape
    start, end = margin * channels, margin * channels + values
    for row in range(padded.shape[0]):
        y = min(max(row - margin, 0), height - 1)
        if not replicate and y != row - margin:
            continue
        padded[row, start:end] = image[y]
        if replicate:
            for i in range(start):
                padded[row, i] = image[y, i % channels]
                padded[row, end + i] = image[y, values - channels + i % channels]


def pad(image: np.ndarray, margin: int, border: Border) -> np.ndarray:
    """(H, W, C) -> (H + 2 margin, (W + 2 margin) C), same dtype; float32 for uint8."""
    height, width, channels = image.shape
    # Turned to float32 once here, not once a tap: 2.4 ms a picture against 2.8.
    dtype = np.dtype(np.float32) if image.dtype == np.uint8 else image.dtype
    # A repeated edge writes every value; a border of zeros is never written.
    make = np.empty if border == "replicate" else np.zeros
    padded = make((height + 2 * margin, (width + 2 * margin) * channels), dtype)
    rows = image.reshape(height, width * channels)
    fill_padded(rows, channels, margin, border == "replicate", padded)
    return padded


@jit
def _add_taps(
    source: np.ndarray, origin: int, offsets: np.ndarray, weights: np.ndarray, total: np.ndarray
) -> None:
    total[:] = 0.0
    length, tap = total.size, 0
    # Four taps a pass: one load and store of the sum for four products. And slices: indexing with
    # a signed sum keeps the wrap-around test, which blocks SIMD (35 ms a picture against 3).
    while tap + 4 <= offsets.size:
        p0, p1 = origin + offsets[tap], origin + offsets[tap + 1]
        p2, p3 = origin + offsets[tap + 2], origin + offsets[tap + 3]
        s0, s1 = source[p0 : p0 + length], source[p1 : p1 + length]
        s2, s3 = source[p2 : p2 + length], source[p3 : p3 + length]
        w0, w1, w2, w3 = weights[tap], weights[tap + 1], weights[tap + 2], weights[tap + 3]
        for i in range(length):
            total[i] = total[i] + w0 * s0[i] + w1 * s1[i] + w2 * s2[i] + w3 * s3[i]
        tap += 4
    while tap < offsets.size:
        p0 = origin + offsets[tap]
        s0, w0 = source[p0 : p0 + length], weights[tap]
        for i in range(length):
            total[i] += w0 * s0[i]
        tap += 1


@jit
def apply_runs(
    source: np.ndarray,
    runs: np.ndarray,
    first: np.ndarray,
    offsets: np.ndarray,
    weights: np.ndarray,
    out: np.ndarray,
) -> None:
    """Blur runs of values that share a kernel; each value sums its taps in the table's order.

    source, out: flat. runs (N, 4): position in out, position in source, length, kernel.
    Kernel k has the taps first[k] to first[k + 1] of `offsets` (into source) and `weights`.
    Sums in float64.
    """
    scratch = np.empty(runs[:, 2].max())
    for n in range(runs.shape[0]):
        start, origin, length, kernel = runs[n, 0], runs[n, 1], runs[n, 2], runs[n, 3]
        tap, end = first[kernel], first[kernel + 1]
        total = scratch[:length]
        _add_taps(source, origin, offsets[tap:end], weights[tap:end], total)
        out[start : start + length] = total


if numba.config.DISABLE_JIT:

    def _stack() -> Any:
        return ctypes.cast((ctypes.c_float * BLOCK)(), ctypes.POINTER(ctypes.c_float))

else:

    @intrinsic  # type: ignore[untyped-decorator]  # of numba
    def _stack(_context: Any) -> Any:
        """Room for BLOCK float32 on the stack of the kernel that calls.

        No array can overlap it, so LLVM keeps the sums in registers and drops a dozen tests a pass:
        6.5 ms against 8.4 at runs of 10 px.
        """

        def generate(target: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
            return cgutils.alloca_once(builder, target.get_value_type(types.float32), BLOCK)

        return types.CPointer(types.float32)(), generate  # type: ignore[attr-defined]


@jit_rough
def _blur_block(
    source: np.ndarray,
    origin: np.uintp,
    offsets: np.ndarray,
    weights: np.ndarray,
    slack: int,
    sums: np.ndarray,
    out: np.ndarray,
) -> bool:
    """Sum and round BLOCK values; whether one is within slack of a half, with `sums` for all then.

    TAPS taps a pass; sums are rounded as multiples of 2^-16.
    """
    total = numba.carray(_stack(), (BLOCK,))
    for i in range(BLOCK):
        total[i] = np.float32(0)
    # Unsigned: a signed place in a table would be tested for wrap-around, each time.
    for n in range(np.uintp(len(offsets))):
        o, w = offsets[n], weights[n]
        p0, p1, p2, p3 = origin + o[0], origin + o[1], origin + o[2], origin + o[3]
        p4, p5, p6, p7 = origin + o[4], origin + o[5], origin + o[6], origin + o[7]
        w0, w1, w2, w3, w4, w5, w6, w7 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
        for i in range(np.uintp(BLOCK)):
            # By itself first: what is rounded is the sum of 8 taps, not that of all.
            near = w0 * source[p0 + i]
            near += w1 * source[p1 + i]
            near += w2 * source[p2 + i]
            near += w3 * source[p3 + i]
            near += w4 * source[p4 + i]
            near += w5 * source[p5 + i]
            near += w6 * source[p6 + i]
            near += w7 * source[p7 + i]
            total[i] += near
    doubtful = np.int32(0)
    # In steps of 2^-16 a level is at most 255.5 * 2^16 < 2^24, up to where float32 holds every
    # whole number.
    low, width = np.float32(32768 + slack), np.int32(2 * slack)
    for i in range(BLOCK):
        value = np.int32(total[i] * np.float32(65536) + low)
        # One flag for the block: a branch for each value would block SIMD.
        doubtful |= np.int32((value & np.int32(65535)) <= width)
        out[i] = np.uint8(value >> np.int32(16))
    if doubtful != 0:
        for i in range(BLOCK):
            sums[i] = total[i]
    unsure: bool = doubtful != 0
    return unsure


@jit
def _whole_passes(
    first: np.ndarray, offsets: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The table in float32, offsets counted from the lowest: unsigned, they need no sign test.

    A row a pass; each kernel is filled up to whole passes by taps of weight 0.
    """
    starts = np.zeros(first.size, np.int64)
    for k in range(first.size - 1):
        starts[k + 1] = starts[k] + (first[k + 1] - first[k] + TAPS - 1) // TAPS
    lowest = offsets.min()
    places, light = np.zeros(starts[-1] * TAPS, np.uintp), np.zeros(starts[-1] * TAPS, np.float32)
    for k in range(first.size - 1):
        skipped = starts[k] * TAPS - first[k]
        for tap in range(first[k], first[k + 1]):
            places[skipped + tap] = np.uintp(offsets[tap] - lowest)
            light[skipped + tap] = np.float32(weights[tap])
    return starts, places.reshape(-1, TAPS), light.reshape(-1, TAPS)


@jit
def _round_exact(
    source: np.ndarray, place: int, offsets: np.ndarray, weights: np.ndarray
) -> np.uint8:
    total = 0.0
    for tap in range(offsets.size):
        total += weights[tap] * source[place + offsets[tap]]
    whole = np.floor(total)
    return np.uint8(whole + 1 if total - whole >= 0.5 else whole)


@jit
def apply_runs_uint8(
    source: np.ndarray,
    runs: np.ndarray,
    first: np.ndarray,
    offsets: np.ndarray,
    weights: np.ndarray,
    out: np.ndarray,
) -> None:
    """`apply_runs` of grey levels 0..255 (float32) and weights >= 0 that sum to 1, into uint8.

    The float64 sums rounded half away from zero, to the last bit, but added in float32 wherever
    its error cannot matter: all but 0.1 % of the values. Runs follow each other in `out`: blocks
    are written whole, and the next run writes over what is too much.
    """
    starts, places, light = _whole_passes(first, offsets, weights)
    sums = np.zeros(BLOCK, np.float32)
    # Blocks that would reach beyond either array are summed value by value.
    lowest, last = offsets.min(), source.size - BLOCK - offsets.max()
    for n in range(runs.shape[0]):
        start, origin, length, kernel = runs[n, 0], runs[n, 1], runs[n, 2], runs[n, 3]
        tap, end = first[kernel], first[kernel + 1]
        table = places[starts[kernel] : starts[kernel + 1]]
        levels = light[starts[kernel] : starts[kernel + 1]]
        # A value is rounded once a pass and up to 16 times besides (its weight, its product, the 8
        # sums of its pass, fused or not), each by at most 2^-24 of 255: less than 2^-16. Two more
        # for the steps of 2^-16 themselves.
        slack = (end - tap) // TAPS + 19
        for block in range(0, length, BLOCK):
            target, place = out[start + block : start + block + BLOCK], origin + block
            inside = target.size == BLOCK and place <= last
            if inside and not _blur_block(
                source, np.uintp(place + lowest), table, levels, slack, sums, target
            ):
                continue
            for i in range(min(BLOCK, length - block)):
                # As _blur_block has it, fused or not, as 2^16 times a sum is exact: none that it
                # doubted may be passed over.
                value = np.int32(sums[i] * np.float32(65536) + np.float32(32768 + slack))
                if not inside or (value & np.int32(65535)) <= np.int32(2 * slack):
                    target[i] = _round_exact(source, place + i, offsets[tap:end], weights[tap:end])


def _check(image: np.ndarray, kernel: np.ndarray) -> None:
    if image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(f"image: expected (H, W[, C]) with pixels, got shape {image.shape}")
    if kernel.ndim != 2 or kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
        raise ValueError(f"kernel: both sides must be odd, got shape {kernel.shape}")


# What makes a sum by transforms exact. Each pass (at most 5 a side up to 256 px) errs by at most
# 416 u of its input's 2-norm, u = 2^-53: 16 u of additions (Higham, Accuracy and Stability of
# Numerical Algorithms, theorem 24.2) and 400 u of its roots of unity, which OpenCV without Intel's
# IPP multiplies up one by one, 3.1 u each, as far as 128. Both sides: e = 10 * 416 u. Picture,
# kernel h and product are transformed; with levels up to 255, 256 x 256 of them, |h|_1 <= 1 and
# |h|_2 <= 1/3, no value errs by more than e (1 + 2/3) 255 * 256 < 0.85 * 2^-24. The sum itself is a
# whole multiple of 2^-24: where what was added up lies within 1/64 of one, it is that one, as the
# next is 63/64 away. Seen: 1e-6 of a step with IPP, 1e-4 without.
SIDE = 46  # of a kernel: up to here OpenCV transforms pieces of at most 256 x 256
NEAR = 1 / 64 / STEPS


def _is_exact(image: np.ndarray, kernel: np.ndarray) -> bool:
    """Whether the sums of many taps may be had from transforms, to the last bit."""
    if image.dtype != np.uint8 or image.shape[2] > 4 or max(kernel.shape) > SIDE:
        return False
    return _is_whole(np.ascontiguousarray(kernel, np.float64).reshape(-1))


@jit
def _is_whole(taps: np.ndarray) -> bool:
    """Whether they are many steps of 2^-24 each, at most 1 together, none of them large."""
    # One pass: NumPy's five took 0.05 ms of the 1.0 of a small picture.
    count, total, squares = 0, 0.0, 0.0
    for tap in taps:
        if not (tap >= 0 and tap * STEPS == np.rint(tap * STEPS)):
            return False
        count += tap > 0
        total += tap
        squares += tap * tap
    return bool(count >= DENSE and total <= 1 and squares <= 1 / 9)


@jit
def _settle(sums: np.ndarray) -> bool:
    """Round to multiples of 2^-24; whether all were within NEAR of one."""
    magic = 1.5 * 2.0**28  # floats beside it are 2^-24 apart
    far = np.int64(0)
    for i in range(sums.size):
        whole = (sums[i] + magic) - magic
        # One flag for all: a branch for each value would block SIMD.
        far |= np.int64(abs(sums[i] - whole) > NEAR)
        sums[i] = whole
    settled: bool = far == 0
    return settled


def _by_transforms(image: np.ndarray, kernel: np.ndarray, border: Border) -> np.ndarray | None:
    import cv2  # here: what does not convolve does without it

    edge = {"replicate": cv2.BORDER_REPLICATE, "zero": cv2.BORDER_CONSTANT}[border]
    turned = np.ascontiguousarray(kernel[::-1, ::-1], np.float64)
    sums: np.ndarray = cv2.filter2D(
        np.ascontiguousarray(image), cv2.CV_64F, turned, borderType=edge
    )
    return sums if _settle(sums.reshape(-1)) else None


def convolve(image: np.ndarray, kernel: np.ndarray, border: Border = "replicate") -> np.ndarray:
    """True convolution ("same") of (H, W[, C]) with an odd kernel (K, L) -> float64, same shape.

    out[y, x] = sum over i, j of kernel[i, j] * image[y - i + K // 2, x - j + L // 2]; beyond the
    border the image repeats its edge ("replicate") or is 0 ("zero"). Zero taps cost nothing.
    ValueError for an even kernel or a wrong shape.
    """
    _check(image, kernel)
    pixels = image.reshape(*image.shape[:2], -1)
    if _is_exact(pixels, kernel):
        sums = _by_transforms(pixels, kernel, border)
        if sums is not None:
            return sums.reshape(image.shape)
    return _by_taps(pixels, kernel, border).reshape(image.shape)


def _by_taps(pixels: np.ndarray, kernel: np.ndarray, border: Border) -> np.ndarray:
    height, width, channels = pixels.shape
    margin = max(kernel.shape) // 2
    padded = pad(pixels, margin, border)
    stride = padded.shape[1]
    rows, columns = np.nonzero(kernel)
    offsets = (kernel.shape[0] // 2 - rows) * stride + (kernel.shape[1] // 2 - columns) * channels
    y = np.arange(height)
    runs = np.zeros((height, 4), np.int64)
    runs[:, 0] = y * width * channels
    runs[:, 1] = (y + margin) * stride + margin * channels
    runs[:, 2] = width * channels
    out = np.empty(pixels.shape, np.float64)
    weights = kernel[rows, columns].astype(np.float64)
    first = np.array([0, len(offsets)])
    apply_runs(padded.reshape(-1), runs, first, offsets, weights, out.reshape(-1))
    return out


def correlate(image: np.ndarray, kernel: np.ndarray, border: Border = "replicate") -> np.ndarray:
    """`convolve` with the kernel turned by 180 degrees: how the kernels of Levin et al. apply."""
    return convolve(image, kernel[::-1, ::-1], border)
