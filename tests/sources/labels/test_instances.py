"""Objects of a source: COCO's lists and mask folders, and what of them is left out is told."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_data
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from blurbench.datasets.make import synthesize
from blurbench.errors import UserError
from blurbench.images import BadImage
from blurbench.recipes.recipe import Recipe, load_recipe
from blurbench.sources.labels.objects import outline_of, stacked
from blurbench.sources.open import open_for

SIZE = (40, 50)
FLOW = {"family": "motion_flow", "preset": "mild", "target": {"bins": [[2.0, 3.0]]}}
SQUARE = [[10.0, 8.0, 20.0, 8.0, 20.0, 16.0, 10.0, 16.0]]  # columns 10 to 19, rows 8 to 15


def recipe(**changes: object) -> Recipe:
    blur = {"family": "layers", "background": FLOW, "objects": FLOW}
    return tiny_data.flow_recipe(blur=blur, labels=["mask"], crop__borders=False, **changes)


def plane(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """(H, W) uint8: box number n is n."""
    drawn = np.zeros(SIZE, np.uint8)
    for n, (top, left, height, width) in enumerate(boxes, start=1):
        drawn[top : top + height, left : left + width] = n
    return drawn


def write(root: Path, annotations: list[dict], names=("a.jpg", "b.jpg"), folder="", **more) -> str:
    """Two pictures below images/ and a list of COCO's; gives the root as a source."""
    for n, name in enumerate(names):
        (root / "images").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "images" / name), tiny_data.picture(n, *SIZE))
    images = [
        {"id": n, "file_name": name, "height": SIZE[0], "width": SIZE[1]}
        for n, name in enumerate(names)
    ]
    categories = [{"id": 1, "name": "dog"}, {"id": 2, "name": "bed"}]
    document = {"images": images, "annotations": annotations, "categories": categories, **more}
    (root / folder).mkdir(exist_ok=True)
    (root / folder / "instances_x.json").write_text(json.dumps(document))
    return str(root)


def told(id: int, segmentation, image: int = 0, **more) -> dict:
    return {
        "id": id,
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "segmentation": segmentation,
        **more,
    }


def runs(mask: np.ndarray, compressed: bool = True) -> dict:
    """A mask as COCO's run lengths."""
    if compressed:
        found = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        return {"size": list(mask.shape), "counts": found["counts"].decode()}
    flat = np.concatenate([[0], mask.astype(int).ravel(order="F")])
    ends = np.flatnonzero(np.diff(flat, append=2))
    return {"size": list(mask.shape), "counts": np.diff(ends, prepend=-1 + 1).tolist()}


@pytest.mark.parametrize("folder", ["", "annotations"])
def test_polygons_and_run_lengths_become_labels(tmp_path, folder):
    small, other = plane((10, 12, 4, 5)) > 0, plane((20, 30, 8, 8)) > 0
    source = open_for(
        recipe(),
        write(
            tmp_path,
            [
                told(1, runs(small)),
                told(2, SQUARE),
                told(3, runs(other), image=1),
                told(4, runs(small, compressed=False), image=1),
            ],
            folder=folder,
        ),
    )
    wanted = plane((8, 10, 8, 10))
    wanted[small] = 2  # the smaller one lies in front
    first, second = (item.load().mask for item in source.items)
    np.testing.assert_array_equal(first, wanted)
    np.testing.assert_array_equal(second, np.select([other, small], [1, 2]))
    assert source.description["objects"].startswith("4 objects in 2 pictures (")
    assert (source.lacks, source.notes) == ([], [])


