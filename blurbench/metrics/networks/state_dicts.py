"""State dicts by other hands, read in a child process."""

from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from blurbench.files import read_regular
from blurbench.guarded import SECONDS, SLOWEST, guarded
from blurbench.images.header import refuse_instead


def read_state(path: Path) -> Any:
    """What torch.load gives of tensors and plain containers; whatever it raises for others.

    UserError names what lies in the place of weights, and what takes too long.
    """
    refuse_instead(path)
    data = read_regular(path)
    # In a child: torch.load takes a minute to refuse some files of 20 kB.
    return guarded(tensors, data, name=str(path), seconds=SECONDS + len(data) // SLOWEST)


def tensors(data: bytes) -> Any:
    """Here, beside PyTorch: its import is not counted among the seconds of a call."""
    return torch.load(BytesIO(data), map_location="cpu", weights_only=True)
