"""What an evaluation ran on, and how much memory it took."""

import contextlib
import platform
import re
import resource
import sys
from pathlib import Path

import numpy as np

from blurbench import __version__

MB = 2**20
STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_memory(device: str) -> dict[str, float | None]:
    """Most MB (2^20 bytes) that this process has held since `forget_peaks`, and that a GPU had.

    Of the process: what Python and its libraries take, about 500 MB, is a part of it.
    """
    import torch

    on_gpu = torch.device(device).type == "cuda"
    return {
        "peak_memory_mb": round(_peak() / MB, 1),
        "gpu_peak_memory_mb": (
            round(torch.cuda.max_memory_allocated(device) / MB, 1) if on_gpu else None
        ),
    }


def _peak() -> int:
    """Bytes: of Linux what can be forgotten, elsewhere the most since the process began."""
    if STATUS.is_file():
        found = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text(encoding="utf-8"))
        if found:
            return int(found[1]) * 2**10
    unit = 1 if sys.platform == "darwin" else 2**10  # of ru_maxrss: bytes there, else KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peaks(device: str) -> None:
    """Count memory anew, where the system can: the next model's peak is its own."""
    import torch

    with contextlib.suppress(OSError):  # Linux alone has it, and some containers forbid it
        FORGET.write_text("5", encoding="ascii")
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
