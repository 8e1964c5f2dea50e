"""One pair: recipe + source image + named random streams -> blur, sharp, mask and their row."""

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from blurbench.blurs.base import MIN_SIDE, Blurred, Light, Scene, need
from blurbench.datasets import sensor as sensing
from blurbench.datasets.splits import GALLERY, PairKey, pair_id
from blurbench.errors import UserError
from blurbench.recipes.recipe import Recipe, Region
from blurbench.sources.open import Sharp
from blurbench_kernels.random import stream

IDENTITY = "identity"  # family of pairs that stay sharp
WHOLE = "picture"  # what moved, where nothing is cut out of it
READ = "read"  # parameter of pairs whose source is more than three channels of 8 bits
# The columns of a region where nothing is blurred.
NOWHERE: dict[str, dict[str, Any]] = {
    "box": {"box": [0, 0, 0, 0]},
    "class": {"blurred_class": -1},
}


@dataclass(frozen=True)
class MadePair:
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


def prepare(recipe: Recipe, item_id: str, sharp: Sharp) -> Sharp:
    """Resize as the recipe says; twice is once. UserError where there are too few pixels."""
    if recipe.masks and sharp.mask is None:
        raise UserError(f"{item_id}: has no mask, and recipe {recipe.name} needs one")
    size, resize = sharp.image.shape[:2], recipe.prepare.resize
    if resize == size:
        return sharp
    need(item_id, size, (recipe.prepare.min_size, recipe.prepare.min_size))
    if resize is None:
        return sharp
    # Pillow resizes 8-bit images in integer arithmetic: the same bytes on every machine.
    image = _resize(sharp.image, resize, Image.Resampling.BILINEAR)
    mask = frames = depth = None
    if sharp.mask is not None:
        # Labels have nothing between them.
        mask = _resize(sharp.mask, resize, Image.Resampling.NEAREST)
    if sharp.depth is not None:
        depth = _resize(sharp.depth, resize, Image.Resampling.NEAREST)
    if sharp.frames is not None:
        frames = np.stack(
            [_resize(each, resize, Image.Resampling.BILINEAR) for each in sharp.frames]
        )
    return replace(sharp, image=image, mask=mask, frames=frames, depth=depth)


def _resize(image: np.ndarray, size: tuple[int, int], how: Image.Resampling) -> np.ndarray:
    return np.array(Image.fromarray(image).resize((size[1], size[0]), how))


def make_pair(
    recipe: Recipe, seed: int, item_id: str, split: str, replica: int, sharp: Sharp
) -> MadePair:
    """The pair named by (recipe, seed, split, item_id, replica), from the source image `sharp`.

    A pure function: the same arguments give the same pixels, whatever else is made, anywhere.
    UserError names the item and the size needed where the image is too small for its blur.
    """
    key = PairKey(recipe.name, seed, split, item_id, replica)
    if recipe.mix:
        # By its own name: the pair is, to the bit, the one of that recipe's own data set.
        part = recipe.drawn(stream(*key, "recipe").random())
        pair = make_pair(part, seed, item_id, split, replica, sharp)
        pair = _one_layer(pair) if recipe.cuts and not part.cuts else pair
        return replace(pair, row={**pair.row, "recipe": part.name})
    sharp = prepare(recipe, item_id, sharp)
    settings = None if _is_gallery(sharp) else recipe.sensor
    draws = sensing.draw(settings, key)
    light = partial(sensing.expose, settings, draws)
    exposed = light(sharp.image)
    blurred = _blur(recipe, key, sharp, exposed, light)
    window = _window(recipe, item_id, sharp.image.shape, blurred.border)
    labels = sharp.mask if blurred.mask is None else blurred.mask
    mask = labels[window].copy() if recipe.masks and labels is not None else None
    image, place = _confined(recipe, key, blurred, window, exposed[window], mask)
    sigma = 0.0 if _is_gallery(sharp) else _noise_sigma(recipe, key)
    place |= _cut(blurred, mask)
    blurred = replace(blurred, drawn={**blurred.drawn, **draws.stated})
    row = _row(recipe, key, sharp, blurred, sigma)
    return MadePair(
        pair_id(item_id, split, replica),
        sensing.develop(settings, draws, sigma, image, key),
        sensing.develop_sharp(settings, sharp.image[window]),
        mask,
        {**row, **place, **sharp.labels},
    )


def _blur(recipe: Recipe, key: PairKey, sharp: Sharp, exposed: np.ndarray, light: Light) -> Blurred:
    # A stream of its own: a recipe without unblurred pairs draws the same kernels.
    kept = recipe.identity and stream(*key, "identity").random() < recipe.identity
    if kept or _is_gallery(sharp):
        return Blurred(exposed, (0, 0), {}, (0.0, 0.0), IDENTITY)
    random = stream(*key, "kernel")
    bank = (key.recipe, key.seed, key.split)
    mask = sharp.mask if recipe.masks else None
    names = (key.source_id, exposed, sharp.frames, random, key.replica, bank)
    scene = Scene(*names, light, mask, sharp.times, sharp.depth)
    blurred = recipe.blur.blur(scene)
    # A family of another package: its set would be whole and verified, and no pair of it one.
    if blurred.image.shape != exposed.shape:
        sizes = f"{blurred.image.shape} for a picture of {exposed.shape}"
        raise UserError(f"{key.source_id}: family {blurred.family} gives {sizes}")
    return blurred


