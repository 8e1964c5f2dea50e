"""What a shard keeps while it is made, and what a second try at it finds."""

from threading import Event

import pytest
import tiny_data

from blurbench.datasets import make, shard_record
from blurbench.datasets.make import SynthesisJob, make_shard, synthesize
from blurbench.datasets.records import RECORDS, failed_entry, read_records
from blurbench.datasets.shard_record import ShardRecord, recording
from blurbench.datasets.splits import list_tasks
from blurbench.errors import UserError
from blurbench.sources.open import open_source
from blurbench.stores.folder import Folder

RECIPE = tiny_data.flow_recipe()


@pytest.fixture
def tasks(photos):
    return list_tasks(RECIPE, open_source(str(photos)))[:6]


@pytest.fixture
def store(tmp_path):
    return Folder(tmp_path / "out")


@pytest.fixture
def made(monkeypatch):
    """Names of the pairs whose pictures were written, in their order."""
    write, names = make._write, []
    monkeypatch.setattr(make, "_write", lambda *args: (names.append(args[1].id), write(*args))[1])
    return names


def test_a_second_try_makes_what_the_first_did_not_keep(tasks, store, made, monkeypatch):
    write, job = make._write, SynthesisJob(RECIPE, 0, store, "png")

    def interrupted(*arguments):
        if len(made) == 4:
            raise SystemExit
        return write(*arguments)

    monkeypatch.setattr(make, "_write", interrupted)
    with pytest.raises(SystemExit):
        make_shard(job, tasks)
    monkeypatch.setattr(make, "_write", write)
    make_shard(job, tasks)
    assert made == [task.id for task in tasks]
    # Neither writes over the other, which may be stopped and not dead.
    assert len(list((store.root / RECORDS).glob("*/*.jsonl"))) == 2


def test_what_failed_is_tried_again_and_lost_pictures_are_made_again(tasks, store, made):
    job = SynthesisJob(RECIPE, 0, store, "png")
    make_shard(job, tasks[:5])
    with recording(store, tasks[:5]) as record:
        assert record.left == []
    (store.root / f"{tasks[0].split}/blur/{tasks[0].id}.png").unlink()
    with recording(store, tasks[:5]) as record:
        assert record.left == tasks[:1]
    with recording(store, tasks[5:]) as record:
        record.add(failed_entry(tasks[5], "unreadable"))
    with recording(store, tasks[5:]) as record:
        assert record.left == tasks[5:]
    assert len(made) == 5


def test_a_record_is_kept_while_the_next_pairs_are_made(tasks, store, monkeypatch):
    monkeypatch.setattr(shard_record, "KEEP_S", 0)
    entered, go_on, kept = Event(), Event(), []

    def slow(_name, data):
        kept.append(data.count(b"\n"))
        entered.set()
        assert go_on.wait(20)

    record = ShardRecord(store, tasks)
    monkeypatch.setattr(record.batch, "seal", slow)
    record.add(failed_entry(tasks[0], "first"))
    assert entered.wait(20)
    for task in tasks[1:]:
        record.add(failed_entry(task, "others"))
    assert kept == [1]
    go_on.set()
    record.close()
    assert kept == [1, 6]


def test_pairs_whose_pictures_are_not_safe_are_in_no_record(tasks, store, monkeypatch):
    monkeypatch.setattr(shard_record, "KEEP_S", 0)

    def full(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("blurbench.stores.folder.sync", full)
    with pytest.raises(UserError, match="No space left on device"):
        make_shard(SynthesisJob(RECIPE, 0, store, "png"), tasks)
    assert not (store.root / RECORDS).exists()


def test_ctrl_c_on_a_full_disk_ends_as_ctrl_c(tasks, store, monkeypatch):
    def full(_path):
        raise OSError(28, "No space left on device")

    def interrupted(*arguments):
        write(*arguments)
        raise KeyboardInterrupt

    write = make._write
    monkeypatch.setattr(make, "_write", interrupted)
    monkeypatch.setattr(ShardRecord, "_write", lambda *_: full(None))
    with pytest.raises(KeyboardInterrupt):
        make_shard(SynthesisJob(RECIPE, 0, store, "png"), tasks)


def test_records_of_0_1_0_are_gone_on_with(whole, photos, tmp_path, made):
    """They lay beside each other, a file a shard."""
    out = tmp_path / "out"
    store = Folder(out)
    source = open_source(str(photos))
    tasks = list_tasks(RECIPE, source)
    store.write_json(".blurbench/plan.json", make._request(RECIPE, source, 0, None, "png"))
    make_shard(SynthesisJob(RECIPE, 0, store, "png"), tasks[:7])
    (record,) = (out / RECORDS).glob("*/*.jsonl")
    record.rename(out / RECORDS / f"{32 * 'a'}.jsonl")
    record.parent.rmdir()
    summary = synthesize(RECIPE, source, out)
    assert (summary.made, summary.digest) == (whole.made - 7, whole.digest)
    assert len(made) == len(set(made)) == whole.made


def test_copies_of_two_tries_at_a_shard_are_counted_once(tasks, store, tmp_path):
    make_shard(SynthesisJob(RECIPE, 0, store, "png"), tasks)
    (record,) = (store.root / RECORDS).glob("*/*.jsonl")
    (record.parent / "another.jsonl").write_bytes(record.read_bytes())
    found = read_records(store, tmp_path, tasks)
    assert (found.made, found.strangers, found.left()) == (6, 0, [])