def test_a_list_of_larger_pictures_is_drawn_in_their_size(tmp_path):
    large = np.kron(plane((8, 10, 8, 10)), np.ones((2, 2), np.uint8))
    images = [{"id": 0, "file_name": "a.jpg", "height": 80, "width": 100}]
    spec = write(tmp_path, [told(1, runs(large))], ("a.jpg",), images=images)
    np.testing.assert_array_equal(
        open_for(recipe(), spec).items[0].load().mask, plane((8, 10, 8, 10))
    )
    images[0]["height"] = 50
    write(tmp_path, [told(1, SQUARE)], ("a.jpg",), images=images)
    with pytest.raises(BadImage, match=r"images/a\.jpg: labels of another shape \(100x50"):
        open_for(recipe(), spec).items[0].load()


def test_crowds_and_background_classes_stay_unless_asked_for(tmp_path):
    crowd, bed = told(1, runs(plane((0, 0, 9, 9)) > 0), iscrowd=1), told(2, SQUARE, category_id=2)
    dog = [told(9, runs(plane((30, 30, 9, 9)))), told(8, SQUARE, image=1)]
    spec = write(tmp_path, [crowd, bed, *dog])
    objects = {"background": ["bed"]}
    source = open_for(recipe(objects=objects), spec)
    assert source.items[0].load().mask.max() == 1
    (note,) = source.notes
    assert note.startswith("1 object of a crowd, not cut out, as the recipe has it (first: inst")
    assert "1 object of classes that are background" in note
    assert open_for(recipe(objects={"crowds": True}), spec).items[0].load().mask.max() == 3
    with pytest.raises(UserError, match="objects are for family"):
        tiny_data.flow_recipe(objects=objects)


def test_what_cannot_be_drawn_is_told_by_number_and_first_name(tmp_path):
    broken = [
        [],
        [[1, 2, 3, 4]],
        [[0, 0, 9, 0, 9, 9, 3]],
        [[0, 0, 9, 0, 9, 1e9]],
        [["a"] * 6],
        {"size": [40, 51], "counts": [40 * 51]},
        {"size": [40, 50], "counts": [1999]},
        {"size": [40, 50], "counts": "zzz"},
        {"size": [40, 50], "counts": "\x01"},
        None,
    ]
    lost = [told(n, each) for n, each in enumerate(broken, start=10)]
    spec = write(
        tmp_path,
        [told(1, SQUARE), told(1, runs(plane((0, 0, 9, 9)))), told(2, SQUARE, image=7), *lost],
    )
    source = open_for(recipe(), spec)
    assert source.lacks == [
        "1 object whose number another one of the same picture has, left out (first: "
        "instances_x.json: 1 of a.jpg); "
        "1 object of pictures that their list does not name, left out (first: instances_x.json: 2)"
        "; 10 objects with a broken outline, left out (first: instances_x.json: 10 of a.jpg)"
    ]
    np.testing.assert_array_equal(source.items[0].load().mask, plane((8, 10, 8, 10)))
    with pytest.raises(BadImage, match=r"images/b\.jpg: no object \(looked into instances_x"):
        source.items[1].load()


def test_lists_of_other_pictures_and_broken_ones_are_refused(tmp_path):
    spec = write(tmp_path, [told(1, SQUARE)])
    one = {"id": 0, "file_name": "a.jpg", "height": 40, "width": 50}
    for images, why in [
        ([one, {**one, "file_name": "b.jpg"}], r"image 0 is a\.jpg and b\.jpg; give each its own"),
        ([{**one, "height": 0}], r"a\.jpg cannot be 50x0 px"),
        ([{"id": 0, "file_name": "a.jpg"}], "lacks the field images.0.height"),
        ([{**one, "file_name": "q.jpg"}], "names no object of these pictures"),
    ]:
        write(tmp_path, [told(1, SQUARE)], images=images)
        with pytest.raises(UserError, match=why):
            open_for(recipe(), spec)


def test_a_folder_without_objects_tells_what_was_looked_for(tmp_path):
    tiny_data.write_photos(tmp_path, 2)
    with pytest.raises(UserError, match=r"no objects here; looked for COCO's instances\*\.json"):
        open_for(recipe(), str(tmp_path))
    with pytest.raises(UserError, match="builtin:photos: has no objects"):
        open_for(recipe(), "builtin:photos")


