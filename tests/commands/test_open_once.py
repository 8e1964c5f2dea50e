"""One command opens each file that describes a data set once."""

from pathlib import Path

import pytest
import tiny_data
from file_reads import reads_in

from blurbench.__main__ import run
from blurbench.datasets.dataset import BlurDataset

PLAN = ".blurbench/plan.json"
TEXTS = (".json", ".jsonl", ".toml")
SPLITS = ("train", "val", "test")
ROWS = {f"{split}/metadata.jsonl": 1 for split in SPLITS}
# Of a finished set: hashed for itself, hashed before its sizes are believed, read.
CHECKS = {"checks.jsonl": 3}


def read_by(folder: Path, *arguments: object) -> dict[str, int]:
    """Every text file of a folder that a command opens to read; records of shards aside."""
    with reads_in(folder) as reads:
        assert run([str(each) for each in arguments]) == 0
    texts = {name: count for name, count in reads.items() if name.endswith(TEXTS)}
    return {name: count for name, count in texts.items() if "/shards/" not in name}


DEMO = ("synthesize", "demo", "--source", "builtin:photos", "--limit", "3", "--out")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "out"
    assert run([*DEMO, str(out)]) == 0
    return out


def test_synthesize(tmp_path):
    out = tmp_path / "out"
    command = (*DEMO, out)
    # The card is drawn from the rows; the plan is looked at once more, for another run's.
    assert read_by(out, *command) == {**ROWS, PLAN: 1}
    assert read_by(out, *command) == {**ROWS, **CHECKS, "dataset.json": 1}


def test_index(tmp_path):
    pairs, out = tmp_path / "pairs", tmp_path / "out"
    for kind in ("blur", "sharp"):
        tiny_data.write_photos(pairs / "test" / kind, 2)
    command = ("synthesize", "pairs", "--source", pairs, "--out", out)
    rows = {"test/metadata.jsonl": 1}
    assert read_by(out, *command) == {**rows, PLAN: 1}
    assert read_by(out, *command) == {**rows, **CHECKS, "dataset.json": 1}


def test_verify_and_export(made, tmp_path):
    once = {**ROWS, "dataset.json": 1}
    # Lists are hashed before they are read, for nothing may be told of a changed one but that.
    twice = {**dict.fromkeys(once, 2), "checks.jsonl": 1}
    assert read_by(made, "verify", made) == twice
    for kind in ("webdataset", "basicsr"):
        assert read_by(made, "export", made, "--to", kind, "--out", tmp_path / kind) == once


def test_two_splits_share_one_description(made):
    with reads_in(made) as reads:
        train = BlurDataset(made, "train")
        assert len(train.other("test")) == len(BlurDataset(made, "test", train.description))
    assert reads == {"dataset.json": 1, "train/metadata.jsonl": 1, "test/metadata.jsonl": 2}
