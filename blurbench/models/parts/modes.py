"""Which parts of a model a step trains."""

from torch import nn

from blurbench.models.base import Stage, Update


def set_modes(model: nn.Module, trained: list[nn.Module]) -> None:
    """Only the given modules are trained; all others are frozen and in eval mode."""
    model.eval()
    model.requires_grad_(False)
    for module in trained:
        module.train()
        module.requires_grad_(True)


def set_trainable(stage: Stage, update: Update) -> None:
    """Of the modules of a stage, let only those of one update collect gradients."""
    for other in stage.updates:
        for module in other.modules:
            module.requires_grad_(False)
    for module in update.modules:
        module.requires_grad_(True)