def mask_file(root: Path, name: str, labels: np.ndarray) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(root / name), labels)


@pytest.mark.parametrize("split", ["", "train/"])
def test_masks_in_a_folder(tmp_path, split):
    names = ("1.jpg", "2.jpg", "seq/3.jpg", "4.jpg")
    for n, name in enumerate(names):
        mask_file(tmp_path, f"{split}images/{name}", tiny_data.picture(n, *SIZE))
    labels, small = plane((2, 2, 9, 9), (20, 20, 5, 5)), plane((3, 3, 4, 4))
    labels[0] = 255
    mask_file(tmp_path, f"{split}instances/1.png", labels)
    mask_file(tmp_path, f"{split}instances/2/first.png", small * 9)
    mask_file(tmp_path, f"{split}instances/2/second.png", plane((2, 2, 9, 9)) * 255)
    mask_file(tmp_path, f"{split}instances/seq/3.png", small)
    mask_file(tmp_path, f"{split}instances/elsewhere/9.png", small)
    source = open_for(recipe(), str(tmp_path))
    masks = {item.id.removeprefix(f"{split}images/"): item for item in source.items}
    assert sorted(masks) == sorted(names)
    labels[0] = 0
    np.testing.assert_array_equal(masks["1.jpg"].load().mask, labels)
    both = plane((2, 2, 9, 9))
    both[small > 0] = 2
    np.testing.assert_array_equal(masks["2.jpg"].load().mask, both)
    np.testing.assert_array_equal(masks["seq/3.jpg"].load().mask, small)
    with pytest.raises(BadImage, match=r"4\.jpg: no mask of its objects"):
        masks["4.jpg"].load()
    first = f"{split}instances/elsewhere/9.png"
    assert source.lacks == [f"1 mask of no picture (first: {first})"]


def test_masks_named_otherwise_and_of_another_size(tmp_path):
    for n in (7, 8):
        mask_file(tmp_path, f"images/000{n}.jpg", tiny_data.picture(n, *SIZE))
    mask_file(tmp_path, "instances/0007_mask.png", plane((2, 2, 9, 9)))
    mask_file(tmp_path, "instances/0008_mask.png", plane((2, 2, 9, 9))[:30])
    first, second = open_for(recipe(), str(tmp_path)).items
    np.testing.assert_array_equal(first.load().mask, plane((2, 2, 9, 9)))
    with pytest.raises(BadImage, match=r"instances/0008_mask\.png: labels of another shape"):
        second.load()


def test_other_objects_of_the_same_pictures_are_another_data_set(tmp_path):
    spec = write(tmp_path / "in", [told(1, SQUARE), told(2, SQUARE, image=1)])
    synthesize(recipe(), open_for(recipe(), spec), tmp_path / "out")
    write(tmp_path / "in", [told(1, SQUARE), told(2, runs(plane((5, 5, 20, 20))), image=1)])
    with pytest.raises(UserError, match="the labels were changed"):
        synthesize(recipe(), open_for(recipe(), spec), tmp_path / "out")


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_outlines_are_what_pycocotools_draws(seed):
    random = np.random.default_rng(seed)
    mask = random.random(SIZE) < random.uniform(0.02, 0.98)
    for each in (runs(mask), runs(mask, compressed=False)):
        np.testing.assert_array_equal(outline_of(each, SIZE).draw(SIZE), mask)
    points = random.uniform(-5, 55, (7, 2)).ravel().tolist()
    drawn = coco.decode(coco.merge(coco.frPyObjects([points], *SIZE)))
    np.testing.assert_array_equal(outline_of([points], SIZE).draw(SIZE), drawn)


