"""What changes around a run: the clock, the language, versions, a second command, a lost helper."""

import json
import os
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tiny_data
import torch
from small_results import write_data_set
from small_training import start, step
from toy import ToyPairs

from blurbench.datasets.make import synthesize
from blurbench.errors import UserError
from blurbench.metrics import compute
from blurbench.models import build
from blurbench.models.base import ModelConfig
from blurbench.sources.open import open_source
from blurbench.training.batches import TrainingPairs, batches
from blurbench.training.schedule import Stretch

# The clock goes back a day at each look, on a machine of decimal commas, half a world away.
ODD = """
import locale, sys, time
import tiny_data
now = time.time
def back():
    back.by += 86400.0
    return now() - back.by
back.by = 0.0
time.time = back
for name in ("de_DE.UTF-8", "C"):
    try:
        locale.setlocale(locale.LC_ALL, name)
        break
    except locale.Error:
        continue
from blurbench.datasets.make import synthesize
from blurbench.sources.open import open_source
print(synthesize(tiny_data.flow_recipe(), open_source(sys.argv[1]), sys.argv[2]).digest)
"""


def test_no_clock_no_language_and_no_zone_moves_a_pixel(whole, photos, tmp_path):
    environment = {"TZ": "Pacific/Kiritimati", "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"}
    made = subprocess.run(
        [sys.executable, "-c", ODD, str(photos), str(tmp_path / "out")],
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout.strip() == whole.digest


@pytest.mark.parametrize("begun", [False, True])
def test_a_set_of_another_version_is_not_gone_on_with(whole, photos, tmp_path, begun):
    out = tmp_path / "out"
    shutil.copytree(whole.out, out)
    told = json.loads((out / "dataset.json").read_text())
    told["blurbench"] = "0.0.9"
    told.pop("sha256")  # by hand, as it would stand there
    (out / "dataset.json").write_text(json.dumps(told))
    if begun:
        (out / ".blurbench").mkdir()
    with pytest.raises(UserError, match=r"was made with blurbench 0.0.9, not .*; give another"):
        synthesize(tiny_data.flow_recipe(), open_source(str(photos)), out)


TRAIN = """
import sys
from pathlib import Path
from blurbench.training.train import train
small = dict(widths=(4, 8), blocks=(1, 1), batch_size=2, crop_size=16, precision="fp32")
train("unet", Path(sys.argv[1]), Path(sys.argv[2]), preset="tiny", steps=int(sys.argv[3]),
      device="cpu", overrides=small)
"""


@pytest.mark.slow
def test_of_two_trainings_that_begin_at_once_one_is_refused(tmp_path):
    data, out = write_data_set(tmp_path / "data", 6, "train"), tmp_path / "run"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", TRAIN, str(data), str(out), str(steps)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for steps in (40, 41)
    ]
    said = [each.communicate()[1] for each in both]
    codes = [each.returncode for each in both]
    assert sorted(map(bool, codes)) == [False, True], said
    (winner,) = (steps for steps, code in zip((40, 41), codes, strict=True) if code == 0)
    assert json.loads((out / "config.json").read_text())["steps"] == winner
    assert "UserError" in said[codes.index(max(codes))]


class Deadly(ToyPairs):
    """Reading the second pair kills whoever reads it."""

    def sample(self, index, epoch):
        if index == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().sample(index, epoch)


@pytest.mark.slow
def test_a_loader_that_is_killed_is_told_with_the_mend():
    config = ModelConfig(steps=10, batch_size=5, crop_size=8)
    pairs = TrainingPairs(Deadly(), config, seed=3)
    with pytest.raises(UserError, match="--resume"):
        list(batches(pairs, [Stretch(0, 2, 5, 8)], (0, 2), 0, 1, 1))


def test_a_picture_under_another_suffix_is_what_it_is(photos, tmp_path):
    (tmp_path / "in").mkdir()
    shutil.copy(photos / "000.png", tmp_path / "in" / "000.jpg")
    loaded = open_source(str(tmp_path / "in")).items[0].load()
    assert (loaded.image == tiny_data.picture(0)).all()


def test_a_face_that_is_not_there_trains_and_scores_as_nothing(tmp_path):
    folder = tiny_data.write_faces(tmp_path / "in", 2)
    for path in folder.glob("train/masks/*.png"):
        cv2.imwrite(str(path), np.zeros((60, 72), np.uint8))
    source = open_source(str(folder), masks=True)
    assert synthesize(tiny_data.face_recipe(), source, tmp_path / "set").failed == 0
    picture = tiny_data.picture(0)
    nothing = np.zeros(picture.shape[:2], np.uint8)
    assert np.isnan(compute("psnr-skin", picture, picture, mask=nothing))
    torch.manual_seed(0)
    batch = {"sharp": torch.rand(2, 3, 32, 32), "mask": torch.zeros(2, 4, 32, 32)}
    batch["mask"][:, 0] = 1
    batch["blur"] = batch["sharp"] / 2
    model = build("umsn", "tiny")
    for number, _ in enumerate(model.stages()):
        losses = step(*start(model, number), batch)
        assert all(bool(torch.isfinite(v)) for each in losses.values() for v in each.values())
