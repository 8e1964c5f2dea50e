"""Four real pairs, and training steps as the runner takes them, without its files."""

import torch
from skimage import data
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from blurbench.models.base import Batch, Losses, Model, Stage
from blurbench.models.parts.modes import set_modes, set_trainable
from blurbench.training.checkpoint import make_optimiser


def real_pairs(size: int) -> Batch:
    """Four square crops of photographs, blurred over 7 px along the diagonal."""
    photographs = (data.astronaut(), data.coffee(), data.chelsea(), data.rocket())
    crops = [p[100 : 100 + size, 180 : 180 + size] for p in photographs]
    sharp = torch.stack([torch.tensor(crop).permute(2, 0, 1) for crop in crops]) / 255
    diagonal = (torch.eye(7) / 7).expand(3, 1, 7, 7)
    blur = F.conv2d(F.pad(sharp, (3, 3, 3, 3), mode="reflect"), diagonal, groups=3)
    return {"sharp": sharp, "blur": blur}


def start(model: Model, number: int = 0) -> tuple[Stage, dict[str, Optimizer]]:
    """One stage of a model in training mode, and its optimisers."""
    model.prepare()
    stage = model.stages()[number]
    set_modes(model, [module for update in stage.updates for module in update.modules])
    return stage, {update.name: make_optimiser(update) for update in stage.updates}


def step(stage: Stage, optimisers: dict[str, Optimizer], batch: Batch) -> dict[str, Losses]:
    """One step of every update on one batch; gives their last losses, detached."""
    found = {}
    for update in stage.updates:
        set_trainable(stage, update)
        for _ in range(update.repeats):
            losses = update.loss(batch)
            optimisers[update.name].zero_grad(set_to_none=True)
            losses["loss"].backward()
            if update.clip:
                clip_grad_norm_([p for m in update.modules for p in m.parameters()], update.clip)
            optimisers[update.name].step()
        found[update.name] = {name: value.detach() for name, value in losses.items()}
    return found


def halves(model: Model, batch: Batch, first: float, steps: int, name: str = "l1") -> bool:
    """Whether so many steps of the only update bring its loss `name` below a half of `first`."""
    stage, optimisers = start(model)
    for _ in range(steps):
        (losses,) = step(stage, optimisers, batch).values()
        if losses[name] < first / 2:
            return True
    return False
