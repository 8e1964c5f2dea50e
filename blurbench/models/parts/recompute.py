"""Gradient checkpointing (Chen et al., arXiv, 2016): memory of activations against a second pass.

A block keeps its input alone; its inside is computed again, with the same random draws, when the
backward pass comes to it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm
from torch.utils.checkpoint import checkpoint

LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def listed_blocks(model: nn.Module) -> list[nn.Module]:
    """The smallest members of a model's lists that are more than a layer, such as its ResBlocks."""
    lists = [module for module in model.modules() if isinstance(module, LISTS)]
    members = {id(member): member for each in lists for member in each.children()}
    blocks = {at: m for at, m in members.items() if not isinstance(m, LISTS) and any(m.children())}
    # What holds another block would compute it a third time.
    return [
        block
        for block in blocks.values()
        if not any(id(part) in blocks for part in block.modules() if part is not block)
    ]


def compute_again(blocks: Iterable[nn.Module]) -> None:
    """Let blocks keep nothing of their forward pass but what they are given."""
    for block in blocks:
        if "forward" not in vars(block):  # of a block that was made ready before
            block.forward = partial(_twice, block, block.forward)


def _twice(block: nn.Module, forward: Callable[..., Any], *given: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*given, **named)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), statistics_kept(block)

    return checkpoint(forward, *given, use_reentrant=False, context_fn=contexts, **named)


@contextmanager
def statistics_kept(block: nn.Module) -> Iterator[None]:
    """Batch norm as in the first pass, which has moved its running statistics already."""
    norms = [part for part in block.modules() if isinstance(part, AnyBatchNorm) and part.training]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # the statistics stay; without any, autograd would keep other tensors
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked = norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
