"""Make the pictures of docs/data-sets/: python docs/make_pictures.py [NAME ...]

Each is what the tool itself writes: the data card of a small set, and `kernels preview`. The
sources are pictures that may be published: scikit-image's photographs without copyright
restrictions, and the faces that blurbench draws. Shot types and clips are made up from these.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image, ImageOps
from skimage import data

from blurbench.datasets.make import synthesize
from blurbench.engine import Workers
from blurbench.preview.sheet import preview
from blurbench.recipes.recipe import Recipe, load_recipe
from blurbench.sources.faces import draw
from blurbench.sources.labels.shots import SHOT_TYPES
from blurbench.sources.open import open_for
from blurbench.sources.photos import SPLIT_OF

PICTURES = Path(__file__).parent / "pictures"
PHOTOGRAPHS = ("chelsea", "coffee", "rocket")  # no portrait
FACES = "builtin:procedural-faces"
QUALITY = 80
SHEETS = ("pairs", "severity", "kernels")
FRAMES = 26  # two windows of 13
WINDOW = 320  # px, of the crop that pans; the sharp picture's side
PEOPLE, EACH = 4, 10  # of the recognition test: a probe and nine gallery images


def photographs(folder: Path) -> None:
    """The photographs, whole, all in one split."""
    for name in PHOTOGRAPHS:
        _save(folder / "test" / f"{name}.png", getattr(data, name)())


def large_photographs(folder: Path) -> None:
    """The photographs, enlarged to the size of GoPro's frames: the blur depends on the size."""
    for name in PHOTOGRAPHS:
        photo = Image.fromarray(getattr(data, name)())
        frame = ImageOps.fit(photo, (1280, 720), Image.Resampling.LANCZOS)
        _save(folder / "test" / name / "sharp" / "0001.png", np.array(frame))


def stills(folder: Path) -> None:
    """Two halves of each photograph under a made-up shot type each; a photograph is a clip."""
    shots = iter(SHOT_TYPES)
    for name in PHOTOGRAPHS:
        photo = getattr(data, name)()
        for half in np.array_split(photo, 2, axis=1):
            _save(folder / "test" / next(shots) / name / f"{name}-{half.shape[1]}.png", half)


def clips(folder: Path) -> None:
    """A crop that pans over each photograph, 1 to 2.5 px a frame: a made-up video."""
    for speed, name in enumerate(PHOTOGRAPHS, 2):
        photo = getattr(data, name)()
        side = min(WINDOW, *photo.shape[:2])
        step = min(0.5 * speed, (photo.shape[1] - side) / (FRAMES - 1))
        for n in range(FRAMES):
            left = round(n * step)
            _save(folder / "test" / name / f"{n:04d}.png", photo[:side, left : left + side])


# Drawn by hand along a cup, a spoon, a rocket and a cat: x, y, x, y, ..., px, as COCO has it.
# fmt: off
THINGS: dict[str, list[list[int]]] = {
    "coffee": [
        [174, 85, 186, 55, 215, 32, 250, 20, 290, 17, 330, 22, 370, 40, 395, 65, 404, 95, 402, 130,
         392, 175, 370, 220, 340, 250, 300, 275, 265, 280, 248, 272, 238, 297, 215, 308, 200, 300,
         197, 280, 208, 248, 222, 232, 200, 205, 183, 165, 175, 125],
        [327, 275, 335, 256, 360, 246, 385, 245, 402, 260, 406, 285, 395, 310, 372, 325, 348, 323,
         332, 306],
    ],
    "rocket": [
        [310, 185, 311, 150, 315, 135, 320, 126, 327, 133, 333, 150, 334, 178, 337, 190, 336, 370,
         332, 405, 308, 405, 306, 370, 308, 200],
    ],
    "chelsea": [
        [95, 0, 60, 5, 38, 50, 34, 105, 40, 150, 20, 190, 0, 230, 0, 299, 270, 299, 300, 275, 312,
         250, 330, 215, 350, 175, 362, 110, 372, 60, 400, 8, 398, 0],
    ],
}
# fmt: on


def things(folder: Path) -> None:
    """Photographs with the outlines of what is to move, in COCO's layout."""
    images, annotations = [], []
    for name, outlines in THINGS.items():
        photo, file = getattr(data, name)(), f"test/{name}.png"
        _save(folder / file, photo)
        height, width = photo.shape[:2]
        images.append({"id": name, "file_name": file, "height": height, "width": width})
        annotations += [{"image_id": name, "segmentation": [each]} for each in outlines]
    document = json.dumps({"images": images, "annotations": annotations})
    (folder / "instances.json").write_text(document, encoding="utf-8")


