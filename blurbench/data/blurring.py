"""How each family of a recipe blurs an image."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from blurbench.data.families import (
    Bank,
    Camera,
    Disk,
    FrameAverage,
    Gaussian,
    Line,
    Mixture,
    MotionFlow,
    Order,
    Shot,
    Target,
    Trajectory,
)
from blurbench.data.kernel_files import load_bank
from blurbench.data.manifest import MIN_SIDE
from blurbench.errors import UserError
from blurbench_kernels import bank, camera, convolution, motion_flow, shot, trajectory, uniform
from blurbench_kernels.random import stream

Light = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Scene:
    """What is blurred, and the names and random numbers that decide how."""

    item_id: str
    # (H, W, 3), uint8 or float64 on the 0..255 scale: encoded values, or linear light.
    image: np.ndarray
    frames: np.ndarray | None  # (N, H, W, 3) uint8; `image` is the one in the middle
    random: np.random.Generator  # of this pair
    replica: int
    bank: tuple[str | int, ...]  # names the kernels that pairs share: recipe, seed, split
    light: Light = lambda picture: picture  # what is blurred of a picture, as `image` was made


@dataclass(frozen=True)
class Blurred:
    """A blurred image before crop, noise and rounding, and what is known of its blur."""

    image: np.ndarray  # (H, W, 3), float64, or the dtype of the scene; 0..255
    border: tuple[int, int]  # rows and columns on each side that the border touched
    drawn: dict[str, Any]  # every drawn parameter
    severity: tuple[float, float] | None  # mean and max blur length, px; None: not known
    family: str
    type: str = ""  # of a concert blur


def blur(settings: Any, scene: Scene) -> Blurred:
    """Blur by the family of `settings`; UserError names the item that is too small for it."""
    apply = FAMILIES.get(type(settings))
    # Settings of other packages blur themselves.
    return apply(settings, scene) if apply else settings.blur(scene)


def need(item_id: str, size: tuple[int, int], least: tuple[int, int]) -> None:
    """UserError unless (height, width) reaches `least`."""
    if size[0] < least[0] or size[1] < least[1]:
        needed = f"at least {least[1]}x{least[0]} are needed for its blur and crop"
        raise UserError(f"{item_id}: too small with {size[1]}x{size[0]} px; {needed}")


def between(ends: tuple[float, float], random: np.random.Generator) -> float:
    """A value drawn uniformly; a range of one value is that value."""
    return ends[0] + (ends[1] - ends[0]) * random.random()


def _length(target: Target, scene: Scene) -> float:
    """The severity in px that a pair is to have."""
    chosen = target.bins[int(scene.random.random() * len(target.bins))]
    length = between(chosen, scene.random)
    return length * scene.image.shape[1] if target.unit == "width" else length


def _motion_flow(settings: MotionFlow, scene: Scene) -> Blurred:
    height, width = scene.image.shape[:2]
    preset = motion_flow.PRESETS[settings.preset]
    motion = motion_flow.draw(scene.random, preset, height, width, *settings.scaling)
    if settings.target:
        mean = float(np.hypot(*motion.flow(height, width, settings.mode)).mean())
        # Six digits: the last ones of a mean depend on the CPU.
        factor = round(_length(settings.target, scene) / mean, 6)
        motion = replace(motion, motion_scale=motion.motion_scale * factor)
    # Rounded once for all that follows: 640x480 pixels take 0.4 ms each time.
    (u, v), longest = motion.rounded(height, width, settings.mode)
    # Half the motion is cropped or made up on each side: a longer one leaves nothing of the image.
    if max(height, width) < longest + MIN_SIDE:
        needed = f"its blur of up to {longest} px needs a side of at least {longest + MIN_SIDE} px"
        raise UserError(f"{scene.item_id}: too small with {width}x{height} px; {needed}")
    return Blurred(
        motion_flow.blur(scene.image, u, v),
        motion_flow.crop_border(u, v),
        asdict(motion),
        motion_flow.lengths(u, v),
        settings.family,
    )


def _trajectory(settings: Trajectory, scene: Scene) -> Blurred:
    random, count = scene.random, settings.count
    drawn: dict[str, Any] = {}
    if count:
        index = (
            scene.replica % count if settings.order == "replica" else int(random.integers(count))
        )
        drawn["index"] = index
        random = stream(*scene.bank, "bank", index)
    if settings.target:
        size, length = None, _length(settings.target, replace(scene, random=random))
    elif count:
        # Each size has its equal share of the bank.
        size, length = settings.sizes[index * len(settings.sizes) // count], None
    else:
        size, length = settings.sizes[int(random.random() * len(settings.sizes))], None
    anxiety = between(settings.anxiety, random)
    exposure = settings.exposure[0]
    if len(settings.exposure) > 1:
        exposure = settings.exposure[int(random.random() * len(settings.exposure))]
    kernel = _shake(settings, random, anxiety, exposure, size, length)
    drawn |= {"size": len(kernel), "anxiety": anxiety, "exposure": exposure}
    return _uniform(settings.family, kernel, scene, drawn)


def _index(order: Order, count: int, scene: Scene) -> int:
    """Which of `count` kernels a pair gets."""
    return scene.replica % count if order == "replica" else int(scene.random.integers(count))


def _shake(
    settings: Trajectory,
    random: np.random.Generator,
    anxiety: float,
    exposure: float,
    size: int | None,
    length: float | None,
) -> np.ndarray:
    """A kernel of this size, or one as long as asked."""
    if size:
        return bank.trajectory_kernel(random, size, anxiety, exposure, settings.fill)
    path = trajectory.sample(random, steps=settings.steps, anxiety=anxiety)
    path = path[: max(2, round(exposure * len(path)))]
    # Splatting reaches about half a pixel beyond each end.
    path = path * (max((length or 0) - 1, 0) / trajectory.extent(path))
    # No point is farther from the barycentre than from another point.
    side = 2 * math.ceil(length or 0) + 3
    return trim(bank.snap(trajectory.rasterize_psf(path, side, [1.0])[0]))


def trim(kernel: np.ndarray) -> np.ndarray:
    """A kernel without the rings of zeros around it; odd as it was."""
    rows, columns = np.nonzero(kernel)
    half = kernel.shape[0] // 2
    spare = half - max(np.abs(rows - half).max(), np.abs(columns - half).max())
    return kernel[spare : len(kernel) - spare, spare : len(kernel) - spare]


def _line(settings: Line, scene: Scene) -> Blurred:
    length = _either(settings.length, settings.target, scene)
    angle = between(settings.angle, scene.random)
    kernel = uniform.line(length, math.radians(angle))
    return _uniform(settings.family, kernel, scene, {"length": length, "angle": angle})


def _gaussian(settings: Gaussian, scene: Scene) -> Blurred:
    value = _either(settings.sigma, settings.target, scene)
    sigma = uniform.gaussian_sigma(value) if settings.target else value
    return _uniform(settings.family, uniform.gaussian(sigma), scene, {"sigma": sigma})


def _disk(settings: Disk, scene: Scene) -> Blurred:
    value = _either(settings.radius, settings.target, scene)
    radius = uniform.disk_radius(value) if settings.target else value
    return _uniform(settings.family, uniform.disk(radius), scene, {"radius": radius})


def _either(ends: tuple[float, float] | None, target: Target | None, scene: Scene) -> float:
    return between(ends, scene.random) if ends else _length(target or _no_target(), scene)


def _no_target() -> Target:
    raise AssertionError("a recipe states a range or a target")


def _bank(settings: Bank, scene: Scene) -> Blurred:
    kernels = load_bank(settings)
    index = _index(settings.order, len(kernels), scene)
    return _uniform(settings.family, kernels[index], scene, {"index": index}, apply=settings.apply)


def _uniform(
    family: str,
    kernel: np.ndarray,
    scene: Scene,
    drawn: dict[str, Any],
    apply: Literal["convolution", "correlation"] = "convolution",
) -> Blurred:
    """One kernel for the whole image."""
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    least = (max(rows, MIN_SIDE), max(columns, MIN_SIDE))
    need(scene.item_id, scene.image.shape[:2], least)
    how = {"convolution": convolution.convolve, "correlation": convolution.correlate}[apply]
    # On the 0..255 scale, where the kernel's multiples of 2^-24 make every sum of 8-bit pixels
    # exact.
    image = how(scene.image, kernel)
    extent = bank.extent(kernel)
    drawn = {**drawn, "kernel": bank.digest(kernel)}
    return Blurred(image, (rows, columns), drawn, (extent, extent), family)


def _camera(settings: Camera, scene: Scene) -> Blurred:
    height, width = scene.image.shape[:2]
    random = scene.random
    anxiety = between(settings.anxiety, random)
    largest = math.radians(settings.tilt)
    tilt = largest * (2 * random.random() - 1), largest * (2 * random.random() - 1)
    focal = settings.focal * width
    path = camera.sample_path(
        random,
        anxiety=anxiety,
        translation=settings.translation,
        rotation=math.radians(settings.rotation),
    )
    if settings.target:
        path = camera.scale_to(path, _length(settings.target, scene), height, width, focal, tilt)
    try:
        poses = camera.homographies(path, height, width, focal, tilt)
    except ValueError as error:
        mend = "lower blur.target, blur.tilt or blur.rotation, or raise blur.focal"
        raise UserError(f"{scene.item_id}: {error}; {mend}") from None
    drawn = {"anxiety": anxiety, "tilt": tilt, "focal": focal, "path": bank.digest(path)}
    border = camera.border(poses, height, width)
    need(scene.item_id, (height, width), (2 * border[0] + MIN_SIDE, 2 * border[1] + MIN_SIDE))
    lengths = camera.lengths(poses, height, width)
    return Blurred(camera.blur(scene.image, poses), border, drawn, lengths, settings.family)


def _shot(settings: Shot, scene: Scene) -> Blurred:
    parameters = settings.parameters
    image = shot.SHOT_BLURS[settings.type](scene.image, **parameters)
    extent = shot.extent(settings.type, **parameters)
    reach = math.ceil(extent / 2)
    severity = (extent, extent)
    return Blurred(image, (reach, reach), parameters, severity, settings.family, type=settings.type)


def _frame_average(settings: FrameAverage, scene: Scene) -> Blurred:
    if scene.frames is None:
        raise UserError(f"{scene.item_id}: one picture alone; frames to average are needed")
    count = settings.frames[int(scene.random.random() * len(settings.frames))]
    start = (len(scene.frames) - count) // 2
    total = np.zeros(scene.image.shape)
    for frame in scene.frames[start : start + count]:
        total += scene.light(frame)
    return Blurred(total / count, (0, 0), {"frames": count}, None, settings.family)


def _mixture(settings: Mixture, scene: Scene) -> Blurred:
    if settings.order == "replica":
        index = scene.replica % len(settings.parts)
        turn = scene.replica // len(settings.parts)
        return _part(settings, index, replace(scene, replica=turn))
    weights = settings.weights or (1 / len(settings.parts),) * len(settings.parts)
    place = scene.random.random()
    index = 0
    while index < len(weights) - 1 and place >= weights[index]:
        place -= weights[index]
        index += 1
    return _part(settings, index, scene)


def _part(settings: Mixture, index: int, scene: Scene) -> Blurred:
    # Each part has kernels of its own, should two be banks.
    blurred = blur(settings.parts[index], replace(scene, bank=(*scene.bank, "part", index)))
    return replace(blurred, drawn={"part": index, **blurred.drawn})


# Settings of a family -> how it blurs an image.
FAMILIES: dict[type, Callable[[Any, Scene], Blurred]] = {
    MotionFlow: _motion_flow,
    Trajectory: _trajectory,
    Camera: _camera,
    Line: _line,
    Gaussian: _gaussian,
    Disk: _disk,
    Shot: _shot,
    FrameAverage: _frame_average,
    Bank: _bank,
    Mixture: _mixture,
}
