"""Motion flow: a camera moving over the image plane, one line kernel at each pixel.

Gong et al., From Motion Blur to Motion Flow (CVPR 2017) and its public generator, whose flow and
kernels `compat_flow` and `line_kernel` reproduce, oddities included (kernels/README.md).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from blurbench_kernels._jit import jit
from blurbench_kernels._lines import capacity, find_runs, line_kernel, tap_tables
from blurbench_kernels.convolution import apply_runs, apply_runs_uint8, pad

__all__ = [
    "PRESETS",
    "Motion",
    "Preset",
    "blur",
    "compat_flow",
    "crop_border",
    "draw",
    "lengths",
    "line_kernel",
    "physical_flow",
    "round_flow",
]

Flow = tuple[np.ndarray, np.ndarray]
Mode = Literal["compat", "physical"]
Reading = Literal["magnitude", "motion_scale"]
TOO_LONG = 2.0**30  # px; longer motions are no int32


@dataclass(frozen=True)
class Preset:
    """The largest value of each parameter; px at any image size, angles in rad."""

    translation: float
    acceleration: float
    zoom: float
    rotation: float
    center_shift: float


# The maxima of the public generator; its own script draws from the strong ones alone.
PRESETS = {
    "strong": Preset(27.0, 0.3, 5e-3, math.pi / 70, 15.0),
    "mild": Preset(19.0, 0.25, 2e-3, math.pi / 120, 5.0),
}


@dataclass(frozen=True)
class Motion:
    """One drawn motion: px, rad, center = (row, col) 1-based; dataclasses.asdict makes it a row."""

    tx: float
    ty: float
    tx_acc: float
    ty_acc: float
    tz: float
    rot_z: float
    center: tuple[float, float]
    motion_scale: float = 1.0

    def flow(self, height: int, width: int, mode: Mode = "compat") -> Flow:
        """(u, v) float64 (H, W), px, u right and v down, before rounding."""
        make = {"compat": compat_flow, "physical": physical_flow}[mode]
        motion = self.tx, self.ty, self.tx_acc, self.ty_acc, self.tz, self.rot_z
        u, v = make(height, width, *motion, self.center)
        if self.motion_scale == 1:
            return u, v
        return u * self.motion_scale, v * self.motion_scale

    def rounded(self, height: int, width: int, mode: Mode = "compat") -> tuple[Flow, int]:
        """`round_flow` of `flow` without its refusals, and the longest |u| or |v|, rounded up, px.

        Motions beyond 2^30 px become that.
        """
        u, v = np.empty((height, width), np.int32), np.empty((height, width), np.int32)
        if mode == "compat":
            linear = _linear(height, width, self.tx, self.ty, self.tx_acc, self.ty_acc)
            center = float(self.center[0]), float(self.center[1])
            turn = float(self.tz), math.tan(self.rot_z), center
            return (u, v), _fill_compat_rounded(linear, *turn, float(self.motion_scale), u, v)
        ends = (
            _round_half_away(flow.reshape(-1), target.reshape(-1))
            for flow, target in zip(self.flow(height, width, mode), (u, v), strict=True)
        )
        return (u, v), max(ends)


def draw(
    stream: np.random.Generator,
    preset: Preset,
    height: int,
    width: int,
    severity: tuple[float, float] | None = None,
    reading: Reading = "magnitude",
) -> Motion:
    """Draw a motion: each parameter is its preset's maximum times r ~ U[-1, 1].

    severity (lo, hi) in [0, 1]: reading "magnitude" maps each |r| from [0, 1] to [lo, hi] and keeps
    its sign (the centre, a place and no strength, keeps its r); "motion_scale" multiplies the
    whole flow by one factor ~ U[lo, hi]. Drawn in this order whatever is asked for: r of tx, ty,
    tx_acc, ty_acc, tz, rot_z, centre row, centre column, then the factor. ValueError for a bad
    severity or reading.
    """
    r = [2 * value - 1 for value in stream.random(8).tolist()]
    # Drawn even where no reading asks for it, so that a later draw never moves.
    factor = stream.random()
    low, high = severity or (0.0, 1.0)
    if not 0 <= low <= high <= 1:
        raise ValueError(f"severity: expected 0 <= low <= high <= 1, got {severity}")
    if reading not in ("magnitude", "motion_scale"):
        raise ValueError(f"reading: {reading!r} is neither 'magnitude' nor 'motion_scale'")
    scale = 1.0
    if severity and reading == "magnitude":
        r[:6] = [math.copysign(low + (high - low) * abs(value), value) for value in r[:6]]
    elif severity:
        scale = low + (high - low) * factor
    return Motion(
        tx=r[0] * preset.translation,
        ty=r[1] * preset.translation,
        tx_acc=r[2] * preset.acceleration,
        ty_acc=r[3] * preset.acceleration,
        tz=r[4] * preset.zoom,
        rot_z=r[5] * preset.rotation,
        # The generator's middle: half a pixel off, since its first pixel is 1.
        center=(height / 2 + r[6] * preset.center_shift, width / 2 + r[7] * preset.center_shift),
        motion_scale=scale,
    )


@jit
def _round_half_away(flow: np.ndarray, rounded: np.ndarray) -> int:
    """Round; returns the longest |flow|, rounded up, at most 2^30 and that for NaN."""
    longest = np.int32(0)
    for i in range(flow.size):
        size = abs(flow[i])
        size = size if size < TOO_LONG else TOO_LONG  # false for NaN too
        whole = np.floor(size)
        up = np.int32(whole) + np.int32(size > whole)
        longest = max(longest, up)
        # Not floor(size + 0.5), which turns 0.49999999999999994 into 1.
        whole += 1.0 if size - whole >= 0.5 else 0.0
        rounded[i] = np.int32(whole if flow[i] >= 0 else -whole)
    return int(longest)


@jit
def _fill_compat_row(
    linear: tuple[float, float, float, float],
    tz: float,
    slope: float,
    center: tuple[float, float],
    height: int,
    y: float,
    u: np.ndarray,
    v: np.ndarray,
) -> None:
    # alpha is never formed: its sine and cosine are quotients, which round alike on every machine.
    # A row by itself, since u[i, j] would block SIMD: 2.5 ms a picture against 0.7.
    u0, u1, v0, v1 = linear
    row, col = center
    up = height + 1.0 - y
    for j in range(u.size):
        x = j + 1.0
        dx, dy, flipped = x - col, y - row, up - row
        rho = math.sqrt(dx * dx + dy * dy)
        reach = math.sqrt(dx * dx + flipped * flipped)
        # At the centre itself the angle is 0.
        cosine, sine = (dx / reach, flipped / reach) if reach > 0 else (1.0, 0.0)
        # rho^1.5 by a square root, which IEEE 754 rounds alike everywhere; pow it does not.
        turn, zoom = slope * rho, tz * rho * math.sqrt(rho)
        u[j] = u0 + x * u1 - cosine * turn + sine * zoom
        v[j] = v0 + up * v1 + sine * turn + cosine * zoom


@jit
def _fill_compat(
    linear: tuple[float, float, float, float],
    tz: float,
    slope: float,
    center: tuple[float, float],
    u: np.ndarray,
    v: np.ndarray,
) -> None:
    for i in range(u.shape[0]):
        _fill_compat_row(linear, tz, slope, center, u.shape[0], i + 1.0, u[i], v[i])


@jit
def _fill_compat_rounded(
    linear: tuple[float, float, float, float],
    tz: float,
    slope: float,
    center: tuple[float, float],
    scale: float,
    u: np.ndarray,
    v: np.ndarray,
) -> int:
    """`_fill_compat`, scaled and rounded row by row: no float64 flow is ever stored."""
    u_row, v_row = np.empty(u.shape[1]), np.empty(u.shape[1])
    reach = 0
    for i in range(u.shape[0]):
        _fill_compat_row(linear, tz, slope, center, u.shape[0], i + 1.0, u_row, v_row)
        for j in range(u_row.size):
            u_row[j] *= scale
            v_row[j] *= scale
        reach = max(reach, _round_half_away(u_row, u[i]), _round_half_away(v_row, v[i]))
    return reach


def compat_flow(
    height: int,
    width: int,
    tx: float,
    ty: float,
    tx_acc: float,
    ty_acc: float,
    tz: float,
    rot_z: float,
    center: tuple[float, float],
) -> Flow:
    """The generator's own flow: (u, v) float64 (H, W), px, u right and v down, before rounding.

    tx, ty px; rot_z rad; center (row, col) is 1-based. Its "rotation" is in effect radial and its
    "zoom" tangential, and distance and angle are measured from two centres: see kernels/README.md.
    """
    u, v = np.empty((height, width)), np.empty((height, width))
    linear = _linear(height, width, tx, ty, tx_acc, ty_acc)
    place = (float(center[0]), float(center[1]))
    _fill_compat(linear, float(tz), math.tan(rot_z), place, u, v)
    return u, v


def _linear(
    height: int, width: int, tx: float, ty: float, tx_acc: float, ty_acc: float
) -> tuple[float, float, float, float]:
    """Translation and acceleration: u = u0 + x u1, v = v0 + y v1; returns (u0, u1, v0, v1)."""
    return (
        tx * (1 - tx_acc / 2),
        tx_acc * tx / width,
        ty * (1 - ty_acc / 2),
        ty_acc * ty / height,
    )


def physical_flow(
    height: int,
    width: int,
    tx: float,
    ty: float,
    tx_acc: float,
    ty_acc: float,
    tz: float,
    rot_z: float,
    center: tuple[float, float],
) -> Flow:
    """`compat_flow` as its parameters' names mean it: one centre, true rotation, true zoom.

    Rotation is tangential, tan(rot_z) rho, clockwise for rot_z > 0; zoom is radial and linear in
    rho, outward for tz > 0, as strong at rho = half the diagonal as tz rho^1.5.
    """
    u0, u1, v0, v1 = _linear(height, width, tx, ty, tx_acc, ty_acc)
    y, x = np.arange(1.0, height + 1)[:, None], np.arange(1.0, width + 1)[None, :]
    dy, dx = y - center[0], x - center[1]
    slope = math.tan(rot_z)
    zoom = tz * math.sqrt(math.sqrt(height * height + width * width) / 2)
    return u0 + x * u1 - slope * dy + zoom * dx, v0 + y * v1 + slope * dx + zoom * dy


def round_flow(u: np.ndarray, v: np.ndarray) -> Flow:
    """Flow rounded half away from zero, as it is applied: two (H, W) int32; such a one is returned.

    ValueError where the shapes differ or a value is NaN or longer than the image's longer side.
    """
    if u.ndim != 2 or u.shape != v.shape or u.size == 0:
        raise ValueError(f"flow: u {u.shape} and v {v.shape} must share one (H, W) with pixels")
    limit = max(u.shape)
    if u.dtype == v.dtype == np.int32:
        rounded, longest = (u, v), [_longest(u), _longest(v)]
    else:
        rounded = np.empty(u.shape, np.int32), np.empty(u.shape, np.int32)
        longest = [
            _round_half_away(np.ascontiguousarray(flow, np.float64).reshape(-1), target.reshape(-1))
            for flow, target in zip((u, v), rounded, strict=True)
        ]
    for name, length in zip("uv", longest, strict=True):
        if length > limit:
            raise ValueError(
                f"flow: {name} holds NaN or a motion longer than the image ({limit} px)"
            )
    return rounded


def _longest(flow: np.ndarray) -> int:
    return max(int(flow.max()), -int(flow.min()))


def crop_border(u: np.ndarray, v: np.ndarray) -> tuple[int, int]:
    """(rows, cols) that the generator cuts from each side: half the longest rounded motion."""
    u, v = round_flow(u, v)
    return _longest(v) // 2, _longest(u) // 2


def lengths(u: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    """(mean, max) length in px of the rounded flow: the severity of the blur."""
    u, v = round_flow(u, v)
    length = np.empty(u.shape)
    _fill_lengths(u.reshape(-1), v.reshape(-1), length.reshape(-1))
    return float(length.mean()), float(length.max())


@jit
def _fill_lengths(u: np.ndarray, v: np.ndarray, length: np.ndarray) -> None:
    for i in range(u.size):
        x, y = float(u[i]), float(v[i])
        length[i] = math.sqrt(x * x + y * y)


def blur(image: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Blur each pixel of (H, W[, C]) along its own flow (H, W), px, rounded half away from zero.

    Beyond the border the image repeats its edge. Sums in float64; the dtype stays: float32,
    float64, or uint8 (rounded half away from zero, clipped). ValueError for another dtype, for
    shapes that differ, for NaN in the flow or a motion longer than the image's longer side.
    """
    if image.dtype not in (np.uint8, np.float32, np.float64):
        raise ValueError(f"image: expected uint8, float32 or float64, got {image.dtype}")
    if image.ndim not in (2, 3) or image.shape[:2] != u.shape:
        raise ValueError(f"image {image.shape} and flow {u.shape} differ in height or width")
    u, v = round_flow(u, v)
    pixels = image.reshape(*image.shape[:2], -1)
    channels = pixels.shape[2]
    longest = max(_longest(u), _longest(v))
    # A line reaches half its motion to each side, and its taps less than a pixel beyond.
    margin = longest // 2 + 1
    padded = pad(pixels, margin, "replicate")
    runs, motions = find_runs(u, v, channels, margin)
    tables = tap_tables(motions, capacity(longest), padded.shape[1], channels)
    out = np.empty(pixels.size, image.dtype)
    apply = apply_runs_uint8 if image.dtype == np.uint8 else apply_runs
    apply(padded.reshape(-1), runs, *tables, out)
    return out.reshape(image.shape)
