"""A data set on disk is a Hugging Face image folder as it is."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_data

from blurbench.datasets import BlurDataset
from blurbench.datasets.assemble import SetSummary
from blurbench.datasets.make import synthesize
from blurbench.files import write_bytes
from blurbench.images import encode, to_float
from blurbench.sources.open import open_source

# The names of splits there, by ours.
NAMES = {"train": "train", "val": "validation", "test": "test"}


@pytest.fixture
def load(tmp_path, monkeypatch):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()

    def load_folder(folder: Path):
        cache = str(tmp_path / "cache")
        return datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=cache)

    return load_folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> SetSummary:
    root = tmp_path_factory.mktemp("faces")
    source = open_source(str(tiny_data.write_faces(root / "in", 3)), masks=True)
    return synthesize(tiny_data.face_recipe(), source, root / "out", image_format="webp")


def assert_loads(loaded, made: SetSummary) -> None:
    assert set(loaded) == {NAMES[split] for split in made.counts}
    for split in made.counts:
        data = BlurDataset(made.out, split)
        there = {row["id"]: row for row in loaded[NAMES[split]]}
        assert set(there) == {row["id"] for row in data.rows}
        for row, item in zip(data.rows, data, strict=True):
            for kind in ("blur", "sharp"):
                assert np.array_equal(to_float(np.array(there[row["id"]][kind])), item[kind])
            if "mask" in item:
                assert np.array_equal(np.array(there[row["id"]]["mask"]), item["mask"].argmax(0))
            columns = {key: row[key] for key in row if not key.endswith("_file_name")}
            assert {key: there[row["id"]][key] for key in columns} == columns


def test_three_splits_load(load, whole):
    assert len(whole.counts) == 3
    assert_loads(load(whole.out), whole)


def test_one_split_with_masks_and_webp_loads(load, faces):
    assert_loads(load(faces.out), faces)


@pytest.mark.parametrize("made", ["whole", "faces"])
def test_a_data_card_beside_the_splits_changes_nothing(load, request, made, tmp_path):
    summary = request.getfixturevalue(made)
    folder = Path(shutil.copytree(summary.out, tmp_path / "set"))
    (folder / "README.md").write_text("# Some pairs\n\nMade by blurbench.\n")
    for name in ("pairs", "severity"):
        write_bytes(folder / "card" / f"{name}.png", encode(tiny_data.picture(0)))
    assert_loads(load(folder), summary)
