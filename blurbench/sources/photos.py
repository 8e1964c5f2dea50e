"""`builtin:photos`: the colour photographs that the scikit-image wheel carries, cut into crops."""

import importlib.util
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from blurbench.errors import UserError
from blurbench.images import read_image
from blurbench.sources.items import BuiltinItem, Labels
from blurbench.sources.labels.attach import WantedLabels

KIND = "crops of the colour photographs in the scikit-image wheel"
HAS = frozenset({"captions", "shot types"})

# Severe motion flow is cropped by up to 37 px on each side, which leaves 76 px of 150; and 150
# fits the smallest photograph (chelsea, 451x300) twice in height.
CROP = 150

# Name -> file and (rows, columns) of whole crops.
PHOTOS: dict[str, tuple[str, tuple[int, int]]] = {
    "astronaut": ("astronaut.png", (3, 3)),
    "chelsea": ("chelsea.png", (2, 3)),
    "coffee": ("coffee.png", (2, 4)),
    "motorcycle_left": ("motorcycle_left.png", (3, 4)),
    "motorcycle_right": ("motorcycle_right.png", (3, 4)),
    "rocket": ("rocket.jpg", (2, 4)),
}

# A whole photograph is in one split; the two motorcycles are the two eyes of one stereo pair.
PHOTO_SPLIT = {
    "astronaut": "train",
    "motorcycle_left": "train",
    "motorcycle_right": "train",
    "rocket": "val",
    "chelsea": "test",
    "coffee": "test",
}

# Clear sky: neighbouring pixels differ by less than 2 grey levels on average, so that blur
# changes nothing that could be restored. Every other crop is above 2.
FLAT = frozenset({"rocket/01", "rocket/02"})

SPLIT_OF: dict[str, str] = {
    f"{name}/{index:02d}": PHOTO_SPLIT[name]
    for name, (_, (rows, columns)) in PHOTOS.items()
    for index in range(rows * columns)
    if f"{name}/{index:02d}" not in FLAT
}


def items(wanted: WantedLabels) -> list[BuiltinItem]:
    """Every crop, with captions and a shot type where they are wanted.

    UserError where more captions are wanted than the five that there are.
    """
    return [
        BuiltinItem(id, split, load, masked=False, labels=labels(id, wanted))
        for id, split in sorted(SPLIT_OF.items())
    ]


def labels(id: str, wanted: WantedLabels) -> Labels:
    """The columns of crop `id` that are wanted."""
    name, index = id.split("/")
    told = _told()[name.partition("_")[0]][index]  # one text for both eyes of the motorcycle
    found: Labels = {"shot_type": told["shot"]} if wanted.shots else {}
    if wanted.captions:
        count, there = wanted.captions.count, told["captions"]
        if count > len(there):
            raise UserError(f"builtin:photos: has {len(there)} captions of each, not {count}")
        found["captions"] = there[:count]
    return found


@cache
def _told() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def load(id: str) -> tuple[np.ndarray, None]:
    """(150, 150, 3) uint8 RGB crop `id`, such as "coffee/03", row by row; photographs have no mask.

    UserError where the wheel lacks the file.
    """
    name, index = id.split("/")
    _, (rows, columns) = PHOTOS[name]
    photo = read_photo(name)
    row, column = divmod(int(index), columns)
    # The crops lie in the middle; what does not fill a crop is left over at the borders.
    top = (photo.shape[0] - rows * CROP) // 2 + row * CROP
    left = (photo.shape[1] - columns * CROP) // 2 + column * CROP
    return np.ascontiguousarray(photo[top : top + CROP, left : left + CROP]), None


def read_photo(name: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB: photograph `name` of `PHOTOS`, uncut. UserError where it is lacking."""
    return read_image(_wheel_folder() / PHOTOS[name][0])


def _wheel_folder() -> Path:
    # find_spec does not run skimage, whose import alone takes a second.
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("builtin:photos needs scikit-image; run: pip install scikit-image")
    return Path(spec.submodule_search_locations[0]) / "data"
