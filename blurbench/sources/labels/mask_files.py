"""Files in a folder beside the pictures: of all labels, or one an object; or depth maps."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from blurbench.errors import UserError
from blurbench.images import BadImage, decode_labels
from blurbench.names import path_of, spelled
from blurbench.sources.items import SPLITS, PictureItem
from blurbench.sources.labels.depths import DEPTH_FOLDERS, DepthFile
from blurbench.sources.labels.files import KnownLabels, LabelFiles, ShownLabels, match
from blurbench.sources.labels.masks import fitted
from blurbench.sources.labels.objects import stacked
from blurbench.stores.store import Store
from blurbench.words import counted

# Pictures -> masks, as folders beside each other: ours, Pascal VOC's, DAVIS'.
MASK_FOLDERS = (
    ("images", "instances"),
    ("JPEGImages", "SegmentationObject"),
    ("JPEGImages", "Annotations"),
)
VOID = 255  # what Pascal VOC writes along the edges of objects, where nobody knows


@dataclass(frozen=True)
class MaskFiles:
    """The files of a picture's objects."""

    store: Store
    names: tuple[str, ...]
    whole: bool  # whether the one file holds the labels of all; else one is what is not 0 in its

    def draw(self, name: str, size: tuple[int, int]) -> np.ndarray:
        """(H, W) uint8 of the picture `name`; BadImage names a damaged file."""
        planes = [self._read(file) for file in self.names]
        for file, plane in zip(self.names, planes, strict=True):
            if plane.shape != planes[0].shape:
                raise BadImage(f"{file}: not the size of the other masks of {name}")
        if not self.whole:
            return stacked((plane > 0 for plane in planes), self.names[0], size)
        labels = np.where(planes[0] == VOID, 0, planes[0]).astype(np.uint8)
        return fitted(labels, self.names[0], size)

    def identity(self) -> bytes:
        """The names alone: rows hold hashes of the masks themselves."""
        return "\0".join(self.names).encode()

    def _read(self, file: str) -> np.ndarray:
        try:
            return decode_labels(self.store.read(file), file)
        except OSError as error:
            raise BadImage(f"{file}: cannot be read ({error.strerror})") from None


def mask_folders(
    names: Iterable[str], known: Sequence[tuple[str, str]] = MASK_FOLDERS
) -> tuple[str, str] | None:
    """Those of the `known` folders that are together in one place."""
    there = set(names)
    return next((each for each in known if {*each} <= there), None)


def masks_among(
    names: Iterable[str], beside: Sequence[tuple[str, str]] = MASK_FOLDERS
) -> dict[str, str]:
    """The names of mask files -> what their picture would be called, but for the extension."""
    folders = {masks: images for images, masks in beside}
    found: dict[str, str] = {}
    for name in names:
        parts = list(PurePosixPath(name).parts)
        at = 1 if parts[0] in SPLITS else 0
        if len(parts) > at + 1 and parts[at] in folders:
            parts[at] = folders[parts[at]]
            found[name] = "/".join(parts)
    return found


def read_mask_files(
    files: LabelFiles, masks: Mapping[str, str], pictures: Sequence[PictureItem]
) -> ShownLabels:
    """What of `masks_among` is each picture's: its own file, or all in the folder of its name."""
    ids = [each.id for each in pictures]
    whole, parts, strays = _sorted_out(masks, ids)
    objects = {id: MaskFiles(files.store, (name,), True) for id, name in whole.items()}
    for id, names in parts.items():
        objects.setdefault(id, MaskFiles(files.store, tuple(sorted(names)), False))
    words = {"objects": f"masks of {counted(len(objects), 'picture')}"}
    if strays:
        words["objects_lost"] = f"{counted(len(strays), 'mask')} of no picture (first: {strays[0]})"
    told = {id: _tell(objects.get(id)) for id in ids}
    return ShownLabels(told, words)


def read_depth_files(files: LabelFiles, pictures: Sequence[PictureItem], spec: str) -> ShownLabels:
    """The depth map of every picture; UserError where there is none at all."""
    maps = masks_among(files.names, DEPTH_FOLDERS)
    if not maps:
        looked = f"{DEPTH_FOLDERS[0][1]}/NAME.png beside {DEPTH_FOLDERS[0][0]}/NAME.jpg"
        raise UserError(f"{spec}: no depth maps here; looked for {looked}")
    whole, parts, strays = _sorted_out(maps, [each.id for each in pictures])
    strays += [name for names in parts.values() for name in names]
    found = {id: KnownLabels(depth=DepthFile(files.store, name)) for id, name in whole.items()}
    words = {"depth": f"maps of {counted(len(found), 'picture')}"}
    if strays:
        words["depth_lost"] = f"{counted(len(strays), 'map')} of no picture (first: {strays[0]})"
    none = KnownLabels(problem="no depth map")
    return ShownLabels({each.id: found.get(each.id, none) for each in pictures}, words)


def _sorted_out(
    masks: Mapping[str, str], ids: Sequence[str]
) -> tuple[dict[str, str], dict[str, list[str]], list[str]]:
    """Picture -> its mask; picture -> its masks; masks of no picture."""
    exact = {path_of(id): id for id in ids}
    whole: dict[str, str] = {}
    parts: dict[str, list[str]] = defaultdict(list)
    left: dict[str, str] = {}
    for name, place in masks.items():
        folder = spelled(str(PurePosixPath(place).parent))
        if (id := exact.get(path_of(place))) and id not in whole:
            whole[id] = name
        elif id := exact.get(folder):
            parts[id].append(name)
        else:
            left[place] = name
    # Named otherwise, as 0001_mask.png.
    loose = match(left, [id for id in ids if id not in whole and id not in parts])
    whole |= {id: left.pop(place) for place, id in loose.ids.items()}
    return whole, parts, sorted(left.values())


def _tell(masks: MaskFiles | None) -> KnownLabels:
    return KnownLabels(objects=masks, problem=None if masks else "no mask of its objects")
