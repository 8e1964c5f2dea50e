"""The list of sources that a run has seen: what it says, how small it is, whom it belongs to."""

import gzip
import os

import pytest

from blurbench.errors import UserError
from blurbench.files import read_json, sha256, write_json
from blurbench.runs.seen import Seen, read_seen, seen_by, write_seen


def recorded(run, seen):
    """The run, with what it has seen."""
    config = read_json(run / "config.json")
    config["data"]["sources"] = write_seen(run, seen)
    write_json(run / "config.json", config)
    return config["data"]["sources"]


def test_the_strongest_way_of_having_seen_a_source_is_kept():
    before = Seen({"a": "train", "b": "init", "c": "val", "d": "train", "e": "train"})
    found = seen_by({"a", "x"}, {"d", "x", "y"}, before)
    ways = {"a": "train", "x": "train", "b": "init", "d": "init", "e": "init"}
    assert found == Seen(ways | {"c": "val", "y": "val"})
    assert seen_by({"a"}, {"y"}, None) == Seen({"a": "train", "y": "val"})


def test_what_is_not_known_of_the_first_weights_stays_unknown():
    first = seen_by({"a"}, (), Seen({}, init_unknown=True))
    assert first.init_unknown
    assert seen_by({"b"}, (), first) == Seen({"a": "init", "b": "train"}, init_unknown=True)


@pytest.mark.parametrize(
    ("seen", "counts"),
    [
        (Seen({"aa": "train", "bb": "val", "cc": "train"}), {"train": 2, "val": 1}),
        (Seen({"aa": "init", "bb": "train"}), {"train": 1, "val": 0, "init": 1}),
        (Seen({"aa": "train"}, init_unknown=True), {"train": 1, "val": 0, "init": None}),
        (Seen({}), {"train": 0, "val": 0}),
    ],
)
def test_what_is_written_is_read_again(finished, seen, counts):
    told = recorded(finished, seen)
    assert {key: value for key, value in told.items() if key != "sha256"} == counts
    assert read_seen(finished) == seen
    assert read_seen(finished / "last.safetensors") == seen
    before = (finished / "sources.txt.gz").read_bytes()
    assert told["sha256"] == sha256(gzip.decompress(before))
    write_seen(finished, Seen(dict(reversed(seen.sources.items())), seen.init_unknown))
    assert (finished / "sources.txt.gz").read_bytes() == before


def test_thirteen_thousand_sources_are_half_a_megabyte_and_no_line_of_the_config(finished):
    told = recorded(finished, Seen({sha256(bytes(n)): "train" for n in range(13_000)}))
    assert (finished / "sources.txt.gz").stat().st_size < 500_000
    assert len(str(told)) < 150


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda file: file.unlink(), "missing or damaged"),
        (lambda file: file.write_bytes(file.read_bytes()[:20]), "missing or damaged"),
        (lambda file: file.write_bytes(b"no gzip"), "missing or damaged"),
        (lambda file: file.write_bytes(gzip.compress(b"ab train\n")), "missing or damaged"),
    ],
)
def test_another_list_than_the_runs_own_is_not_believed(finished, change, told):
    recorded(finished, Seen({"aa": "train"}))
    change(finished / "sources.txt.gz")
    with pytest.raises(UserError, match=told):
        read_seen(finished)


def test_what_never_ends_and_what_unpacks_to_gigabytes_is_not_read(finished, monkeypatch):
    recorded(finished, Seen({"aa": "train"}))
    file = finished / "sources.txt.gz"
    monkeypatch.setattr("blurbench.runs.seen.LARGEST", len("aa train\n"))
    with pytest.raises(UserError, match="missing or damaged"):
        read_seen(finished)  # packed it is longer
    monkeypatch.setattr("blurbench.runs.seen.LARGEST", 1000)
    assert read_seen(finished) == Seen({"aa": "train"})
    told = read_json(finished / "config.json")
    told["data"]["sources"]["sha256"] = sha256(bytes(1001))
    write_json(finished / "config.json", told)
    file.write_bytes(gzip.compress(bytes(1001)))
    with pytest.raises(UserError, match="missing or damaged"):
        read_seen(finished)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(UserError, match="missing or damaged"):
        read_seen(finished)


def test_what_records_nothing_says_why(finished, tmp_path):
    with pytest.raises(UserError, match="begun before runs recorded"):
        read_seen(finished)
    loose = tmp_path / "loose" / "model.safetensors"
    loose.parent.mkdir()
    loose.write_bytes((finished / "model.safetensors").read_bytes())
    for weights in (loose, loose.parent):  # a folder of released weights
        with pytest.raises(UserError, match=r"^weights of no run tell no sources$"):
            read_seen(weights)
    recorded(finished, Seen({"aa": "train"}))
    other = finished / "from_elsewhere.safetensors"
    other.write_bytes(loose.read_bytes())
    with pytest.raises(UserError, match="of no run"):
        read_seen(other)
