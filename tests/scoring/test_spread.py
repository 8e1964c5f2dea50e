"""Pictures scored by workers: the same rows as in one process, whatever becomes of a worker."""

import pickle
import shutil
from functools import partial

import numpy as np
import pytest
import torch

from blurbench import engine
from blurbench.__main__ import run
from blurbench.datasets.dataset import BlurDataset
from blurbench.engine import Done, Workers
from blurbench.errors import UserError
from blurbench.files import read_json, read_jsonl, write_bytes
from blurbench.images import encode
from blurbench.runs.trained import Restored
from blurbench.scoring import spread
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import Photographs, open_data
from blurbench.scoring.restorers import FolderRestorer, Identity, ModelRestorer
from blurbench.scoring.spread import Conditions


def rows(folder):
    """The lines of a result, times aside."""
    return [
        row | {"milliseconds": None, "check": ""} for row in read_jsonl(folder / "results.jsonl")
    ]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
def test_two_workers_write_what_this_process_writes(data_set, finished, tmp_path, capfd):
    data = shutil.copytree(data_set, tmp_path / "set")
    (data / "test" / "blur" / "crop-3.png").write_bytes(b"no picture")
    words = ["evaluate", "--data", str(data), "--checkpoint", str(finished), "--device", "cpu"]
    assert run([*words, "--out", str(tmp_path / "here")]) == 1
    assert run([*words, "--out", str(tmp_path / "two"), "--workers", "2"]) == 1
    here, two = (read_json(tmp_path / name / "summary.json") for name in ("here", "two"))
    assert len(rows(tmp_path / "two")) == 9
    assert rows(tmp_path / "two") == rows(tmp_path / "here")
    assert (two["means"], two["samples"]) == (here["means"], here["samples"])
    assert [each["id"] for each in two["skipped"]] == ["crop-3"]
    assert (tmp_path / "two" / "failures.jsonl").read_text().count("crop-3") == 2
    names = [sorted(p.name for p in (tmp_path / d / "samples").iterdir()) for d in ("here", "two")]
    assert names[0] == names[1]
    assert two["environment"]["threads"] == "1"
    assert 20 < two["peak_memory_mb"] < 2**20
    assert two["milliseconds_median"] > 0
    told = capfd.readouterr()
    assert told.err.count("unchecked") <= 2  # each command once, no worker
    assert "distributed" not in told.err


def deadly(function, shards, _workers):
    """`run_shards` in this process, but for shards that hold crop-3: those kill their worker."""
    for shard in shards:
        killed = any(row["id"] == "crop-3" for row in shard)
        told = pickle.loads(pickle.dumps(partial(function, shard)))
        yield Done(shard, None if killed else told(), killed)


@pytest.fixture
def deadly_workers(monkeypatch):
    monkeypatch.setattr(engine, "run_shards", deadly)
    monkeypatch.setattr(engine, "_held", {})
    monkeypatch.setattr(spread, "one_thread", lambda: None)


@pytest.mark.usefixtures("deadly_workers")
def test_a_picture_that_kills_its_workers_costs_only_itself(data_set, tmp_path):
    out = tmp_path / "out"
    done = evaluate(
        open_data(data_set), out, restore=Identity(), name="x", workers=Workers(1, apart=True)
    )
    assert [each.id for each in done.skipped] == ["crop-3"]
    assert "each worker that took it died" in str(done)
    assert len(rows(out)) == 9
    # It goes on: the picture is tried again, the others are not.
    seen = []

    class Counting(Identity):
        def restore(self, blur, row):
            seen.append(row["id"])
            return Restored(blur)

    again = evaluate(open_data(data_set), out, restore=Counting("identity"), name="x")
    assert (seen, again.failed, len(rows(out))) == (["crop-3"], 0, 10)


@pytest.mark.usefixtures("deadly_workers")
def test_folders_of_restored_pictures_and_photographs_can_be_sent(data_set, tmp_path):
    for number in range(10):
        image = np.full((20, 24, 3), 10 * number, np.uint8)
        write_bytes(tmp_path / "restored" / f"crop-{number}.png", encode(image))
    restore = FolderRestorer(tmp_path / "restored")
    sent = Workers(2)
    evaluate(open_data(data_set), tmp_path / "a", restore=restore, name="x", workers=sent)
    here = FolderRestorer(tmp_path / "restored")
    evaluate(open_data(data_set), tmp_path / "b", restore=here, name="x")
    expected = [row for row in rows(tmp_path / "b") if row["id"] != "crop-3"]
    assert rows(tmp_path / "a") == expected
    photographs = Photographs(tmp_path / "restored")
    metrics = ("blur-effect",)
    for out, workers in (("c", sent), ("d", Workers())):
        evaluate(
            photographs,
            tmp_path / out,
            restore=Identity(),
            name="x",
            metrics=metrics,
            workers=workers,
        )
    assert len(rows(tmp_path / "c")) == 10
    assert rows(tmp_path / "c") == rows(tmp_path / "d")


def test_a_function_of_this_process_cannot_be_sent(data_set, tmp_path):
    restore = ModelRestorer("half", lambda blur: Restored(blur // 2))
    with pytest.raises(UserError, match="half: only this process can restore it; use no workers"):
        evaluate(open_data(data_set), tmp_path, restore=restore, name="half", workers=Workers(2))


def test_what_travels_is_small_whatever_the_split(data_set):
    sent = BlurDataset(data_set, "test").sent()
    assert sent.rows == []
    assert len(pickle.dumps(sent)) < 10_000


@pytest.mark.usefixtures("deadly_workers")
def test_a_worker_with_other_versions_is_refused(data_set, tmp_path, monkeypatch):
    found = iter([{"torch": "1"}, {"torch": "2"}])
    monkeypatch.setattr(spread, "versions", lambda: next(found))
    with pytest.raises(UserError, match=r"a worker has .*'2'.*this process .*'1'"):
        evaluate(open_data(data_set), tmp_path, restore=Identity(), name="x", workers=Workers(2))


def test_the_peak_is_of_the_process_that_held_most():
    on = Conditions()
    for peak, gpu, name in ((5.0, None, "a"), (9.0, 2.0, "b"), (7.0, None, "c")):
        on.add(Conditions({"python": name}, {"peak_memory_mb": peak, "gpu_peak_memory_mb": gpu}))
    assert on.peaks == {"peak_memory_mb": 9.0, "gpu_peak_memory_mb": 2.0}
    assert on.environment == {"python": "a"}
