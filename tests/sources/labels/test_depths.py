"""Depth maps beside the pictures of a source, and what of them is no map."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tiny_data

from blurbench.datasets.make import synthesize
from blurbench.datasets.verify import verify
from blurbench.engine import Workers
from blurbench.errors import UserError
from blurbench.files import read_jsonl
from blurbench.images import BadImage, encode
from blurbench.recipes.recipe import Recipe
from blurbench.sources.open import open_for

SIZE = (80, 96)


def recipe(**blur: Any) -> Recipe:
    lens = {"family": "defocus", "aperture": [3.0, 3.0], "focus": [0.5, 0.5], **blur}
    return tiny_data.flow_recipe(blur=lens, crop__borders=False, noise__sigma=0.0)


def depths(seed: int) -> np.ndarray:
    """(H, W) uint16: a wall, and a box that is four times as near."""
    stored = np.full(SIZE, 40000 + seed, np.uint16)
    stored[20:50, 30:60] = 10000
    return stored


def write(root: Path, count: int = 3, folder: str = "") -> Path:
    for name in ("images", "depth"):
        (root / folder / name).mkdir(parents=True, exist_ok=True)
    for n in range(count):
        cv2.imwrite(str(root / folder / "images" / f"{n}.jpg"), tiny_data.picture(n, *SIZE))
        (root / folder / "depth" / f"{n}.png").write_bytes(encode(depths(n)))
    return root


@pytest.mark.parametrize("folder", ["", "test"])
def test_each_picture_has_its_map(tmp_path: Path, folder: str) -> None:
    source = open_for(recipe(depth="map"), str(write(tmp_path, folder=folder)))
    assert [Path(item.id).parent.name for item in source.items] == ["images"] * 3
    for n, item in enumerate(source.items):
        np.testing.assert_array_equal(item.load().depth, depths(n))
    assert source.description["depth"] == "maps of 3 pictures"
    assert (source.lacks, source.notes) == ([], [])


def test_behind_a_url_they_are_the_same(tmp_path: Path) -> None:
    write(tmp_path)
    found = [
        open_for(recipe(depth="map"), spec).items[1].load().depth
        for spec in (str(tmp_path), tmp_path.as_uri())
    ]
    np.testing.assert_array_equal(*found)


def test_a_smaller_map_is_enlarged_and_8_bits_are_read(tmp_path: Path) -> None:
    write(tmp_path, 1)
    small = np.arange(SIZE[0] * SIZE[1] // 4).reshape(SIZE[0] // 2, -1).astype(np.uint8)
    (tmp_path / "depth" / "0.png").write_bytes(encode(small))
    found = open_for(recipe(depth="map"), str(tmp_path)).items[0].load().depth
    np.testing.assert_array_equal(found, np.kron(small, np.ones((2, 2), np.uint8)))
    assert found.dtype == np.uint16


def test_what_is_missing_or_left_over_is_told(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "depth" / "1.png").rename(tmp_path / "depth" / "more.png")
    source = open_for(recipe(depth="map"), str(tmp_path))
    assert source.items[1].problem == "no depth map"
    assert source.lacks == ["1 map of no picture (first: depth/more.png)"]


def test_a_source_without_maps_is_refused(tmp_path: Path) -> None:
    (write(tmp_path) / "depth").rename(tmp_path / "depths")
    with pytest.raises(UserError, match=r"no depth maps here; looked for depth/NAME\.png beside"):
        open_for(recipe(depth="map"), str(tmp_path))
    with pytest.raises(UserError, match="has no depth maps"):
        open_for(recipe(depth="map"), "builtin:photos")


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        (np.zeros((*SIZE, 3), np.uint8), r"depth/0\.png: a depth map is grey"),
        (np.zeros((40, 40), np.uint16), r"depth/0\.png: labels of another shape"),
        (None, r"depth/0\.png: .*damaged"),
    ],
)
def test_what_is_no_map_names_its_file(tmp_path: Path, stored: Any, told: str) -> None:
    write(tmp_path, 1)
    data = encode(depths(0))[:-40] if stored is None else encode(stored)
    (tmp_path / "depth" / "0.png").write_bytes(data)
    with pytest.raises(BadImage, match=told):
        open_for(recipe(depth="map"), str(tmp_path)).items[0].load()


def test_one_digest_for_any_workers_and_other_maps_are_another_set(tmp_path: Path) -> None:
    made, source = recipe(depth="map"), str(write(tmp_path / "in"))
    one = synthesize(made, open_for(made, source), tmp_path / "one")
    two = synthesize(
        made, open_for(made, source), tmp_path / "two", workers=Workers(2), shard_size=1
    )
    assert one.digest == two.digest
    assert verify(tmp_path / "one") == []
    (tmp_path / "in" / "depth" / "0.png").write_bytes(encode(depths(0)[::-1]))
    other = synthesize(made, open_for(made, source), tmp_path / "other")
    assert other.digest != one.digest


def test_things_of_a_list_are_near(tmp_path: Path) -> None:
    """Of COCO's instances: one label for all of them in the rows."""
    root = write(tmp_path / "in", 1)
    (root / "depth").rename(tmp_path / "depth")
    square = [[30.0, 20.0, 60.0, 20.0, 60.0, 50.0, 30.0, 50.0]]
    second = [[70.0, 20.0, 90.0, 20.0, 90.0, 70.0, 70.0, 70.0]]
    document = {
        "images": [{"id": 0, "file_name": "0.jpg", "height": SIZE[0], "width": SIZE[1]}],
        "annotations": [
            {"id": n, "image_id": 0, "segmentation": each}
            for n, each in enumerate([square, second])
        ],
    }
    (root / "instances.json").write_text(json.dumps(document))
    lens = {"family": "defocus", "depth": "mask", "aperture": [4.0, 4.0], "focus": [1.0, 1.0]}
    made = tiny_data.flow_recipe(blur=lens, labels=["mask"], crop__borders=False)
    out = tmp_path / "out"
    synthesize(made, open_for(made, str(root)), out)
    (split,) = [each.name for each in out.iterdir() if (each / "metadata.jsonl").exists()]
    row = next(iter(read_jsonl(out / split / "metadata.jsonl")))
    mask = cv2.imread(str(out / split / row["mask_file_name"]), cv2.IMREAD_UNCHANGED)
    assert (set(np.unique(mask)), mask[30, 40], mask[30, 80]) == ({0, 1}, 1, 1)
    assert "boxes" not in row
