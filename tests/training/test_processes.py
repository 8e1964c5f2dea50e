"""Who trains with whom, and on which device; no GPU is needed to see what is chosen."""

import pytest
import torch
from torch import distributed

from blurbench.training.processes import World, find_world, join

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@pytest.mark.parametrize(
    ("told", "world"),
    [
        ({}, World()),
        (dict(zip(NAMES, "3412", strict=True)), World(3, 4, 1, 2, started=True)),
        # A cluster that starts one process a machine.
        ({"RANK": "1", "WORLD_SIZE": "2"}, World(1, 2, 0, 1, started=True)),
    ],
)
def test_what_a_process_is_told(told, world, monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert find_world() == world


SECOND = World(3, 4, 1, 2, started=True)


@pytest.mark.parametrize(
    ("world", "target", "device", "done"),
    [
        (World(), "cpu", "cpu", []),
        (World(), "cuda", "cuda", []),
        (World(), "cuda:1", "cuda:1", ["cuda:1"]),
        (SECOND, "cpu", "cpu", ["gloo"]),
        # NCCL takes the GPU that is set before.
        (SECOND, "cuda", "cuda:1", ["cuda:1", "nccl"]),
    ],
)
def test_each_process_has_a_device_of_its_own(world, target, device, done, monkeypatch):
    called = []
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: called.append(str(device)))
    monkeypatch.setattr(distributed, "init_process_group", lambda name, **_: called.append(name))
    assert join(world, torch.device(target)) == torch.device(device)
    assert called == done
