"""Ctrl-C ends a training within two seconds, whatever it is at, and keeps what is finished."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_results import write_data_set

# A step of the toy is quick, or takes a minute in one operation that hears no signal.
PROGRAM = """
import ctypes, sys, time
from pathlib import Path
from blurbench import __main__ as main
from blurbench.training import cost, runner
from blurbench.training import train as training
at, place = int(sys.argv[1]), sys.argv[2]
plain = runner.Runner.step
def blocked():
    print("blocked", flush=True)
    ctypes.CDLL(None).sleep(60)
    ctypes.CDLL(None).sleep(60)
def step(self, *given):
    if self.at.step == at and place == "step":
        blocked()
    plain(self, *given)
    time.sleep(0.01)
def look(self):
    if place == "look":
        blocked()
def measured(*given):
    if place == "measure":
        blocked()
runner.Runner.step, runner.Runner._look, runner.LONG = step, look, 0.0
training.priced = measured
sys.exit(main.run(sys.argv[3:]))
"""
SET = ("widths=[4,8]", "blocks=[1,1]", "crop_size=16", "batch_size=2", "ema=0.9", "precision=fp32")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompt") / "data"
    write_data_set(folder, 6, "train")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "place", "number", "kept"),
    [
        (0, "measure", signal.SIGINT, []),
        (0, "step", signal.SIGINT, []),
        (7, "step", signal.SIGTERM, ["000000007"]),
        (0, "look", signal.SIGINT, ["000000024"]),
    ],
)
def test_it_ends_within_two_seconds(
    data: Path, tmp_path: Path, at: int, place: str, number: int, kept: list[str]
) -> None:
    words = ["train", "--model", "unet", "--preset", "tiny", "--steps", "60", "--device", "cpu"]
    words += ["--data", str(data), "--out", str(tmp_path / "run")]
    words += [word for each in SET for word in ("--set", each)]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(at), place, *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "blocked\n", process.communicate()[1]
    time.sleep(0.2)  # it is asleep
    process.send_signal(number)
    began = time.monotonic()
    told = process.communicate(timeout=60)[1]
    assert time.monotonic() - began < 2
    assert process.returncode == 128 + number, told
    assert told.splitlines()[-1].endswith("; what was finished is kept")
    assert [each.name for each in sorted(tmp_path.glob("run/checkpoints/*"))] == kept
