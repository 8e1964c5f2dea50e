"""Exponential moving average of the weights (Polyak averaging).

Not torch.optim.swa_utils: an AveragedModel stores its tensors under other names, and a count of its
own, so that checkpoints of 0.1.0 could not be read; and its first update forgets the start.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def start_average(model: nn.Module) -> dict[str, Tensor]:
    """A copy of every weight and buffer of `model`, by name."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@torch.no_grad()
def update_average(averaged: dict[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    """Move `averaged` towards the weights after optimiser step number `step` (from 0)."""
    # The first steps count little: without the ramp, random initial weights would linger.
    rate = 1 - min(decay, (1 + step) / (10 + step))
    state = model.state_dict()
    moving = [name for name, value in state.items() if value.is_floating_point()]
    own, new = [averaged[name] for name in moving], [state[name] for name in moving]
    torch._foreach_lerp_(own, new, rate)  # 0.6 to 0.75 of the time of a call each
    # Counters, such as batch norm's of batches, have no mean.
    for name in state.keys() - set(moving):
        averaged[name].copy_(state[name])


@contextmanager
def evaluating(model: nn.Module, averaged: dict[str, Tensor] | None) -> Iterator[None]:
    """The model in eval mode, with its averaged weights if any; all is put back afterwards."""
    modes = {module: module.training for module in model.modules()}
    own = start_average(model)
    if averaged is not None:
        model.load_state_dict(averaged)
    model.eval()
    try:
        yield
    finally:
        model.load_state_dict(own)
        for module, mode in modes.items():
            module.training = mode
