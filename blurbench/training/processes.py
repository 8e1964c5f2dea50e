"""What the processes of one training tell each other; alone, all of this does nothing."""

import torch
from torch import Tensor, distributed, nn


def alone() -> bool:
    """Whether this process trains by itself."""
    return not (distributed.is_available() and distributed.is_initialized())


def add_up(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes, in place."""
    if not alone():
        distributed.all_reduce(tensor)
    return tensor


def any_process(asked: bool, device: torch.device) -> bool:
    """Whether any process says yes; all of them have to ask."""
    return asked if alone() else bool(add_up(torch.tensor(float(asked), device=device)))


def share_weights(model: nn.Module) -> None:
    """Give every process the first one's weights and buffers."""
    if not alone():
        for value in model.state_dict().values():
            distributed.broadcast(value, src=0)


def add_up_gradients(parameters: list[nn.Parameter]) -> None:
    """Sum the gradients over all processes; a parameter that none of them reached keeps none."""
    # By hand and not by DistributedDataParallel: losses call parts of a model, not its forward.
    if alone():
        return
    device = parameters[0].device
    reached = add_up(torch.tensor([float(p.grad is not None) for p in parameters], device=device))
    shared = [p for p, count in zip(parameters, reached.tolist(), strict=True) if count]
    for p in shared:
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    gradients = [p.grad for p in shared if p.grad is not None]
    total = add_up(torch.cat([gradient.reshape(-1) for gradient in gradients]))
    for gradient, part in zip(gradients, total.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