@given(st.text(st.characters(min_codepoint=40, max_codepoint=115), max_size=12))
@settings(max_examples=300, deadline=None)
def test_run_lengths_that_are_torn_are_never_drawn(text):
    found = outline_of({"size": [4, 5], "counts": text}, (4, 5))
    if found:
        # Runs that sum to the picture: pycocotools finds them so, too.
        again = coco.encode(np.asfortranarray(found.draw((4, 5)).astype(np.uint8)))
        assert coco.area(again) == found.draw((4, 5)).sum()


def test_of_more_objects_than_labels_the_largest_are_kept():
    masks = []
    for n in range(300):
        masks.append(np.zeros((40, 300), bool))
        masks[-1][: 1 + n % 40, n] = True
    labels = stacked(masks, "a", masks[0].shape)
    assert labels.max() == 255
    assert (labels[0] == 0).sum() == 45
    assert all((labels[0, n] > 0) or (1 + n % 40 <= 6) for n in range(300))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_objects_of_another_size_are_as_if_all_were_drawn_in_it_first(seed):
    random = np.random.default_rng(seed)
    small = tuple(int(side) for side in random.integers(1, 40, 2))
    large = tuple(side * int(random.integers(2, 5)) for side in small)
    large = (large[0], round(large[0] * small[1] / small[0]) or 1)
    masks = [random.random(large) < 0.5 for _ in range(4)]
    masks += [np.asfortranarray(mask) for mask in masks]
    once = stacked(masks, "a", large)
    wanted = cv2.resize(once, small[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    np.testing.assert_array_equal(stacked(masks, "a", small), wanted.reshape(small))


def test_a_size_that_cannot_be_costs_its_picture_before_it_is_drawn(tmp_path, monkeypatch):
    images = [
        {"id": n, "file_name": name, "height": 40 * times, "width": 50 * times}
        for n, (name, times) in enumerate((("a.jpg", 33), ("b.jpg", 32), ("c.jpg", 1)))
    ]
    objects = [told(n, SQUARE, image=n) for n in range(3)]
    spec = write(tmp_path, objects, ("a.jpg", "b.jpg", "c.jpg"), images=images)
    first, second, third = open_for(recipe(), spec).items
    with pytest.raises(BadImage, match=r"a\.jpg: its list has it as 1650x1320 px, over 32 times"):
        first.load()
    monkeypatch.setattr("blurbench.sources.labels.objects.shortage", lambda *_: "too little")
    with pytest.raises(BadImage, match=r"b\.jpg: its list has it as 1600x1280 px: too little"):
        second.load()
    monkeypatch.undo()
    assert second.load().mask is not None
    assert third.load().mask is not None


def test_lists_and_masks_behind_a_url(tmp_path):
    spec = write(tmp_path / "a", [told(1, SQUARE), told(2, SQUARE, image=1)])
    mask_file(tmp_path / "b", "JPEGImages/1.jpg", tiny_data.picture(1, *SIZE))
    mask_file(tmp_path / "b", "SegmentationObject/1.png", plane((8, 10, 8, 10)))
    for root, ids in (
        (spec, ["images/a.jpg", "images/b.jpg"]),
        (tmp_path / "b", ["JPEGImages/1.jpg"]),
    ):
        source = open_for(recipe(), f"file://{root}")
        assert [item.id for item in source.items] == ids
        for item in source.items:
            np.testing.assert_array_equal(item.load().mask, plane((8, 10, 8, 10)))


def test_coco_as_it_is(shared):
    folder = shared / "data" / "more" / "instances"
    if not folder.is_dir():
        pytest.skip("this reference data has no instances")
    source = open_for(load_recipe("sev-objects"), str(folder))
    assert source.description["objects"] == "766 objects in 89 pictures (instances.json)"
    assert source.lacks == []
    held = json.loads((folder / "instances.json").read_text())
    (crowd,) = [each for each in held["annotations"] if each["id"] == 43]
    size = crowd["segmentation"]["size"]
    outline = outline_of(crowd["segmentation"], tuple(size))
    assert outline.draw(tuple(size)).sum() == crowd["area"]
