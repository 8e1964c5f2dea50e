"""What a run records of its data: the sources that it sees, and the captions that it reads."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny_data

from blurbench.datasets.dataset import BlurDataset, OnTheFlyDataset
from blurbench.datasets.make import synthesize
from blurbench.errors import UserError
from blurbench.files import read_json, read_jsonl, write_json, write_jsonl
from blurbench.models import build
from blurbench.runs.seen import read_seen
from blurbench.sources.open import open_source
from blurbench.training.sources import describe_pairs
from blurbench.training.train import train

SMALL: dict[str, Any] = {"widths": (4, 8), "blocks": (1, 1), "batch_size": 2, "crop_size": 32}
OPTIONS: dict[str, Any] = {"preset": "tiny", "steps": 2, "device": "cpu", "overrides": SMALL}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two data sets, of six pictures each that the other has not."""
    root = tmp_path_factory.mktemp("sets")
    for name, first in (("one", 0), ("two", 6)):
        tiny_data.write_photos(root / name / "train", 4, first)
        tiny_data.write_photos(root / name / "val", 2, first + 4)
        synthesize(tiny_data.flow_recipe(), open_source(str(root / name)), root / f"{name}-set")
    return root / "one-set", root / "two-set"


def hashes(data: Path, split: str) -> set[str]:
    return {row["source_sha256"] for row in read_jsonl(data / split / "metadata.jsonl")}


def told_sources(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(run / "config.json")["data"]["sources"]
    return {key: value for key, value in found.items() if key != "sha256"}


def test_runs_and_those_that_begin_with_their_weights(
    sets: tuple[Path, Path], tmp_path: Path
) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    train("unet", sets[0], first, **OPTIONS)
    assert told_sources(first) == {"train": 4, "val": 2}
    own = dict.fromkeys(hashes(sets[0], "val"), "val")
    assert read_seen(first).sources == own | dict.fromkeys(hashes(sets[0], "train"), "train")

    train("unet", sets[1], second, **OPTIONS, init=first)
    assert told_sources(second) == {"train": 4, "val": 4, "init": 4}
    seen = read_seen(second).sources
    assert {seen[source] for source in hashes(sets[0], "train")} == {"init"}
    # A file of the run's weights is the run.
    train("unet", sets[0], third, **OPTIONS, init=second / "last.safetensors")
    assert told_sources(third) == {"train": 4, "val": 4, "init": 4}

    shutil.copy(second / "model.safetensors", tmp_path / "loose.safetensors")
    train("unet", sets[0], tmp_path / "fourth", **OPTIONS, init=tmp_path / "loose.safetensors")
    assert told_sources(tmp_path / "fourth")["init"] is None
    assert read_seen(tmp_path / "fourth").init_unknown


def test_sources_are_read_once_and_a_start_that_was_killed_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    sources = OnTheFlyDataset.sources

    def watched(self: OnTheFlyDataset) -> set[str]:
        read.append(self.split)
        return sources(self)

    monkeypatch.setattr(OnTheFlyDataset, "sources", watched)
    run, pairs = tmp_path / "run", ("demo", "builtin:photos")
    run.mkdir()
    (run / "sources.txt.gz").write_bytes(b"killed before there was a config.json")
    train("unet", pairs, run, **OPTIONS)
    assert sorted(read) == ["train", "val"]
    seen = read_seen(run)
    before = (run / "config.json").read_bytes()
    train("unet", pairs, run, **OPTIONS, resume=True)
    with pytest.raises(UserError, match="--resume"):
        train("unet", pairs, run, **OPTIONS)
    assert sorted(read) == ["train", "val"]
    assert (run / "config.json").read_bytes() == before
    assert read_seen(run) == seen


def test_a_run_of_an_older_version_goes_on_without_a_list(
    sets: tuple[Path, Path], tmp_path: Path
) -> None:
    train("unet", sets[0], tmp_path / "run", **OPTIONS)
    config = read_json(tmp_path / "run" / "config.json")
    config["data"] = {key: config["data"][key] for key in ("digest", "recipe")}
    del config["check"]
    write_json(tmp_path / "run" / "config.json", config)
    (tmp_path / "run" / "sources.txt.gz").unlink()
    train("unet", sets[0], tmp_path / "run", **OPTIONS, resume=True)
    assert read_json(tmp_path / "run" / "config.json") == config
    assert not (tmp_path / "run" / "sources.txt.gz").exists()


@pytest.fixture
def captioned(sets: tuple[Path, Path], tmp_path: Path) -> Path:
    """A data set whose pairs have a caption each."""
    data = shutil.copytree(sets[0], tmp_path / "captioned")
    for split in ("train", "val"):
        rows = list(read_jsonl(data / split / "metadata.jsonl"))
        told = [{**row, "captions": [f"A dog sees cat {n}."]} for n, row in enumerate(rows)]
        write_jsonl(data / split / "metadata.jsonl", told)
    return data


@pytest.mark.parametrize("split", ["train", "val"])
def test_other_captions_of_the_same_pictures_are_other_data(
    captioned: Path, tmp_path: Path, split: str
) -> None:
    def told(name: str) -> Any:
        pairs = BlurDataset(captioned, "train")
        model = build(name, preset="tiny")
        return describe_pairs(tmp_path / "run", model, pairs, pairs.other("val"), None)

    before, plain = told("nic"), told("unet")
    assert told("nic") == before
    path = captioned / split / "metadata.jsonl"
    path.write_text(path.read_text().replace("dog sees cat", "cat sees dog"))
    assert told("nic")["captions"] != before["captions"]
    assert told("nic")["digest"] == before["digest"]
    # It does not read them.
    assert told("unet") == plain
    assert "captions" not in plain


def test_a_run_whose_captions_were_changed_is_refused(captioned: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small = {"side": 32, "words": 40, "batch_size": 2, "language_width": 16}
    options = {**OPTIONS, "overrides": small}
    train("nic", captioned, run, **options)
    config = json.loads((run / "config.json").read_text())
    path = captioned / "train" / "metadata.jsonl"
    path.write_text(path.read_text().replace("dog sees cat", "cat sees dog"))
    told = r"holds a run with data\.captions .*, not .*; give another"
    with pytest.raises(UserError, match=told):
        train("nic", captioned, run, **options, resume=True)
    del config["data"]["captions"], config["check"]
    write_json(run / "config.json", config)
    train("nic", captioned, run, **options, resume=True)
