import mmap

import numpy as np
import pytest
import torch

from blurbench.scoring.environment import FORGET, forget_peaks, peak_memory


def test_memory_of_the_gpu_is_told_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _device: 3 * 2**20)
    assert peak_memory("cuda:1")["gpu_peak_memory_mb"] == 3.0
    assert peak_memory("cpu")["gpu_peak_memory_mb"] is None


def test_a_model_does_not_inherit_the_peak_of_the_one_before():
    if not FORGET.exists():
        pytest.skip("this system cannot forget a peak")
    # A mapping of its own: after 5,000 other tests the allocator may keep, or already hold, it.
    with mmap.mmap(-1, 300 * 2**20) as large:
        np.frombuffer(large, np.uint8)[:] = 1
        before = peak_memory("cpu")["peak_memory_mb"]
    forget_peaks("cpu")
    assert peak_memory("cpu")["peak_memory_mb"] < before - 250
