"""The device that a run works on."""

import torch

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
