"""A training that is killed and resumed, from outside."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from killed_training import killed_training

from blurbench.datasets.make import synthesize
from blurbench.models.parts.weights import load_tensors
from blurbench.recipes.recipe import load_recipe
from blurbench.sources.open import open_source
from blurbench.training.checkpoint import checkpoints
from blurbench.training.launch import run_all
from blurbench.training.train import train

HELPERS = Path(__file__).parents[1] / "helpers"
STEPS = 24
TRAIN = """
import sys
from pathlib import Path
from blurbench.training.train import train
small = dict(widths=(4, 8), blocks=(1, 1), batch_size=2, crop_size=32, precision=sys.argv[4])
train("unet", Path(sys.argv[1]), Path(sys.argv[2]), preset="tiny", steps=int(sys.argv[3]),
      device="cpu", overrides=small, resume=True, checkpoint_seconds=0.0)
"""
# In the middle of the second stage, where the first one's batch norm is frozen.
DIE = """
import os, signal, sys
from pathlib import Path
import torch
from blurbench.errors import UserError
from blurbench.training.processes import find_world, join, leave
from toy import Judged, make_runner

folder = Path(sys.argv[1])
join(find_world(), torch.device("cpu"))
make_runner(folder / "whole", 12, Judged).run()
broken = make_runner(folder / "broken", 12, Judged)
step = broken.step
def die(*arguments):
    if broken.at.step == 9 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    step(*arguments)
if os.environ["RANK"] == "1":
    broken.step = die
try:
    broken.run()
except UserError as error:
    (folder / "gone").write_text(str(error))
    sys.exit(error.code)  # as blurbench does
leave()
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kill") / "data"
    synthesize(load_recipe("demo"), open_source("builtin:photos"), folder, limit=4)
    return folder


def start(data: Path, out: Path, precision: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", TRAIN, str(data), str(out), str(STEPS), precision]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "after", "precision"), [(signal.SIGKILL, 3, "bf16"), (signal.SIGTERM, 9, "fp32")]
)
def test_a_killed_run_ends_with_the_same_bits(
    data: Path, tmp_path: Path, number: int, after: int, precision: str
) -> None:
    assert start(data, tmp_path / "whole", precision).wait() == 0
    out = tmp_path / "run"
    process = start(data, out, precision)
    while not [path for path in checkpoints(out) if int(path.name) >= after]:
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait() != 0
    assert int(checkpoints(out)[-1].name) < STEPS
    assert start(data, out, precision).wait() == 0
    for name in ("last.safetensors", "model.safetensors"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    # Once each: at step 0 the blurred split, and no row twice.
    assert [row["step"] for row in log if row["stage"] == "identity"] == [0]


@pytest.mark.slow
def test_killed_and_damaged_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    found = killed_training(tmp_path, kills=3, damages=4)
    assert (found["killed"], found["damaged"]) >= (3, 4)
    told = found.get("went on from the one before", 0) + found.get("refused", 0)
    assert told == found["damaged"]
    assert found["same weights"] == 2 * found["runs"]


@pytest.mark.slow
def test_two_processes_train_like_one(data: Path, tmp_path: Path) -> None:
    small = {"widths": (4, 8), "blocks": (1, 1), "batch_size": 2, "crop_size": 32}
    small |= {"precision": "fp32"}  # bf16 would round the halves of a batch apart
    options: dict[str, Any] = {"preset": "tiny", "steps": 4, "device": "cpu", "overrides": small}
    train("unet", data, tmp_path / "one", **options)
    train("unet", data, tmp_path / "two", processes=2, **options)
    one, two = (load_tensors(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    # Seen: 1e-5 on average, where gradients are all but zero; 1e-3 where one process is ignored.
    gaps = torch.cat([(one[name] - two[name]).abs().flatten() for name in one])
    assert gaps.mean() < 1e-4


@pytest.mark.slow
def test_processes_outlive_the_death_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "die.py").write_text(DIE)
    monkeypatch.setenv("PYTHONPATH", str(HELPERS))
    run_all(2, tmp_path, [str(tmp_path / "die.py"), str(tmp_path)])
    told = capfd.readouterr().err
    assert told.count("a training process was killed; all go on") == 1
    assert "Traceback" not in told
    assert (tmp_path / "gone").read_text().startswith("another process of this training is gone")
    whole, broken = (tmp_path / name / "last.safetensors" for name in ("whole", "broken"))
    assert whole.read_bytes() == broken.read_bytes()
