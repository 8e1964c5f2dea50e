"""The chaos run in short: a few of its faults, each of another kind. `make faults` has all."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KINDS = ("worker SIGKILL", "worker stopped", "poison picture", "command SIGTERM")
BY_HAND = ("node SIGKILL", "scheduler SIGKILL")
# Pairs enough that every planned kind comes before the set is whole: 16 s of work at the least.
SMALL = ("--pairs", "400", "--ms", "120", "--pause", "0.5", "--rounds", "1")


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"]).returncode != 0,
    reason="a file system of its own needs `unshare -rm`",
)
def test_nothing_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    out = tmp_path / "counts.json"
    plan = ",".join((*KINDS, *BY_HAND))
    command = [sys.executable, str(HERE / "chaos.py"), *SMALL, "--out", str(out)]
    command += ["--faults", "9", "--plan", plan]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert out.is_file(), run.stderr
    told = json.loads(out.read_text())
    assert told["strange"] == []
    assert (told["digest equal"], told["lost"]) == (True, 0)
    # In so short a run a fault weighs ten times what it does in the long one.
    assert told["made twice, per cent"] < 50
    assert set(KINDS) <= told["faults"].keys()
