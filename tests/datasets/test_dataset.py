import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import tiny_data
import torch

from blurbench.datasets import BlurDataset, OnTheFlyDataset
from blurbench.datasets.make import synthesize
from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.recipes.recipe import load_recipe
from blurbench.sources.open import open_for, open_source


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    root = tmp_path_factory.mktemp("faces")
    source = open_source(str(tiny_data.write_faces(root / "in", 3)), masks=True)
    synthesize(tiny_data.face_recipe(), source, root / "out")
    return source, root / "out"


def test_items_are_tensors_of_one_pair(faces):
    data = BlurDataset(faces[1], "train")
    assert len(data) == 6
    item = data[1]
    assert item["id"] == data.rows[1]["id"]
    for kind, channels in (("blur", 3), ("sharp", 3), ("mask", 4)):
        assert item[kind].shape == (channels, 32, 32)
        assert item[kind].dtype == torch.float32
        assert item[kind].min() >= 0
        assert item[kind].max() <= 1
    assert torch.equal(item["mask"].sum(0), torch.ones(32, 32))
    assert data.has("mask")
    assert not data.has("captions")
    assert data.recipe_name == "tiny-faces"
    assert data.digest == json.loads((faces[1] / "dataset.json").read_text())["digest"]
    assert [row["id"] for row in data.rows] == sorted(row["id"] for row in data.rows)


def test_on_the_fly_pairs_are_the_stored_pairs(faces):
    stored = BlurDataset(faces[1], "train")
    live = OnTheFlyDataset(tiny_data.face_recipe(), faces[0], "train")
    assert len(live) == 3
    by_id = {row["id"]: index for index, row in enumerate(stored.rows)}
    for index in range(len(live)):
        for replica in range(2):
            item = live.sample(index, replica)
            there = stored[by_id[item["id"]]]
            assert item.keys() == there.keys()
            for kind in ("blur", "sharp", "mask"):
                assert torch.equal(item[kind], there[kind])
    assert live.pair(0, 5).id not in by_id
    assert live.has("mask")
    assert live.digest != OnTheFlyDataset(tiny_data.face_recipe(), faces[0], "train", 1).digest


def test_on_the_fly_sources_are_those_that_the_rows_record(faces, tmp_path):
    sources = {"faces": (tiny_data.face_recipe(), faces[0], faces[1])}
    demo = load_recipe("demo")
    sources["built-in"] = (demo, open_source("builtin:photos"), tmp_path / "photos")
    average = {"family": "frame_average", "frames": [3, 5]}
    clips = tiny_data.flow_recipe(blur=average, crop={}, images={})
    tiny_data.write_photos(tmp_path / "clips" / "train" / "a", 12)
    sources["frames"] = (clips, open_for(clips, str(tmp_path / "clips")), tmp_path / "frames")
    for recipe, source, out in sources.values():
        synthesize(recipe, source, out)
        stored = BlurDataset(out, "train")
        found = OnTheFlyDataset(recipe, source, "train").sources()
        assert found == stored.sources() == {row["source_sha256"] for row in stored.rows}
        assert 1 < len(found) <= len(stored)


def test_nothing_is_learnt_from_what_cannot_be_read_or_used(tmp_path):
    folder = tiny_data.write_photos(tmp_path / "train", 3)
    source = open_source(str(tmp_path))
    (folder / "000.png").unlink()
    unusable = replace(source.items[1], problem="has no captions")
    source = replace(source, items=(source.items[0], unusable, source.items[2]))
    found = OnTheFlyDataset(tiny_data.flow_recipe(), source, "train").sources()
    assert found == {sha256((folder / "002.png").read_bytes())}


def test_sharp_images_are_read_once_while_the_cache_has_room(faces, monkeypatch):
    live = OnTheFlyDataset(tiny_data.face_recipe(), faces[0], "train")
    first = live.pair(0, 0)
    np.testing.assert_array_equal(first.blur, live.pair(0, 0).blur)
    assert list(live._cache) == [0]
    monkeypatch.setattr("blurbench.datasets.dataset.CACHE_BYTES", 0)
    live.pair(1, 0)
    assert list(live._cache) == [0]


def test_the_next_picture_stands_in_for_one_that_cannot_be_used(tmp_path):
    folder = tiny_data.write_photos(tmp_path / "train", 3)
    (folder / "000.png").write_text("damaged")
    (folder / "002.png").write_text("damaged")
    live = OnTheFlyDataset(tiny_data.flow_recipe(), open_source(str(tmp_path)), "train")
    for epoch in range(2):
        names = {live.sample(index, epoch)["id"] for index in range(3)}
        assert names == {live.pair(1, epoch).id}
    with pytest.raises(IndexError):
        live[3]
    (folder / "001.png").unlink()
    live._cache.clear()
    with pytest.raises(UserError, match=r"no picture of split 'train' can be used; one is .*000"):
        live[0]


