"""What an evaluation ran on, and how much memory it took."""

import platform
import resource
import sys

import numpy as np

from blurbench import __version__

MB = 2**20


def peak_memory(device: str) -> dict[str, float | None]:
    """Most MB (2^20 bytes) that this process has held so far, and that it had on a GPU."""
    import torch

    unit = 1 if sys.platform == "darwin" else 2**10  # of ru_maxrss: bytes there, else KiB
    on_gpu = torch.device(device).type == "cuda"
    return {
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MB, 1),
        "gpu_peak_memory_mb": (
            round(torch.cuda.max_memory_allocated(device) / MB, 1) if on_gpu else None
        ),
    }


def forget_gpu_peak(device: str) -> None:
    """Count the memory on a GPU anew: the next model's peak is its own."""
    import torch

    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def environment() -> dict[str, str]:
    """What the numbers, and above all the milliseconds, were measured with."""
    import torch

    return {
        "blurbench": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processor": platform.machine(),
        "threads": str(torch.get_num_threads()),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }
