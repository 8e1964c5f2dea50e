"""What a model costs: parameters, and multiply-accumulates of one 256x256 picture."""

from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

from blurbench.models import build
from blurbench.models.base import Model, parameter_count
from blurbench.models.parts.dispatch import Watching


class _Counter(Watching):  # type: ignore[no-untyped-call]  # of PyTorch's __init_subclass__
    """Counts as PyTorch's FlopCounterMode does, which imports the compiler: 1.2 s of each start."""

    flops: int = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation, or those that it is made of, and count what there is a formula for."""
        kwargs = kwargs or {}
        formula = flop_registry.get(func._overloadpacket)
        if formula is None:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = func(*args, **kwargs)
        self.flops += formula(*args, **kwargs, out_val=result) if formula else 0
        return result


def gmacs(model: Model, height: int = 256, width: int = 256) -> float:
    """Billions of multiply-accumulates that one (3, H, W) picture takes; convolutions only."""
    device = next(model.parameters()).device
    picture = torch.zeros(1, 3, height, width, device=device)
    counter = _Counter()  # type: ignore[no-untyped-call]
    with torch.no_grad(), counter:
        model.compute(picture)
    # PyTorch's formulas take a multiplication and an addition for two.
    return counter.flops / 2 / 1e9


def cost(name: str, preset: str = "paper") -> tuple[int, float]:
    """Parameters and GMACs at 256x256 of what `deblur` runs, counted without any memory."""
    with torch.device("meta"):
        model = build(name, preset=preset).eval()
        return parameter_count(*model.inference_modules()), gmacs(model)