def test_loader_processes_get_no_cache(faces):
    live = OnTheFlyDataset(tiny_data.face_recipe(), faces[0], "train")
    live.pair(0, 0)
    sent = pickle.loads(pickle.dumps(live))
    assert not sent._cache
    np.testing.assert_array_equal(sent.pair(0, 0).blur, live.pair(0, 0).blur)


def test_splits_are_in_the_order_of_their_use(tmp_path):
    for split in ("test", "train", "val"):
        tiny_data.write_photos(tmp_path / "in" / split, 1)
    source = open_source(str(tmp_path / "in"))
    synthesize(tiny_data.flow_recipe(), source, tmp_path / "out")
    live = OnTheFlyDataset(tiny_data.flow_recipe(), source, "val")
    stored = BlurDataset(tmp_path / "out", "val")
    assert live.splits == stored.splits == ("train", "val", "test")


def test_data_sets_travel_to_loader_processes(faces):
    data = pickle.loads(pickle.dumps(BlurDataset(faces[1], "train")))
    assert torch.equal(data[0]["blur"], BlurDataset(faces[1], "train")[0]["blur"])


def test_missing_things_are_told_in_one_line(faces, tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        BlurDataset(tmp_path / "nowhere", "train")
    with pytest.raises(UserError, match=r"no dataset.json here"):
        BlurDataset(tmp_path, "train")
    with pytest.raises(UserError, match="no split 'test'; there are: train; give --split train"):
        BlurDataset(faces[1], "test")
    with pytest.raises(UserError, match="no images for split 'test'; there are: train"):
        OnTheFlyDataset(tiny_data.face_recipe(), faces[0], "test")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[:-40], "line 4 is not valid JSON"),
        (lambda text: text[: text.rindex('{"id"')], "3 rows, but 4 were made"),
        (lambda text: "[]\n" + text, "line 1 is no JSON object"),
        (lambda text: text.replace("{", '{"mask_file_name": 5, ', 1), "line 1 is not the row"),
    ],
)
def test_torn_metadata_is_told(tmp_path, damage, words):
    source = open_source(str(tiny_data.write_photos(tmp_path / "in" / "train", 2).parent))
    synthesize(tiny_data.flow_recipe(), source, tmp_path / "out")
    path = tmp_path / "out" / "train" / "metadata.jsonl"
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=words):
        BlurDataset(tmp_path / "out", "train")


def test_paths_in_the_metadata_never_leave_the_folder(tmp_path):
    source = open_source(str(tiny_data.write_photos(tmp_path / "in" / "train", 1).parent))
    synthesize(tiny_data.flow_recipe(replicas__train=1), source, tmp_path / "out")
    path = tmp_path / "out" / "train" / "metadata.jsonl"
    path.write_text(path.read_text().replace('"blur/', '"../../in/train/'))
    with pytest.raises(UserError, match="leads out of this folder"):
        BlurDataset(tmp_path / "out", "train")[0]


@pytest.mark.parametrize("width", ["absent", {"a": 1}, "72"])
def test_rows_without_a_size_are_told(whole, width):
    data = BlurDataset(whole.out, "train")
    assert data.sizes() <= {(h, w) for h in range(30, 61) for w in range(30, 73)}
    data.rows[1]["width"] = width
    if width == "absent":
        del data.rows[1]["width"]
    with pytest.raises(UserError, match=r"metadata.jsonl: a row has no height and width; run `bl"):
        data.sizes()


def test_crops_make_batches_of_pictures_of_several_sizes(faces):
    torch.manual_seed(0)
    whole, data = BlurDataset(faces[1], "train")[0], BlurDataset(faces[1], "train", crop=24)
    items = [data[0] for _ in range(8)]
    assert {item[name].shape[-2:] for item in items for name in ("blur", "sharp", "mask")} == {
        (24, 24)
    }
    assert any(not torch.equal(items[0]["blur"], item["blur"]) for item in items)
    # One place for all pictures of the pair: a pair of crops is found again in the whole one.
    found = [
        (top, left)
        for top in range(whole["blur"].shape[1] - 23)
        for left in range(whole["blur"].shape[2] - 23)
        if torch.equal(whole["blur"][:, top : top + 24, left : left + 24], items[0]["blur"])
    ]
    assert any(
        torch.equal(whole["sharp"][:, top : top + 24, left : left + 24], items[0]["sharp"])
        for top, left in found
    )
    loader = torch.utils.data.DataLoader(data, batch_size=3)
    assert next(iter(loader))["blur"].shape == (3, 3, 24, 24)


def test_pictures_smaller_than_the_crop_are_mirrored(faces):
    data = BlurDataset(faces[1], "train", crop=500)
    assert data[0]["blur"].shape == (3, 500, 500)


def test_a_crop_of_nothing_is_refused(faces):
    with pytest.raises(UserError, match="crop=0: give the side of a square"):
        BlurDataset(faces[1], "train", crop=0)
