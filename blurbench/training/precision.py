"""Which processor trains, what `precision=auto` means on it, and `compile`."""

from dataclasses import replace

import torch

from blurbench.models.base import ModelConfig, Stage, Update
from blurbench.runs.devices import bf16_unit


def resolved(config: ModelConfig, device: torch.device, recorded: str | None) -> ModelConfig:
    """The preset with bf16 or fp32 in place of auto; `recorded`: what its run began in, if any."""
    if config.precision != "auto":
        return config
    precision = recorded or ("bf16" if bf16_unit(device) else "fp32")
    return config.model_copy(update={"precision": precision})


def processor(device: torch.device) -> str:
    """The kind of processor, as far as it decides how sums are rounded: for the record."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    unit = bf16_unit(device)
    return f"cpu {torch.backends.cpu.get_cpu_capability()}" + (f" {unit}" if unit else "")


def compiled(stage: Stage) -> Stage:
    """A stage whose losses are compiled, with the networks that they call."""

    # The losses and not the modules: they call parts of a model, not only whole modules.
    def ready(update: Update) -> Update:
        # Dropout and other draws stay those of a plain run.
        return replace(update, loss=torch.compile(update.loss, options={"fallback_random": True}))

    return replace(stage, updates=tuple(map(ready, stage.updates)))
