"""A camera on a path of six degrees of freedom before a plane: spatially varying blur.

Each pose warps the picture by a homography, and the blur is the mean of the warps: Whyte et al.,
Non-uniform deblurring for shaken images (CVPR 2010), rotations; Gupta et al., Single image
deblurring using motion density functions (ECCV 2010), translations too.
"""

import math

import numpy as np

from blurbench_kernels import trajectory
from blurbench_kernels._jit import jit
from blurbench_kernels._warps import mean_of_warps
from blurbench_kernels.convolution import pad

DENSE = 128  # poses of a drawn path; between them it is taken as straight
LENGTH = 60.0  # px of a walk before it is scaled, as published: the pull grows with the px
GRID = 32  # px between the pixels whose tracks are measured
# Paths and homographies are whole multiples of these, a millionth of a pixel on 4000 px: the last
# digits of sines and of BLAS differ from machine to machine.
PATH_STEP = 2.0**-32
# Entries meet 1, x or x y: 2^-20 px, 2^-32 * 4000 px and 2^-44 * 4000^2 px are all 0.9e-6 px.
STEPS = 2.0 ** -np.array([[32, 32, 20], [32, 32, 20], [44, 44, 0]])
BEHIND = "homographies: the picture would lie behind the camera; move or turn less"


def sample_path(
    stream: np.random.Generator,
    translation: float,
    rotation: float,
    anxiety: float | None = 0.005,
    poses: int = DENSE,
) -> np.ndarray:
    """Draw a camera path: (poses, 6) float64, tx, ty, tz in distances of the plane, rx, ry, rz rad.

    Three walks of Boracchi and Foi (trajectory.sample, anxiety as there) move (tx, ty), (rx, ry)
    and (tz, rz), in this order, each about its mean. translation, rotation >= 0: the farthest that
    a walk can lead from its mean, which a straight one does; curled ones stay nearer. Draws as
    much whatever is asked. ValueError for bad values.
    """
    if not (0 <= translation < 1 and 0 <= rotation < math.pi / 2):
        raise ValueError(f"camera: {translation=}, {rotation=} must lie in [0, 1) and [0, pi/2)")
    walks = trajectory.samples([stream] * 3, anxiety=anxiety, max_length=LENGTH)
    shift, turn, roll = (np.stack([walk.real, walk.imag], axis=1) for walk in walks)
    path = resample(np.hstack([shift, roll[:, :1], turn, roll[:, 1:]]), poses)
    path = (path - _mean(path)) / (LENGTH / 2) * np.repeat([translation, rotation], 3)
    out: np.ndarray = np.rint(path / PATH_STEP) * PATH_STEP
    return out


def _mean(path: np.ndarray) -> np.ndarray:
    # fsum rounds once; the order in which np.mean adds, and so its last digit, may differ by CPU.
    return np.array([math.fsum(part) / len(path) for part in path.T])


def resample(path: np.ndarray, poses: int) -> np.ndarray:
    """(N, 6) -> (poses, 6), evenly spaced from the first pose to the last, with the same mean."""
    if poses < 1:
        raise ValueError(f"poses: expected at least 1, got {poses}")
    place = np.arange(poses) * (len(path) - 1) / max(poses - 1, 1)
    before = place.astype(int)
    after = np.minimum(before + 1, len(path) - 1)
    picked = path[before] + (place - before)[:, None] * (path[after] - path[before])
    out: np.ndarray = picked + (_mean(path) - _mean(picked))
    return out


def homographies(
    path: np.ndarray,
    height: int,
    width: int,
    focal: float,
    tilt: tuple[float, float] = (0.0, 0.0),
    poses: int | None = None,
) -> np.ndarray:
    """A path (N, 6) as (poses, 3, 3) float64: blurred pixel (x, y, 1) -> sharp pixel, 0-based.

    H = K (R + t n^T) K^-1, divided by its last entry: a pinhole camera of `focal` px, principal
    point in the middle, before a plane at distance 1 there, turned by tilt rad: nearer to the right
    for tilt[0] > 0, nearer below for tilt[1] > 0. poses None takes 8 or so many that no pixel moves
    more than 1 px between two, else the blur falls apart into copies; the path's own where they
    are at most twice too many. ValueError for values that are not finite, or where plane or picture
    would lie behind the camera.
    """
    if path.ndim != 2 or path.shape[1] != 6 or not len(path) or not np.isfinite(path).all():
        raise ValueError(f"path: expected finite (N, 6) with poses, got shape {path.shape}")
    corner = (width - 1) / 2, (height - 1) / 2
    normal = np.array([math.tan(tilt[0]), math.tan(tilt[1]), 1.0])
    reach = abs(normal[0]) * corner[0] + abs(normal[1]) * corner[1]
    if not (0 < focal < math.inf and reach < focal and max(map(abs, tilt)) < math.pi / 2):
        raise ValueError(f"tilt {tilt}: the plane passes behind a camera of {focal=} px")
    own = _warps(path, normal, focal, corner)
    if poses is None:
        step = _longest_step(_tracks(own, *_nodes(height, width)))
        poses = len(path) if 0.5 < step <= 1 else _enough(step, path)
    return own if poses == len(path) else _warps(resample(path, poses), normal, focal, corner)


