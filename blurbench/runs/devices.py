"""The device that a run works on."""

import cv2
import torch

from blurbench.engine import worker_number
from blurbench.errors import UserError

# Units that multiply bfloat16, by what torch.cpu asks the processor. Without one of them bfloat16
# is emulated, and takes longer than float32. A PyTorch that cannot tell (2.4, and on ARM) computes
# in float32.
UNITS = {"amx": "_is_amx_tile_supported", "avx512_bf16": "_is_avx512_bf16_supported"}


def bf16_unit(device: torch.device) -> str | None:
    """What of a device multiplies bfloat16, such as "amx"; None: nothing."""
    if device.type == "cuda":
        return "cuda" if torch.cuda.is_bf16_supported(including_emulation=False) else None
    told = (name for name, asked in UNITS.items() if getattr(torch.cpu, asked, bool)())
    return next(told, None)


def pick_device(device: str | None) -> torch.device:
    """The named device; none named: a GPU where there is one."""
    told = f"--device {device}: no such device; use cpu, cuda or cuda:N"
    try:
        wanted = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError:
        raise UserError(told) from None
    if wanted.type not in ("cpu", "cuda"):
        raise UserError(told)
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device {device}: PyTorch sees {torch.cuda.device_count()} CUDA devices here"
        )
    return wanted


def of_worker(device: str) -> str:
    """The device of this worker: where a machine has several GPUs, and none is named, its own."""
    number, count = worker_number(), torch.cuda.device_count()
    if device != "cuda" or number is None or count < 2:
        return device
    return f"cuda:{number % count}"


def one_thread() -> None:
    """Let this process work on one thread: in another order, sums differ in the last digit."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
