"""The processes of one training, and what they tell each other; alone, that does nothing.

By hand, on torch.distributed: accelerate would hand out these devices and ranks, but its state is
one for the whole process, so that a second training in it could take no other device. Nor could it
share the gradients: losses call parts of a model, not its forward, as DistributedDataParallel asks.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from blurbench.errors import UserError, reason
from blurbench.runs.memory import out_of_memory

AGAIN = 75  # exit code of a process among several that may well go on in another try


class Deserted(UserError):
    """Another process of this training is gone."""

    code = AGAIN


@dataclass(frozen=True)
class World:
    """All processes of a training, and which of them this is."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0  # on this machine
    local_size: int = 1
    started: bool = False  # torchrun started this process, and others beside it

    @property
    def first(self) -> bool:
        """Whether this process writes what all share."""
        return self.rank == 0


def find_world() -> World:
    """What torchrun tells a process that it starts; else one process alone."""
    if "RANK" not in os.environ:
        return World()
    rank, size = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE"))
    # Clusters that start one process a machine leave these out.
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    local_size = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return World(rank, size, local_rank, local_size, started=True)


def join(world: World, target: torch.device) -> torch.device:
    """Meet the others, if there are any; gives the device that is this process's own."""
    several_gpus = world.started and target.type == "cuda"
    device = torch.device("cuda", world.local_rank) if several_gpus else target
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    if world.started:
        backend = "nccl" if device.type == "cuda" else "gloo"
        # The others wait while the first looks at 50 pairs; NCCL's own patience is ten minutes.
        distributed.init_process_group(backend, timeout=timedelta(hours=6))
    return device


def leave() -> None:
    """Part from the others, once all is done."""
    if not alone():
        distributed.destroy_process_group()


def alone() -> bool:
    """Whether this process trains by itself."""
    return not (distributed.is_available() and distributed.is_initialized())


@contextmanager
def meeting() -> Iterator[None]:
    """What the processes do together: Deserted where another one is gone."""
    try:
        yield
    except RuntimeError as error:
        if out_of_memory(error):
            raise
        raise Deserted(f"another process of this training is gone ({reason(error)})") from error


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if not alone():
        with meeting():
            distributed.barrier()


def add_up(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes, in place."""
    if not alone():
        with meeting():
            distributed.all_reduce(tensor)
    return tensor


def any_process(asked: bool, device: torch.device) -> bool:
    """Whether any process says yes; all of them have to ask."""
    return asked if alone() else bool(add_up(torch.tensor(float(asked), device=device)))


def share_weights(model: nn.Module) -> None:
    """Give every process the first one's weights and buffers."""
    if not alone():
        with meeting():
            for value in model.state_dict().values():
                distributed.broadcast(value, src=0)


def add_up_gradients(parameters: list[nn.Parameter]) -> None:
    """Sum the gradients over all processes; a parameter that none of them reached keeps none."""
    if alone():
        return
    # Which were reached may differ between processes, but all must hand the same sizes to the sum.
    device = parameters[0].device
    reached = add_up(torch.tensor([float(p.grad is not None) for p in parameters], device=device))
    shared = [p for p, count in zip(parameters, reached.tolist(), strict=True) if count]
    for p in shared:
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    gradients = [p.grad for p in shared if p.grad is not None]
    # One message for all gradients, not one for each of some hundreds of tensors.
    total = add_up(torch.cat([gradient.reshape(-1) for gradient in gradients]))
    parts = torch.split(total, [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
