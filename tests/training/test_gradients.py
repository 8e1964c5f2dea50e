"""The gradients of a batch, computed in parts and in processes."""

import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor
from toy import SMALL, one_step

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.parts.weights import load_tensors
from blurbench.training.batches import cut
from blurbench.training.checks import check_parts
from blurbench.training.launch import torchrun

HELPERS = Path(__file__).parents[1] / "helpers"
# Arguments: a folder, and names of models.
ONE_STEP = """
import os, sys
from pathlib import Path
import torch
from blurbench.models.parts.weights import save_tensors
from blurbench.training.processes import find_world, join, leave
from toy import one_step

folder, names = Path(sys.argv[1]), sys.argv[2:]
join(find_world(), torch.device("cpu"))
for name in names:
    gradients = one_step(folder / name, name)
    save_tensors(folder / f"{name}-{os.environ['RANK']}.safetensors", gradients)
leave()
"""


def furthest(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> float:
    """Largest difference as a part of the largest gradient."""
    assert found.keys() == wanted.keys()
    scale = max(float(value.abs().max()) for value in wanted.values())
    return max(float((found[name] - wanted[name]).abs().max()) for name in wanted) / scale


@pytest.mark.parametrize("name", SMALL)
def test_parts_of_a_batch_have_its_gradients(tmp_path: Path, name: str) -> None:
    whole = one_step(tmp_path / "whole", name)
    for parts in (2, 3):  # 2 + 1 pictures, 1 + 1 + 1 pictures
        assert furthest(one_step(tmp_path / str(parts), name, accumulate=parts), whole) < 1e-13


@pytest.mark.slow
def test_processes_have_the_gradients_of_the_whole_batch(tmp_path: Path) -> None:
    # DeblurGAN draws places for its gradient penalty, in each process its own.
    names = [name for name in SMALL if name != "deblurgan"]
    (tmp_path / "step.py").write_text(ONE_STEP)
    command, environment = torchrun(2)  # 2 + 1 pictures
    environment |= {
        "PYTHONPATH": str(Path(__file__).parents[1] / "helpers"),
        "OMP_NUM_THREADS": "1",
    }
    command += [str(tmp_path / "step.py"), str(tmp_path), *names]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    for name in names:
        whole = one_step(tmp_path / f"{name}-alone", name)
        for rank in range(2):
            found = load_tensors(tmp_path / f"{name}-{rank}.safetensors")
            assert furthest(found, whole) < 1e-12


def test_parts_keep_every_picture_and_weigh_it_alike() -> None:
    config = build("unet", preset="tiny", batch_size=8, accumulate=3).config
    batch = {"blur": torch.arange(5.0), "mask": torch.arange(5.0)}  # one process's part of 8
    parts = cut(batch, config.batch_size, config.accumulate)
    assert [share for share, _ in parts] == [2 / 8, 2 / 8, 1 / 8]
    for name, whole in batch.items():
        assert torch.equal(torch.cat([part[name] for _, part in parts]), whole)


@pytest.mark.parametrize(("processes", "accumulate", "fits"), [(1, 4, 1), (2, 2, 1), (2, 3, 0)])
def test_more_parts_than_pictures_are_refused(processes: int, accumulate: int, fits: int) -> None:
    model = build("unet", preset="tiny", batch_size=4, accumulate=accumulate)
    if fits:
        check_parts(model, processes)
    else:
        with pytest.raises(UserError, match=f"batch_size=4.*{processes} processes"):
            check_parts(model, processes)