def people(folder: Path) -> None:
    """Ten drawn pictures of each of a few drawn people, a folder each."""
    for person in range(PEOPLE):
        for n in range(EACH):
            _save(folder / f"person-{person}" / f"{person}-{n}.png", draw(person, n)[0])


def _save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(picture)).save(path)


@dataclass(frozen=True)
class Shown:
    """A set to show: its recipe, made of what, and what is changed so that little shows much."""

    recipe: str
    source: str | Callable[[Path], None]
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    limit: int | None = None
    sheets: tuple[str, ...] = SHEETS


def _each(count: int) -> dict[str, dict[str, Any]]:
    """So many blurs of each of the test's pictures."""
    return {"replicas": {"test": count}}


SETS = {
    "sev-blurdata": Shown("sev-blurdata", photographs, _each(60)),
    "lesssev-blurdata": Shown("lesssev-blurdata", photographs, _each(60)),
    "sev-gopro": Shown("sev-gopro", large_photographs, _each(30), sheets=SHEETS[:2]),
    "umsn-faces": Shown("umsn-faces", FACES, limit=8),
    "umsn-faces-class": Shown("umsn-faces", FACES, {"region": {"kind": "class"}}, 8, SHEETS[:1]),
    "umsn-faces-test": Shown("umsn-faces-test", FACES, limit=4, sheets=SHEETS[:2]),
    "umsn-recognition": Shown("umsn-recognition", people, sheets=SHEETS[:2]),
    "concert": Shown("concert", stills),
    "concert-partial": Shown("concert-partial", stills, sheets=SHEETS[:1]),
    "frame-average": Shown("frame-average", clips),
    "realistic": Shown("realistic", photographs, _each(60)),
    "realistic-raw": Shown("realistic-raw", photographs, _each(4), sheets=SHEETS[:1]),
    "sev-objects": Shown("sev-objects", things, _each(3), sheets=SHEETS[:1]),
    "severe-mix": Shown("severe-mix", photographs, _each(4), sheets=SHEETS[:1]),
    "severe-all": Shown("severe-all", things, _each(4), sheets=SHEETS[:1]),
    "severity-ladder": Shown("severity-ladder", photographs, _each(60)),
}


def changed(recipe: Recipe, changes: dict[str, dict[str, Any]]) -> Recipe:
    """The recipe with some fields of its tables set."""
    if recipe.mix:  # which is not read a second time
        tables = {name: getattr(recipe, name) for name in changes}
        changes_of = {name: tables[name].model_copy(update=changes[name]) for name in tables}
        return recipe.model_copy(update=changes_of)
    document = recipe.model_dump(mode="json")
    for table, fields in changes.items():
        document[table] = {**(document[table] or {}), **fields}
    return Recipe.model_validate_json(json.dumps(document))


def make(name: str, shown: Shown) -> None:
    """Write the sheets of one set."""
    recipe = load_recipe(shown.recipe)
    with tempfile.TemporaryDirectory() as folder:
        source = shown.source
        if not isinstance(source, str):
            source(Path(folder) / "in")
            source = str(Path(folder) / "in")
        out = Path(folder) / "out"
        of_shown = changed(recipe, shown.changes)
        found = open_for(of_shown, source)
        print(synthesize(of_shown, found, out, limit=shown.limit, workers=Workers(2)))
        for kind in ("pairs", "severity"):
            sheet = out / "card" / f"{kind}.png"
            if kind in shown.sheets and sheet.is_file():
                write(f"{name}-{kind}", np.array(Image.open(sheet)))
    if "kernels" in shown.sheets:
        # Middlebury's motorcycles are in the wheel, but nobody says that they may be published.
        free = {id: split for id, split in SPLIT_OF.items() if id.split("/")[0] in PHOTOGRAPHS}
        with patch.dict(SPLIT_OF, free, clear=True):
            write(f"{name}-kernels", preview(recipe))


def write(name: str, sheet: np.ndarray) -> None:
    """Write a sheet as WebP."""
    PICTURES.mkdir(exist_ok=True)
    path = PICTURES / f"{name}.webp"
    Image.fromarray(sheet).save(path, quality=QUALITY, method=6)
    print(f"{path} {sheet.shape[1]}x{sheet.shape[0]} {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    for asked in sys.argv[1:] or SETS:
        make(asked, SETS[asked])