def _enough(step: float, path: np.ndarray) -> int:
    """Poses for steps of at most 1 px, where the longest of the path's own is `step` px."""
    return max(8, math.ceil(step * (len(path) - 1)) + 1)


def _warps(
    path: np.ndarray, normal: np.ndarray, focal: float, corner: tuple[float, float]
) -> np.ndarray:
    rx, ry, rz = path[:, 3:].T
    angle = np.sqrt(rx * rx + ry * ry + rz * rz)[:, None, None]
    zero = np.zeros_like(rx)
    cross = np.array([[zero, -rz, ry], [rz, zero, -rx], [-ry, rx, zero]]).transpose(2, 0, 1)
    # Rodrigues; np.sinc(x) = sin(pi x) / (pi x), and 1 - cos a = 2 sin(a / 2)^2.
    # Both stay exact at angle 0, where sin(a) / a would divide by 0.
    turned = np.sinc(angle / math.pi) * cross
    turned += np.sinc(angle / (2 * math.pi)) ** 2 / 2 * (cross @ cross)
    moved = np.eye(3) + turned + path[:, :3, None] * normal
    project = np.array([[focal, 0, corner[0]], [0, focal, corner[1]], [0, 0, 1]])
    unproject = np.array([[1, 0, -corner[0]], [0, 1, -corner[1]], [0, 0, focal]]) / focal
    warps: np.ndarray = project @ moved @ unproject
    if not warps[:, 2, 2].min() > 0:  # the division would turn what is behind to the front
        raise ValueError(BEHIND)
    warps = np.rint(warps / warps[:, 2:, 2:] / STEPS) * STEPS
    _bounds(warps, (0, 2 * corner[0]), (0, 2 * corner[1]))
    return warps


