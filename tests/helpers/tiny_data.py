"""Tiny pictures and recipes that the tests of data sets share."""

import copy
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from blurbench.recipes.recipe import Recipe, parse_recipe

PHOTOS = 12  # pictures in the shared source
FLOW: dict[str, Any] = {
    "name": "tiny",
    "title": "tiny",
    "source": "tests",
    "citation": "none",
    "licence": "none",
    "provenance": "none",
    "replicas": {"train": 2},
    "splits": {"train": 0.5, "val": 0.25, "test": 0.25},
    "blur": {"family": "motion_flow", "preset": "mild", "severity": [0.1, 0.5]},
    "crop": {"borders": True},
}
FACES: dict[str, Any] = {
    **FLOW,
    "name": "tiny-faces",
    "labels": ["mask"],
    "prepare": {"resize": [48, 48]},
    "blur": {"family": "trajectory", "sizes": [7, 9], "anxiety": [0.0, 0.1]},
    "crop": {"center": 32},
    "noise": {"sigma": 0.02},
}


def document(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with values set at dotted paths."""
    changed = copy.deepcopy(base)
    for path, value in changes.items():
        *tables, name = path.split(".")
        table = changed
        for each in tables:
            table = table.setdefault(each, {})
        table[name] = value
    return changed


def flow_recipe(**changes: Any) -> Recipe:
    """A recipe of motion flow; "blur__severity" stands for blur.severity."""
    return _recipe(FLOW, changes)


def face_recipe(**changes: Any) -> Recipe:
    """A recipe of trajectory kernels with masks and noise."""
    return _recipe(FACES, changes)


def _recipe(base: dict[str, Any], changes: dict[str, Any]) -> Recipe:
    named = {path.replace("__", "."): value for path, value in changes.items()}
    return parse_recipe(document(base, named), "tiny.toml")


def picture(seed: int, height: int = 60, width: int = 72) -> np.ndarray:
    """(H, W, 3) uint8 of coloured blocks of 6 px."""
    small = np.random.default_rng(seed).integers(0, 256, (height // 6, width // 6, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)


def write_photos(folder: Path, count: int, first: int = 0) -> Path:
    """`count` pictures named by their seed; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        cv2.imwrite(str(folder / f"{seed:03d}.png"), picture(seed)[..., ::-1])
    return folder


def write_faces(folder: Path, count: int) -> Path:
    """Pictures with CelebAMask palettes, in a train folder; gives the root."""
    write_photos(folder / "train" / "images", count)
    labels = folder / "train" / "masks"
    labels.mkdir()
    for seed in range(count):
        mask = np.random.default_rng(seed).integers(0, 19, (60, 72), np.uint8)
        cv2.imwrite(str(labels / f"{seed:03d}.png"), mask)
    return folder
