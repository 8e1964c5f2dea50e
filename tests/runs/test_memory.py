"""How much memory there is, and what a model takes of it."""

from pathlib import Path

import pytest
import torch

from blurbench.runs import memory
from blurbench.runs.memory import PeakBytes, free_memory, group_limits, out_of_memory


def test_the_peak_is_of_what_lives_at_the_same_time() -> None:
    with PeakBytes() as peak:
        for _ in range(3):
            one = torch.zeros(1000)
            view = one[:500]
            two = one + 1
            del one, two, view
    assert peak.most == 8000
    assert peak.now == 0


def test_groups_of_both_versions_limit_what_is_free(tmp_path: Path) -> None:
    (tmp_path / "memory" / "job").mkdir(parents=True)
    (tmp_path / "memory" / "job" / "memory.limit_in_bytes").write_text("3000\n")
    (tmp_path / "slice" / "step").mkdir(parents=True)
    (tmp_path / "slice" / "memory.max").write_text("5000\n")
    (tmp_path / "slice" / "step" / "memory.max").write_text("max\n")
    own = tmp_path / "own"
    own.write_text("5:cpu:/job\n4:memory:/job/step\n0::/slice/step\n")
    assert group_limits(tmp_path, own) == [3000, 5000]
    assert group_limits(tmp_path, tmp_path / "nowhere") == []


def test_what_is_free_is_the_least_of_all_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "statm").write_text("900 10 5")
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:  1024 kB\n")
    monkeypatch.setattr(memory, "group_limits", lambda: [])
    assert free_memory(tmp_path) == 2**20
    monkeypatch.setattr(memory, "group_limits", lambda: [2**20])
    assert free_memory(tmp_path) < 2**20


def test_here_is_some_memory_free() -> None:
    assert 2**20 < free_memory() < 2**45


def test_no_budget_is_above_four_gib_or_half_of_what_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for free, budget in ((2**40, 2**32), (2**30, 2**29), (-5, 0)):
        monkeypatch.setattr(memory, "free_memory", lambda n=free: n)
        assert memory.budget() == budget


@pytest.mark.parametrize(
    "told",
    [
        "[enforce fail] DefaultCPUAllocator: can't allocate memory",
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "GET was unable to find an engine to execute this computation",
        "input tensor must fit into 32-bit index math",
        "Expected canUse32BitIndexMath(input) to be true, but got false.",
        "upsample_nearest2d_nhwc only supports input tensors with less than INT_MAX elements",
    ],
)
def test_in_these_words_errors_of_memory_are_told(told: str) -> None:
    assert out_of_memory(RuntimeError(told))


def test_which_errors_mean_that_memory_ran_out() -> None:
    assert out_of_memory(MemoryError())
    assert out_of_memory(torch.cuda.OutOfMemoryError("CUDA"))
    assert not out_of_memory(RuntimeError("sizes do not match"))
    assert not out_of_memory(ValueError("cannot allocate"))
