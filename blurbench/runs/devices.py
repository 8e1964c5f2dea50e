"""The device that a run works on."""

import cv2
import torch

from blurbench.engine import worker_number
from blurbench.errors import UserError


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
