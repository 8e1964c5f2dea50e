import torch

from blurbench.evaluation.environment import peak_memory


def test_memory_of_the_gpu_is_told_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _device: 3 * 2**20)
    assert peak_memory("cuda:1")["gpu_peak_memory_mb"] == 3.0
    assert peak_memory("cpu")["gpu_peak_memory_mb"] is None
