"""One pair: recipe + source image + named random streams -> blur, sharp, mask and their row."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from blurbench.data.manifest import MIN_SIDE, MotionFlow, Recipe, Trajectory
from blurbench.data.sources import Sharp
from blurbench.data.tasks import pair_id
from blurbench.errors import UserError
from blurbench_kernels import bank, convolution, motion_flow, sensor
from blurbench_kernels.random import stream


@dataclass(frozen=True)
class Pair:
    """A finished pair and its metadata row, which lacks only what the files decide."""

    id: str
    blur: np.ndarray  # (H, W, 3) uint8 RGB
    sharp: np.ndarray  # (H, W, 3) uint8 RGB
    mask: np.ndarray | None  # (H, W) uint8 labels 0..3
    row: dict[str, Any]

    @property
    def images(self) -> dict[str, np.ndarray]:
        """The pictures of this pair by the folder they go to."""
        mask = {} if self.mask is None else {"mask": self.mask}
        return {"blur": self.blur, "sharp": self.sharp, **mask}


@dataclass(frozen=True)
class Blurred:
    """A blurred image before crop, noise and rounding, and what is known of its blur."""

    image: np.ndarray  # (H, W, 3) float64 in [0, 1]
    border: tuple[int, int]  # rows and columns on each side that the border touched
    drawn: dict[str, Any]  # every drawn parameter
    severity: tuple[float, float]  # mean and max blur length, px


def prepare(recipe: Recipe, item_id: str, sharp: Sharp) -> Sharp:
    """Resize as the recipe says; twice is once. UserError where there are too few pixels."""
    if recipe.masks and sharp.mask is None:
        raise UserError(f"{item_id}: has no mask, and recipe {recipe.name} needs one")
    size, resize = sharp.image.shape[:2], recipe.prepare.resize
    if resize == size:
        return sharp
    _need(item_id, size, (recipe.prepare.min_size, recipe.prepare.min_size))
    if resize is None:
        return sharp
    # Pillow resizes 8-bit images in integer arithmetic: the same bytes on every machine.
    image = _resize(sharp.image, resize, Image.Resampling.BILINEAR)
    mask = None
    if sharp.mask is not None:
        mask = _resize(sharp.mask, resize, Image.Resampling.NEAREST)
    return Sharp(image, mask, sharp.sha256)


def _resize(image: np.ndarray, size: tuple[int, int], how: Image.Resampling) -> np.ndarray:
    return np.array(Image.fromarray(image).resize((size[1], size[0]), how))


def _need(item_id: str, size: tuple[int, int], least: tuple[int, int]) -> None:
    """UserError unless (height, width) reaches `least`."""
    if size[0] < least[0] or size[1] < least[1]:
        needed = f"at least {least[1]}x{least[0]} are needed for its blur and crop"
        raise UserError(f"{item_id}: too small with {size[1]}x{size[0]} px; {needed}")


def make_pair(
    recipe: Recipe, seed: int, item_id: str, split: str, replica: int, sharp: Sharp
) -> Pair:
    """The pair named by (recipe, seed, split, item_id, replica), from the source image `sharp`.

    A pure function: the same arguments give the same pixels, whatever else is made, anywhere.
    UserError names the item and the size needed where the image is too small for its blur.
    """
    sharp = prepare(recipe, item_id, sharp)
    key = (recipe.name, seed, split, item_id, replica)
    blurred = FAMILIES[type(recipe.blur)](recipe.blur, stream(*key, "kernel"), item_id, sharp.image)
    window = _window(recipe, item_id, sharp.image.shape, blurred.border)
    image = blurred.image[window]
    if recipe.noise.sigma:
        image = sensor.gaussian_noise(image, recipe.noise.sigma, stream(*key, "noise"))
    row = {
        "source_id": item_id,
        "source_sha256": sharp.sha256,
        "replica": replica,
        "stream": json.dumps(key, ensure_ascii=False),
        "kernel_family": recipe.blur.family,
        "parameters": json.dumps(blurred.drawn, allow_nan=False),
        # Three decimals: the order of NumPy's additions, hence the last digits, depends on the CPU.
        "severity_mean_px": round(blurred.severity[0], 3),
        "severity_max_px": round(blurred.severity[1], 3),
        "noise_sigma": float(recipe.noise.sigma),
    }
    mask = sharp.mask[window].copy() if recipe.masks and sharp.mask is not None else None
    id = pair_id(item_id, split, replica)
    return Pair(id, sensor.quantise(image), sharp.image[window].copy(), mask, row)


def _window(
    recipe: Recipe, item_id: str, shape: tuple[int, ...], border: tuple[int, int]
) -> tuple[slice, slice]:
    """What is kept of rows and columns: without the border, then the square in the middle."""
    center = recipe.crop.center
    cut = border if recipe.crop.borders else (0, 0)
    least = center or MIN_SIDE
    _need(item_id, (shape[0], shape[1]), (2 * cut[0] + least, 2 * cut[1] + least))
    rows, columns = (_kept(shape[axis], cut[axis], center) for axis in (0, 1))
    return rows, columns


def _kept(side: int, cut: int, center: int | None) -> slice:
    inner = side - 2 * cut
    start = cut + ((inner - center) // 2 if center else 0)
    return slice(start, start + (center or inner))


def _motion_flow(
    settings: MotionFlow, random: np.random.Generator, item_id: str, image: np.ndarray
) -> Blurred:
    height, width = image.shape[:2]
    preset = motion_flow.PRESETS[settings.preset]
    motion = motion_flow.draw(
        random, preset, height, width, settings.severity, settings.severity_reading
    )
    u, v = motion.flow(height, width, settings.mode)
    # Half the motion is cropped or made up on each side: a longer one leaves nothing of the image.
    longest = math.ceil(max(np.abs(u).max(), np.abs(v).max())) + MIN_SIDE
    _need(item_id, (max(height, width),) * 2, (longest, longest))
    return Blurred(
        motion_flow.blur(image.astype(np.float64), u, v) / 255,
        motion_flow.crop_border(u, v),
        asdict(motion),
        motion_flow.lengths(u, v),
    )


def _trajectory(
    settings: Trajectory, random: np.random.Generator, _item_id: str, image: np.ndarray
) -> Blurred:
    size = settings.sizes[int(random.random() * len(settings.sizes))]
    low, high = settings.anxiety
    anxiety = low + (high - low) * random.random()
    kernel = bank.trajectory_kernel(random, size, anxiety, settings.exposure, settings.fill)
    drawn = {"size": size, "anxiety": anxiety, "kernel": bank.digest(kernel)}
    extent = bank.extent(kernel)
    # On the 0..255 scale, where the kernel's multiples of 2^-24 make every sum exact.
    blurred = convolution.convolve(image.astype(np.float64), kernel) / 255
    return Blurred(blurred, (size // 2, size // 2), drawn, (extent, extent))


# Settings of a family -> how it blurs an image.
FAMILIES: dict[type, Callable[[Any, np.random.Generator, str, np.ndarray], Blurred]] = {
    MotionFlow: _motion_flow,
    Trajectory: _trajectory,
}
