"""What a model takes of the memory, and what it may take."""

import pytest
import torch

from blurbench.engine import SHARERS
from blurbench.runs import memory
from blurbench.runs.memory import PeakBytes, out_of_memory


def test_the_peak_is_of_what_lives_at_the_same_time() -> None:
    with PeakBytes() as peak:
        for _ in range(3):
            one = torch.zeros(1000)
            view = one[:500]
            two = one + 1
            del one, two, view
    assert peak.most == 8000
    assert peak.now == 0


def test_one_restoration_takes_four_gib_or_half_of_what_is_free_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for free, most in ((2**40, 2**32), (2**30, 2**29), (0, 0)):
        monkeypatch.setattr(memory, "budget", lambda n=free: n)
        assert memory.allowance() == most
    monkeypatch.setattr(memory, "budget", lambda: 2**30)
    monkeypatch.setenv(SHARERS, "4")
    assert memory.allowance() == 2**27


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
