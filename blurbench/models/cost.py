"""What a model costs: parameters, and multiply-accumulates of one 256x256 picture."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from blurbench.models import build
from blurbench.models.base import Model, parameter_count


def gmacs(model: Model, height: int = 256, width: int = 256) -> float:
    """Billions of multiply-accumulates that one (3, H, W) picture takes; convolutions only."""
    device = next(model.parameters()).device
    picture = torch.zeros(1, 3, height, width, device=device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.compute(picture)
    # The counter takes a multiplication and an addition for two.
    return float(counter.get_total_flops()) / 2 / 1e9


def cost(name: str, preset: str = "paper") -> tuple[int, float]:
    """Parameters and GMACs at 256x256 of what `deblur` runs, counted without any memory."""
    with torch.device("meta"):
        model = build(name, preset=preset).eval()
        return parameter_count(*model.inference_modules()), gmacs(model)
