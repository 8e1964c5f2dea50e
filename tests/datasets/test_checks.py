"""Damage to a finished set is seen unread, and made whole again with the same digest."""

import json
import shutil

import pytest
import tiny_data

from blurbench.commands.verify import verify as command
from blurbench.datasets import make
from blurbench.datasets import verify as verifying
from blurbench.datasets.make import SynthesisJob, make_shard, synthesize
from blurbench.datasets.records import RECORDS, read_records
from blurbench.datasets.splits import list_tasks
from blurbench.datasets.verify import unchecked, verify
from blurbench.errors import UserError
from blurbench.sources.open import open_source
from blurbench.stores.folder import Folder

RECIPE = tiny_data.flow_recipe()


@pytest.fixture
def out(whole, tmp_path, monkeypatch):
    """A finished set, of which nothing is decoded."""
    monkeypatch.setattr(verifying, "decode", pytest.fail)
    shutil.copytree(whole.out, tmp_path / "out")
    return tmp_path / "out"


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def flip(path, text: bytes):
    """Change one bit of the first byte after `text`."""
    data = bytearray(path.read_bytes())
    data[data.index(text) + len(text)] ^= 1
    path.write_bytes(data)


def of_0_1_0(folder):
    """The same set as the version before would have left it."""
    (folder / "checks.jsonl").unlink()
    told = json.loads((folder / "dataset.json").read_text())
    kept = {name: told[name] for name in told if name not in ("checks_sha256", "sha256")}
    (folder / "dataset.json").write_text(json.dumps(kept))


def emptied(folder):
    path = next(folder.glob("train/blur/*.png"))
    path.write_bytes(b"")
    return path, "empty"


def cut(folder):
    path = next(folder.glob("train/sharp/*.png"))
    data = path.read_bytes()
    path.write_bytes(data[:-9])
    return path, f"{len(data) - 9} bytes; {len(data)} were written"


def lost(folder):
    path = next(folder.glob("val/sharp/*.png"))
    path.unlink()
    return path, "no such file"


@pytest.mark.parametrize("damage", [emptied, cut, lost])
def test_a_picture_of_another_size_is_found_unread_and_made_again(out, whole, photos, damage):
    assert verify(out, fast=True) == []
    path, words = damage(out)
    assert verify(out, fast=True) == [f"{path}: {words}"]
    again = synthesize(RECIPE, open_source(str(photos)), out)
    assert (again.made, again.digest) == (1, whole.digest)
    assert contents(out) == contents(whole.out)


def test_a_row_that_was_changed_costs_its_pair_alone(out, whole, photos):
    flip(out / "train" / "metadata.jsonl", b'"blur_pixels": "')
    (told,) = (line for line in verify(out, fast=True) if "metadata" in line)
    assert "metadata.jsonl: changed; its SHA-256 is not the one in dataset.json" in told
    again = synthesize(RECIPE, open_source(str(photos)), out)
    assert (again.made, again.digest) == (1, whole.digest)
    assert contents(out) == contents(whole.out)


@pytest.mark.parametrize("text", [b'"split": "', b'.png", '])
def test_a_changed_list_of_sizes_is_told_and_written_again(out, whole, photos, text):
    flip(out / "checks.jsonl", text)
    assert "checks.jsonl: changed" in "".join(verify(out, fast=True))
    assert synthesize(RECIPE, open_source(str(photos)), out).digest == whole.digest
    assert contents(out) == contents(whole.out)


@pytest.mark.parametrize("text", [b'"failed": ', b'"blurbench": "', b'"digest": "', b'"seed": '])
def test_a_flipped_bit_in_the_description_is_refused(out, photos, text):
    flip(out / "dataset.json", text)
    for act in (verify, lambda folder: synthesize(RECIPE, open_source(str(photos)), folder)):
        with pytest.raises(UserError, match=r"dataset.json: changed since .* make the data set"):
            act(out)


def test_a_set_of_0_1_0_is_read_and_told_as_unchecked(out, whole, photos, capsys):
    of_0_1_0(out)
    before = contents(out)
    assert verify(out, fast=True) == []
    assert synthesize(RECIPE, open_source(str(photos)), out).made == 0
    assert contents(out) == before
    assert command.main([str(out), "--fast"], standalone_mode=False) == 0
    assert capsys.readouterr().out.count("unchecked") == 1
    path, words = emptied(out)
    assert verify(out, fast=True) == [f"{path}: {words}"]
    assert synthesize(RECIPE, open_source(str(photos)), out).digest == whole.digest
    assert contents(out) == contents(whole.out)
    assert unchecked(out) == []


def test_changed_rows_of_0_1_0_are_all_made_again(out, whole, photos):
    """Nothing tells which of a split was changed."""
    of_0_1_0(out)
    flip(out / "train" / "metadata.jsonl", b'"blur_pixels": "')
    again = synthesize(RECIPE, open_source(str(photos)), out)
    assert (again.made, again.digest) == (whole.counts["train"], whole.digest)


@pytest.mark.parametrize("text", [b'"blur_pixels": "', b'"sha256": "', b'"severity_mean_px": '])
def test_a_flipped_bit_in_a_record_costs_its_pair(photos, tmp_path, text):
    store, source = Folder(tmp_path / "out"), open_source(str(photos))
    tasks = list_tasks(RECIPE, source)[:5]
    make_shard(SynthesisJob(RECIPE, 0, store, "png"), tasks)
    (record,) = (store.root / RECORDS).glob("*/*.jsonl")
    flip(record, text)
    assert read_records(store, tmp_path, tasks).left() == tasks[:1]


def test_a_picture_that_was_cut_before_the_end_is_made_again(whole, photos, tmp_path):
    out, source = tmp_path / "out", open_source(str(photos))
    store = Folder(out)
    store.write_json(".blurbench/plan.json", make._request(RECIPE, source, 0, None, "png"))
    make_shard(SynthesisJob(RECIPE, 0, store, "png"), list_tasks(RECIPE, source)[8:13])
    cut(out)
    again = synthesize(RECIPE, source, out)
    assert (again.made, again.digest) == (whole.made - 4, whole.digest)
