"""An evaluation on a cluster started by hand: a worker is killed, then the scheduler."""

import json
import sys
import time
from pathlib import Path

import pytest
from installed import write_package

sys.path.insert(0, str(Path(__file__).parent))

from processes import BIN, Cluster, command, end, hit

SLOW = """
import time
from blurbench.metrics import Metric

SLOW = Metric("slow:brightness", "Slow", higher_is_better=True)

def brightness(restored, sharp, protocol):
    time.sleep(0.2)
    return float(restored.mean())
"""


def rows(folder: Path) -> list[dict]:
    """The lines of a result, what depends on times aside."""
    lines = (folder / "results.jsonl").read_text().splitlines()
    return [json.loads(line) | {"milliseconds": 0, "check": ""} for line in lines]


def wait_for(folder: Path, count: int) -> int:
    """Until so many lines are there; gives how many."""
    stop, path = time.monotonic() + 120, folder / "results.jsonl"
    while (found := path.read_bytes().count(b"\n") if path.exists() else 0) < count:
        assert time.monotonic() < stop
        time.sleep(0.05)
    return found


@pytest.mark.slow
def test_what_was_scored_outlives_a_worker_and_the_scheduler(make_data_set, finished, tmp_path):
    entry = ("blurbench.metrics", "slow = slow:SLOW", SLOW)
    packages = write_package(tmp_path / "packages", "slow", *entry)
    data, out = make_data_set(tmp_path / "set", count=16), tmp_path / "out"
    env = {"PYTHONPATH": str(packages), "OMP_NUM_THREADS": "1"}
    words = [str(BIN / "blurbench"), "evaluate", "--data", str(data), "--device", "cpu"]
    words += ["--checkpoint", str(finished), "--metrics", "psnr,slow"]
    cluster, log = Cluster(2, env, tmp_path / "dask.log"), tmp_path / "log"
    try:
        cluster.heal()
        run = command(*words, "--out", str(out), "--scheduler", cluster.address, env=env, log=log)
        try:
            wait_for(out, 2)
            hit(cluster.workers()[0], 9)
            kept = wait_for(out, 6)
            hit(cluster.scheduler.pid, 9)
            assert run.wait(60) == 2
        finally:
            end(run)
    finally:
        cluster.end()
    assert "scheduler was lost; run the same command again" in log.read_text()
    assert kept <= len(rows(out)) < 16
    places = (out, tmp_path / "undisturbed")
    again = [command(*words, "--out", str(place), env=env, log=log) for place in places]
    assert [each.wait(120) for each in again] == [0, 0]
    assert len(rows(out)) == 16
    assert rows(out) == rows(tmp_path / "undisturbed")
