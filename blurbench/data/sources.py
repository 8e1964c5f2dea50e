"""Where sharp images come from: a folder of photographs or parsed faces, or a built-in source."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from blurbench.data import builtin_photos, procedural_faces
from blurbench.data.face_labels import LAYOUTS, Layout, find_layout, read_mask
from blurbench.data.manifest import Recipe
from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.images import BadImage, decode, image_files, read_bytes

SPLITS = ("train", "val", "test")

# Columns that a source gives to the rows of its images: captions, shot_type, identity, ...
Labels = dict[str, Any]


def in_order(splits: Iterable[str]) -> list[str]:
    """Names of splits in the order of `SPLITS`; others last."""
    return sorted(splits, key=lambda split: (*SPLITS, split).index(split))


@dataclass(frozen=True)
class Sharp:
    """One loaded source image."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    mask: np.ndarray | None  # (H, W) uint8 labels 0..3: background, skin, parts, hair
    sha256: str  # of the file's bytes; of the pixels where there is no file
    frames: np.ndarray | None = None  # (N, H, W, 3) uint8 RGB, `image` in the middle
    labels: Labels = field(default_factory=dict)  # columns of its rows


class SourceItem(Protocol):
    """One image that a source offers: cheap, picklable, read only by `load`."""

    @property
    def id(self) -> str:
        """Path relative to the root, or such as "coffee/03"."""

    @property
    def split(self) -> str | None:
        """Train, val or test; None where the source states no split."""

    @property
    def group(self) -> str | None:
        """What shares one split, such as a clip; None for an image of its own."""

    @property
    def labels(self) -> Labels:
        """Columns of its rows, known without reading it."""

    def load(self) -> Sharp:
        """Read or draw it; BadImage or UserError with one line that names the file."""


@dataclass(frozen=True)
class Source:
    """A listed source; nothing in it has been decoded yet."""

    spec: str  # as the user gave it
    items: tuple[SourceItem, ...]  # sorted by id
    description: dict[str, str]  # what was found, and how; never a path of this machine


@dataclass(frozen=True)
class FileItem:
    """A picture file, with its labels where `layout` says how to find them below `folder`."""

    id: str
    split: str | None
    path: Path
    folder: Path
    layout: Layout | None
    group: str | None = None
    labels: Labels = field(default_factory=dict)

    def load(self) -> Sharp:
        """Decode the file and its labels; errors name files relative to the root."""
        try:
            return self._load()
        except UserError as error:
            root = str(self.path).removesuffix(self.id)
            raise BadImage(str(error).replace(root, "")) from None

    def _load(self) -> Sharp:
        data = read_bytes(self.path)
        image = decode(data, str(self.path))
        mask = None
        if self.layout:
            mask = read_mask(self.layout, self.folder, self.path, image.shape[:2])
        return Sharp(image, mask, sha256(data), labels=self.labels)


@dataclass(frozen=True)
class BuiltinItem:
    """A picture that needs no file of the user's; `read` is a function of the id, by module."""

    id: str
    split: str
    read: Callable[[str], tuple[np.ndarray, np.ndarray | None]]
    masked: bool
    group: str | None = None
    labels: Labels = field(default_factory=dict)

    def load(self) -> Sharp:
        """Read or draw the picture."""
        image, mask = self.read(self.id)
        masked = mask if self.masked else None
        return Sharp(image, masked, sha256(image.tobytes()), labels=self.labels)


def open_for(recipe: Recipe, spec: str) -> Source:
    """The source, with the labels that the recipe asks for; errors as of `open_source`."""
    return open_source(spec, masks=recipe.masks)


def open_source(spec: str, *, masks: bool = False) -> Source:
    """List a folder, `builtin:photos` or `builtin:procedural-faces`; `masks` asks for face labels.

    UserError in one line where there is nothing to read, or no labels that `masks` could use.
    """
    if spec.startswith("builtin:"):
        return _builtin(spec, masks)
    root = Path(spec).absolute()
    if not root.exists():
        raise UserError(f"{spec}: no such folder; give a folder of pictures, or {_builtin_names()}")
    if not root.is_dir():
        raise UserError(f"{spec}: not a folder; give the folder that holds the pictures")
    return _folder(spec, root, masks)


def _builtin_names() -> str:
    return " or ".join(BUILTIN)


def _builtin(spec: str, masks: bool) -> Source:
    if spec not in BUILTIN:
        raise UserError(f"{spec}: no such built-in source; there are {_builtin_names()}")
    module = BUILTIN[spec]
    if masks and not module.HAS_MASKS:
        raise UserError(f"{spec}: has no face labels; use builtin:procedural-faces")
    items = tuple(
        BuiltinItem(id, split, module.load, masks) for id, split in sorted(module.SPLIT_OF.items())
    )
    return Source(spec, items, {"kind": module.KIND, **_counts(items)})


def _folder(spec: str, root: Path, masks: bool) -> Source:
    named = [name for name in SPLITS if (root / name).is_dir()]
    folders: dict[Path, str | None] = {root / name: name for name in named}
    folders = folders or {root: None}
    layouts = {folder: _layout(root, folder, masks) for folder in folders}
    items: list[FileItem] = []
    skipped = 0
    for folder, split in folders.items():
        layout = layouts[folder]
        # Where labels lie beside the images, only the images are pictures, asked for or not.
        paths, outside = _pictures(root, folder / layout.images if layout else folder)
        skipped += outside
        used = layout if masks else None
        items += [FileItem(_id(root, path), split, path, folder, used) for path in paths]
    if not items:
        raise UserError(f"{spec}: no pictures here (jpg, png, webp, tif, bmp, pgm, ppm)")
    description = {
        "kind": "folder",
        "layout": ", ".join(sorted({each.name if each else "images" for each in layouts.values()})),
        "links_skipped": str(skipped),
        **_counts(items),
    }
    return Source(spec, tuple(sorted(items, key=lambda item: item.id)), description)


def _layout(root: Path, folder: Path, masks: bool) -> Layout | None:
    _refuse_outside_link(root, folder)
    layout = find_layout(folder)
    if masks and layout is None:
        pairs = (f"{each.images}/ beside {each.labels}/ ({each.name})" for each in LAYOUTS)
        raise UserError(f"{folder}: no face labels here; understood are {', '.join(pairs)}")
    return layout


def _pictures(root: Path, folder: Path) -> tuple[list[Path], int]:
    """The pictures below `folder`, and how many links were skipped because they leave `root`."""
    _refuse_outside_link(root, folder)
    real = root.resolve()
    found = image_files(folder)
    kept = [path for path in found if path.resolve().is_relative_to(real)]
    return kept, len(found) - len(kept)


def _refuse_outside_link(root: Path, folder: Path) -> None:
    # Skipping a whole split without a word would make another data set than the one asked for.
    if not folder.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{folder}: a link that leads out of {root}; put the folder itself there")


def _id(root: Path, path: Path) -> str:
    name = path.relative_to(root).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UserError(f"{root}: the file name {name!r} is not UTF-8; rename it") from None
    return name


def _counts(items: Sequence[SourceItem]) -> dict[str, str]:
    counts = Counter(item.split or "no split stated" for item in items)
    return {"images": str(len(items)), **{name: str(n) for name, n in sorted(counts.items())}}


# Name -> the module that lists (SPLIT_OF), reads (load) and describes (KIND, HAS_MASKS) it.
BUILTIN: dict[str, ModuleType] = {
    "builtin:photos": builtin_photos,
    "builtin:procedural-faces": procedural_faces,
}