def _cut(blurred: Blurred, mask: np.ndarray | None) -> dict[str, Any]:
    """The columns of a picture of layers: a box of each object, as it is seen after the crop."""
    if blurred.mask is None or mask is None:
        return {}
    boxes = [_box(mask == label) for label in range(1, int(blurred.mask.max()) + 1)]
    return {**blurred.columns, "boxes": boxes}


def _one_layer(pair: MadePair) -> MadePair:
    """A pair among others of layers, whose columns all rows then have: its picture is one layer."""
    layers = {
        "moved": WHOLE,
        "layer_severity_mean_px": [pair.row["severity_mean_px"]],
        "layer_severity_max_px": [pair.row["severity_max_px"]],
        "boxes": [[0, 0, 0, 0]],
    }
    return replace(pair, mask=np.zeros(pair.blur.shape[:2], np.uint8), row={**pair.row, **layers})


def _box(inside: np.ndarray) -> list[int]:
    """[left, top, width, height], px; all 0 where nothing is inside."""
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return [0, 0, 0, 0]
    left, top = int(columns[0]), int(rows[0])
    return [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top]


def _is_gallery(sharp: Sharp) -> bool:
    """Whether it is an image to compare others with, not one to restore."""
    return sharp.labels.get("role") == GALLERY


def _noise_sigma(recipe: Recipe, key: PairKey) -> float:
    """Standard deviation of a pair's noise, of the [0, 1] range."""
    drawn = recipe.blur.noise(stream(*key, "noise level"))
    return recipe.noise.of_unit if drawn is None else drawn


def _row(
    recipe: Recipe, key: PairKey, sharp: Sharp, blurred: Blurred, sigma: float
) -> dict[str, Any]:
    # Of few pictures: ordinary rows are as they were.
    read = {READ: ", ".join(sharp.told)} if sharp.told else {}
    row = {
        "source_id": key.source_id,
        "source_sha256": sharp.sha256,
        "replica": key.replica,
        "stream": json.dumps(key, ensure_ascii=False),
        "kernel_family": blurred.family,
        # As one text: families draw different things, but all rows must have the same columns.
        "parameters": json.dumps({**blurred.drawn, **read}, allow_nan=False),
        "noise_sigma": float(sigma),
    }
    if recipe.shots:
        row["blur_type"] = blurred.type
    # A column that some rows lack would break the loading of all.
    if recipe.measured:
        if blurred.severity is None:
            raise ValueError(f"family {blurred.family} states no severity")
        # Three decimals: the order of NumPy's additions, hence the last digits, depends on the CPU.
        row["severity_mean_px"] = round(blurred.severity[0], 3)
        row["severity_max_px"] = round(blurred.severity[1], 3)
    return row


def told_of(row: dict[str, Any]) -> list[str]:
    """What a row says of the file of its source: keys of images.header.TOLD.

    Only the first of a source's rows says it, so that pictures are counted, not pairs.
    """
    if row.get("replica"):
        return []
    told = row.get(READ, "")  # of an index, whose rows have columns of their own
    parameters = row.get("parameters", "")
    if f'"{READ}"' in parameters:
        told = json.loads(parameters).get(READ)
    return str(told).split(", ") if told else []


def _confined(
    recipe: Recipe,
    key: PairKey,
    blurred: Blurred,
    window: tuple[slice, slice],
    light: np.ndarray,
    mask: np.ndarray | None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """What is kept of the blurred picture, in the recipe's region if it has one; its columns."""
    image, region = blurred.image[window], recipe.region
    if region is None:
        return image, {}
    image, place = confine(region, stream(*key, "region"), key.source_id, image, light, mask)
    return image, NOWHERE[region.kind] if blurred.family == IDENTITY else place


def confine(
    region: Region,
    random: np.random.Generator,
    item_id: str,
    image: np.ndarray,
    light: np.ndarray,
    mask: np.ndarray | None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Keep the blur of `image` in a drawn region and `light` around it; and the row's columns."""
    if mask is not None and region.kind == "class":
        classes = np.unique(mask)
        chosen = int(classes[int(random.random() * len(classes))])
        return np.where((mask == chosen)[..., None], image, light), {"blurred_class": chosen}
    side = region.side or 0
    height, width = image.shape[:2]
    need(item_id, (height, width), (side, side))
    top, left = (int(random.integers(each - side + 1)) for each in (height, width))
    partly = light.astype(image.dtype)
    box = (slice(top, top + side), slice(left, left + side))
    partly[box] = image[box]
    return partly, {"box": [left, top, side, side]}


def _window(
    recipe: Recipe, item_id: str, shape: tuple[int, ...], border: tuple[int, int]
) -> tuple[slice, slice]:
    """What is kept of rows and columns: without the border, then the square in the middle."""
    center = recipe.crop.center
    cut = border if recipe.crop.borders else (0, 0)
    least = center or MIN_SIDE
    need(item_id, (shape[0], shape[1]), (2 * cut[0] + least, 2 * cut[1] + least))
    rows, columns = (_kept(shape[axis], cut[axis], center) for axis in (0, 1))
    return rows, columns


def _kept(side: int, cut: int, center: int | None) -> slice:
    inner = side - 2 * cut
    start = cut + ((inner - center) // 2 if center else 0)
    return slice(start, start + (center or inner))
