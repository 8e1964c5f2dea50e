"""Parsed faces: label pictures of three data sets, grouped into UMSN's four classes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from blurbench.images import BadImage, decode, decode_labels, read_bytes

# m1..m4 of the UMSN paper (Yasarla et al., IEEE TIP 2020, section III).
BACKGROUND, SKIN, PARTS, HAIR = 0, 1, 2, 3
CLASS_COUNT = 4

# The 19 classes of CelebAMask-HQ, in the order of its palette. UMSN's own masks come from a network
# that saw Helen, where ears, neck and everything worn are background; so they are here. Glasses lie
# over the eyes, which Helen labels as eyes through the lenses.
CELEBAMASK: dict[str, int] = {
    "background": BACKGROUND,
    "skin": SKIN,
    "nose": PARTS,
    "eye_g": PARTS,
    "l_eye": PARTS,
    "r_eye": PARTS,
    "l_brow": PARTS,
    "r_brow": PARTS,
    "l_ear": BACKGROUND,
    "r_ear": BACKGROUND,
    "mouth": PARTS,
    "u_lip": PARTS,
    "l_lip": PARTS,
    "hair": HAIR,
    "hat": BACKGROUND,
    "ear_r": BACKGROUND,
    "neck_l": BACKGROUND,
    "neck": BACKGROUND,
    "cloth": BACKGROUND,
}

# The 11 planes of Helen as parsed by Smith et al., CVPR 2013: NAME_lbl00.png to NAME_lbl10.png.
HELEN: dict[str, int] = {
    "background": BACKGROUND,
    "face skin": SKIN,
    "left eyebrow": PARTS,
    "right eyebrow": PARTS,
    "left eye": PARTS,
    "right eye": PARTS,
    "nose": PARTS,
    "upper lip": PARTS,
    "inner mouth": PARTS,
    "lower lip": PARTS,
    "hair": HAIR,
}


@dataclass(frozen=True)
class MaskLayout:
    """How a folder of parsed faces is laid out: `images` and `labels` are folders inside it."""

    name: str
    images: str
    labels: str
    read: Callable[[Path, Path], np.ndarray]  # labels folder, NAME -> (h, w) uint8 in 0..3
    files: Callable[[Path], list[str]]  # NAME -> where its labels may lie in the labels folder


def find_layout(folder: Path) -> MaskLayout | None:
    """The layout of parsed faces that `folder` has, if any."""
    for layout in LAYOUTS:
        if (folder / layout.images).is_dir() and (folder / layout.labels).is_dir():
            return layout
    return None


def why_unlabelled(layout: MaskLayout, folder: Path, image: Path) -> str | None:
    """Why `image`, a path below `folder`, has no labels; None where some file of them is there."""
    files = layout.files(image.relative_to(folder / layout.images).with_suffix(""))
    labels = folder / layout.labels
    if not files or any((labels / file).exists() for file in files):
        return None
    return f"no face labels, looked for {layout.labels}/{files[0]}"


def read_mask(layout: MaskLayout, folder: Path, image: Path, size: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8 labels 0..3 of `image`, a path below `folder`; `size` is (H, W) of the image.

    BadImage names the label file that is missing, damaged or of another shape; CelebAMask-HQ has
    1024 px images and 512 px masks, so labels of the same shape are resized by nearest neighbour.
    """
    name = image.relative_to(folder / layout.images).with_suffix("")
    return fitted(
        layout.read(folder / layout.labels, name), str(folder / layout.labels / name), size
    )


def fitted(labels: np.ndarray, name: str, size: tuple[int, int]) -> np.ndarray:
    """Labels in a picture's size, by nearest neighbour; BadImage names those of another shape."""
    height, width = labels.shape
    if (height, width) == size:
        return labels
    if abs(height * size[1] - width * size[0]) > max(size):
        shape = f"{width}x{height}, the image is {size[1]}x{size[0]}"
        raise BadImage(f"{name}: labels of another shape ({shape})")
    # What lies in columns, as pycocotools draws it, OpenCV would first copy whole.
    columns = not labels.flags.c_contiguous
    drawn = cv2.resize(
        labels.T if columns else labels,
        size if columns else size[::-1],
        interpolation=cv2.INTER_NEAREST_EXACT,
    )
    return np.ascontiguousarray(drawn.T if columns else drawn)


def palette_files(name: Path) -> list[str]:
    """The one label picture of a face."""
    return [f"{name}.png"]


def read_palette(folder: Path, name: Path) -> np.ndarray:
    """Labels of folder/NAME.png, whose pixels are the indices 0..18 of `CELEBAMASK`."""
    path = folder / palette_files(name)[0]
    labels = decode_labels(read_bytes(path), str(path))
    if labels.max() >= len(CELEBAMASK):
        raise BadImage(f"{path}: label {labels.max()} is outside 0..{len(CELEBAMASK) - 1}")
    return group(labels, CELEBAMASK)


def plane_files(name: Path) -> list[str]:
    """The eleven planes of a face."""
    return [f"{name}/{name.name}_lbl{index:02d}.png" for index in range(len(HELEN))]


def read_planes(folder: Path, name: Path) -> np.ndarray:
    """Labels of folder/NAME/NAME_lbl00.png to _lbl10.png: the strongest of `HELEN`'s planes."""
    planes: list[np.ndarray] = []
    for file in plane_files(name):
        path = folder / file
        planes.append(decode_labels(read_bytes(path), str(path)))
        if planes[-1].shape != planes[0].shape:
            raise BadImage(f"{path}: not the size of this face's other planes")
    return group(np.argmax(planes, axis=0), HELEN)


def part_files(name: Path) -> list[str]:
    """The parts that a face may have; none of a face that is not named by a number."""
    if not name.name.isdecimal():
        return []
    number = int(name.name)
    return [f"{number // 2000}/{number:05d}_{part}.png" for part in list(CELEBAMASK)[1:]]


def read_parts(folder: Path, name: Path) -> np.ndarray:
    """Labels of CelebAMask-HQ as it is released: one picture a part, in folder/(N // 2000).

    Parts that a face lacks have no file; later parts lie over earlier ones, as in the release's
    own g_mask.py.
    """
    files = part_files(name)
    if not files:
        raise BadImage(f"{folder / name}: CelebAMask-HQ names its images by number")
    labels: np.ndarray | None = None
    for file, group_label in zip(files, list(CELEBAMASK.values())[1:], strict=True):
        path = folder / file
        if not path.is_file():
            continue
        drawn = decode(read_bytes(path), str(path)).any(axis=2)
        labels = np.zeros(drawn.shape, np.uint8) if labels is None else labels
        if drawn.shape != labels.shape:
            raise BadImage(f"{path}: not the size of this face's other parts")
        labels[drawn] = group_label
    if labels is None:
        raise BadImage(f"{(folder / files[0]).parent}: no part of face {name.name}")
    return labels


def group(labels: np.ndarray, table: dict[str, int]) -> np.ndarray:
    """(H, W) indices into `table` -> (H, W) uint8 classes 0..3."""
    out: np.ndarray = np.array(list(table.values()), np.uint8)[labels]
    return out


LAYOUTS = (
    MaskLayout("CelebAMask palettes", "images", "masks", read_palette, palette_files),
    MaskLayout("Helen planes", "images", "labels", read_planes, plane_files),
    MaskLayout(
        "CelebAMask-HQ parts", "CelebA-HQ-img", "CelebAMask-HQ-mask-anno", read_parts, part_files
    ),
)
