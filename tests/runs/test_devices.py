"""Which GPU a worker takes."""

import pytest
import torch

from blurbench.runs import devices


@pytest.mark.parametrize(
    ("asked", "number", "gpus", "found"),
    [
        ("cuda", 0, 4, "cuda:0"),
        ("cuda", 5, 4, "cuda:1"),
        ("cuda", 3, 1, "cuda"),  # all share the only one
        ("cuda", None, 4, "cuda"),  # a user's worker, which sees the GPU that it was given
        ("cuda:2", 0, 4, "cuda:2"),
        ("cpu", 1, 4, "cpu"),
    ],
)
def test_workers_take_the_gpus_of_a_machine_in_turn(
    monkeypatch: pytest.MonkeyPatch, asked: str, number: int | None, gpus: int, found: str
) -> None:
    monkeypatch.setattr(devices, "worker_number", lambda: number)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert devices.of_worker(asked) == found