def _bounds(
    homographies: np.ndarray, x: tuple[float, float], y: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Least x and y and largest x and y that the pixels of a box are moved to.

    Its corners tell: homographies keep straight lines.
    """
    h = homographies[..., None]
    xs, ys = np.array([x[0], x[1], x[0], x[1]]), np.array([y[0], y[0], y[1], y[1]])
    depth = h[:, 2, 0] * xs + h[:, 2, 1] * ys + h[:, 2, 2]
    if not (np.isfinite(homographies).all() and depth.min() > 0):
        raise ValueError(BEHIND)
    moved_x = (h[:, 0, 0] * xs + h[:, 0, 1] * ys + h[:, 0, 2]) / depth
    moved_y = (h[:, 1, 0] * xs + h[:, 1, 1] * ys + h[:, 1, 2]) / depth
    return moved_x.min(), moved_y.min(), moved_x.max(), moved_y.max()


def _nodes(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y of a grid of pixels, corners and borders among them, that lie at most GRID apart."""
    y, x = (np.linspace(0, n - 1, max(1, math.ceil((n - 1) / GRID) + 1)) for n in (height, width))
    return np.tile(x, len(y)), np.repeat(y, len(x))


@jit
def _tracks(homographies: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where each pose sees each pixel: (pixels, 2, poses)."""
    tracks = np.empty((x.size, 2, len(homographies)))
    for i in range(x.size):
        for k in range(len(homographies)):
            h = homographies[k]
            depth = h[2, 0] * x[i] + h[2, 1] * y[i] + h[2, 2]
            tracks[i, 0, k] = (h[0, 0] * x[i] + h[0, 1] * y[i] + h[0, 2]) / depth
            tracks[i, 1, k] = (h[1, 0] * x[i] + h[1, 1] * y[i] + h[1, 2]) / depth
    return tracks


@jit
def _longest_step(tracks: np.ndarray) -> float:
    longest = 0.0
    for i in range(tracks.shape[0]):
        for k in range(1, tracks.shape[2]):
            dx = tracks[i, 0, k] - tracks[i, 0, k - 1]
            dy = tracks[i, 1, k] - tracks[i, 1, k - 1]
            longest = max(longest, dx * dx + dy * dy)
    return math.sqrt(longest)


def exposed(poses: int, places: np.ndarray, readout: float) -> tuple[np.ndarray, int]:
    """Which poses the rows of a rolling shutter see: the first of each, and how many.

    places: of rows, from 0, the first, to 1, the last, whose exposure begins `readout` exposures
    after the first row's. Together they see all poses. ValueError below 0.
    """
    if not 0 <= readout < math.inf:
        raise ValueError(f"readout: expected a number of exposures of 0 or more, got {readout}")
    count = max(1, round(poses / (1 + readout)))
    return np.rint(places * (poses - count)).astype(np.int64), count


@jit
def _extents(tracks: np.ndarray, first: np.ndarray, count: int) -> tuple[float, float]:
    total, longest = 0.0, 0.0
    for i in range(tracks.shape[0]):
        extent = 0.0
        for k in range(first[i], first[i] + count):
            for j in range(first[i], k):
                dx = tracks[i, 0, k] - tracks[i, 0, j]
                dy = tracks[i, 1, k] - tracks[i, 1, j]
                extent = max(extent, dx * dx + dy * dy)
        total += math.sqrt(extent)
        longest = max(longest, math.sqrt(extent))
    return total / tracks.shape[0], longest


def lengths(
    homographies: np.ndarray, height: int, width: int, readout: float = 0.0
) -> tuple[float, float]:
    """(mean, max) blur length, px: a pixel's is the largest distance of two points of its track.

    Over a grid of pixels at most 32 px apart, the borders among them; lengths change slowly.
    readout as of `exposed`.
    """
    x, y = _nodes(height, width)
    first, count = exposed(len(homographies), y / max(height - 1, 1), readout)
    return _extents(_tracks(homographies, x, y), first, count)


def scale_to(
    path: np.ndarray,
    target: float,
    height: int,
    width: int,
    focal: float,
    tilt: tuple[float, float] = (0.0, 0.0),
    readout: float = 0.0,
) -> np.ndarray:
    """Scale a path until the mean of `lengths` of its `homographies` is `target` px, within 1 %.

    ValueError for a path that does not move, or where the picture would lie behind the camera.
    """
    if not 0 < target < math.inf:
        raise ValueError(f"target: expected a length in px above 0, got {target}")

    def scaled(path: np.ndarray) -> np.ndarray:
        poses = homographies(path, height, width, focal, tilt)
        mean = lengths(poses, height, width, readout)[0]
        if mean == 0:
            raise ValueError(
                f"path: it does not move, so no scale gives it a length of {target} px"
            )
        return path * (target / mean)

    path = scaled(scaled(scaled(path)))  # nearly linear
    # Lengths jump, by up to 3 %, where the number of poses changes: with 5 % to spare it stays.
    own = homographies(path, height, width, focal, tilt, len(path))
    step = _longest_step(_tracks(own, *_nodes(height, width)))
    return scaled(scaled(resample(path, _enough(1.05 * step, path))))


def border(homographies: np.ndarray, height: int, width: int) -> tuple[int, int]:
    """(rows, cols) to cut from each side so that no pixel left has seen beyond the border.

    At most so many that the middle row or column is left.
    """
    rows = cols = 0
    while True:
        x, y = (cols, width - 1 - cols), (rows, height - 1 - rows)
        left, top, right, bottom = _bounds(homographies, x, y)
        wider = cols + max(0, math.ceil(max(-left, right - (width - 1))))
        higher = rows + max(0, math.ceil(max(-top, bottom - (height - 1))))
        wider, higher = min(wider, (width - 1) // 2), min(higher, (height - 1) // 2)
        if (higher, wider) == (rows, cols):
            return rows, cols
        rows, cols = higher, wider


def blur(image: np.ndarray, homographies: np.ndarray, readout: float = 0.0) -> np.ndarray:
    """Each pixel of (H, W[, C]) as the mean of what the poses (N, 3, 3) see there, bilinearly.

    With a readout each row sees those of its own exposure (`exposed`). Beyond the border the image
    repeats its edge. Sums in float64; the dtype stays: float32, float64, or uint8 (rounded half
    away from zero). ValueError for another dtype, for no poses, or for poses that leave the image
    by more than its longer side or put it behind the camera.
    """
    if image.dtype not in (np.uint8, np.float32, np.float64):
        raise ValueError(f"image: expected uint8, float32 or float64, got {image.dtype}")
    if image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(f"image: expected (H, W[, C]) with pixels, got shape {image.shape}")
    if homographies.ndim != 3 or homographies.shape[1:] != (3, 3) or not len(homographies):
        raise ValueError(f"homographies: expected (N, 3, 3), got shape {homographies.shape}")
    pixels = image.reshape(*image.shape[:2], -1)
    height, width = pixels.shape[:2]
    left, top, right, bottom = _bounds(homographies, (0, width - 1), (0, height - 1))
    outside = max(-left, -top, right - (width - 1), bottom - (height - 1), 0)
    if outside > max(height, width):
        raise ValueError(f"homographies: they leave a {width} x {height} image by {outside:.0f} px")
    # One px more for the right and lower neighbours, one for the rounding of the corners' places.
    margin = math.floor(outside) + 2
    stride = width + 2 * margin
    if stride * (height + 2 * margin) >= 2**31:  # offsets are int32: AVX2 turns no double to int64
        raise ValueError(
            f"image: {width} x {height} and a border of {margin} px are 2^31 px or more"
        )
    channels = np.moveaxis(pixels, 2, 0)[..., None]
    planes = [pad(np.ascontiguousarray(c), margin, "replicate").reshape(-1) for c in channels]
    out = np.empty(pixels.shape, image.dtype)
    poses = np.ascontiguousarray(homographies, np.float64)
    first, count = exposed(len(poses), np.arange(height) / max(height - 1, 1), readout)
    to_uint8 = image.dtype == np.uint8
    mean_of_warps(np.stack(planes), stride, margin, poses, first, count, to_uint8, out)
    return out.reshape(image.shape)
