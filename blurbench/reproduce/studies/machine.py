"""What a run ran on, in words that name no machine and no place."""

import platform
import re
from pathlib import Path

from blurbench import __version__

CPUINFO = Path("/proc/cpuinfo")
BF16 = ("amx_bf16", "avx512_bf16")  # flags of processors that multiply bfloat16


def machine(device: str) -> dict[str, str]:
    """Device, processor and versions."""
    import torch

    text = CPUINFO.read_text(encoding="utf-8") if CPUINFO.is_file() else ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    found = {
        "device": device,
        "processor": named[1].strip() if named else platform.machine(),
        "bf16": next((flag for flag in BF16 if flag in text), "none"),
        "threads": str(torch.get_num_threads()),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "blurbench": __version__,
    }
    if torch.device(device).type == "cuda":
        found["gpu"] = torch.cuda.get_device_name()
    return found
