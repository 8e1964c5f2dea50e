"""A model and a data set small enough to train in milliseconds."""

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from blurbench.models import build
from blurbench.models.base import (
    Batch,
    Figures,
    Labels,
    Losses,
    Model,
    ModelConfig,
    Stage,
    Update,
)
from blurbench.training.batches import TrainingPairs
from blurbench.training.processes import find_world
from blurbench.training.runner import Runner


class ToyPairs:
    """Noise pictures and their halves."""

    def __init__(self, count: int = 10, size: int = 12) -> None:
        generator = torch.Generator().manual_seed(1)
        self.sharp = torch.rand(count, 3, size, size, generator=generator)

    def __len__(self) -> int:
        return len(self.sharp)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"blur": self.sharp[index] / 2, "sharp": self.sharp[index], "id": f"p{index}"}

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        del epoch
        return self[index]

    def only(self, indices: Sequence[int]) -> "ToyPairs":
        other = copy(self)
        other.sharp = self.sharp[list(indices)]
        return other


class Toy(Model):
    """A generator with dropout and batch norm, and a critic: two stages."""

    Config = ModelConfig
    PRESETS: ClassVar[dict[str, Any]] = {}
    PAPER = "none"

    def __init__(self, config: ModelConfig, poison: float = 0.0) -> None:
        super().__init__(config)
        torch.manual_seed(0)
        self.generator = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.2), nn.Conv2d(4, 3, 1)
        )
        self.critic = nn.Conv2d(3, 1, 3)
        self.poison = poison

    def reconstruction(self, batch: Batch) -> Losses:
        loss = (self.generator(batch["blur"]) - batch["sharp"]).abs().mean()
        return {"loss": loss + self.poison * float("nan") if self.poison else loss}

    def adversarial(self, batch: Batch) -> Losses:
        return {"loss": -self.critic(self.generator(batch["blur"])).mean()}

    def criticism(self, batch: Batch) -> Losses:
        fake = self.generator(batch["blur"])
        return {"loss": self.critic(fake).mean() - self.critic(batch["sharp"]).mean()}

    def stages(self) -> tuple[Stage, ...]:
        warm = Update("generator", (self.generator,), self.reconstruction, lr=1e-2, clip=1.0)
        critic = Update("critic", (self.critic,), self.criticism, lr=1e-3, repeats=3)
        generator = Update(
            "generator", (self.generator,), self.adversarial, 1e-3, schedule=lambda p: 1 - p
        )
        return Stage("warm", 1, (warm,)), Stage("gan", 1, (critic, generator))

    def inference_modules(self) -> tuple[nn.Module, ...]:
        return (self.generator,)

    def restore(self, blur: Tensor) -> Tensor:
        return self.generator(blur)


class Judged(Toy):
    """A generator is trained, then only a critic: the generator's batch norm no longer moves."""

    def stages(self) -> tuple[Stage, ...]:
        warm, gan = super().stages()
        return warm, Stage("judge", 1, gan.updates[:1])


class Oracle(Toy):
    """It adds the number of sentences of each picture, in hundredths, to the picture."""

    def __init__(self, config: ModelConfig, poison: float = 0.0) -> None:
        super().__init__(config, poison)
        self.restore_labels = ("captions",)

    def restore_labelled(self, blur: Tensor, labels: Sequence[Labels]) -> tuple[Tensor, Figures]:
        counts = torch.tensor([len(each["captions"]) / 100 for each in labels])
        return blur + counts[:, None, None, None], {"sentences": float(100 * counts.sum())}


def make_runner(
    folder: Path, steps: int, kind: type[Toy] = Toy, *, poison: float = 0.0, **config: Any
) -> Runner:
    """A runner on toy data that checkpoints at every log row."""
    settings = ModelConfig(steps=steps, batch_size=3, crop_size=8, **config)
    folder.mkdir(exist_ok=True)
    pairs: Any = ToyPairs()
    return Runner(
        folder=folder,
        model=kind(settings, poison),
        pairs=TrainingPairs(pairs, settings, seed=5),
        validation=pairs,
        samples=pairs,
        steps=steps,
        device=torch.device("cpu"),
        world=find_world(),
        checkpoint_seconds=0.0,
    )


def weights(folder: Path, name: str = "last.safetensors") -> bytes:
    """The finished weights, as bytes."""
    return (folder / name).read_bytes()


# Networks without batch statistics, and a GAN; as small as they go.
SMALL: dict[str, dict[str, Any]] = {
    "unet": {"widths": (4, 8), "blocks": (1, 1)},
    "mimo-unet": {"width": 4, "blocks": 1},
    "igan": {"width": 4},
    "deblurgan": {"width": 4, "blocks": 1, "critic_steps": 2},
}


def one_step(folder: Path, name: str, **config: Any) -> dict[str, Tensor]:
    """The gradients of the first step of a model in float64, as the runner takes it."""
    torch.manual_seed(0)
    small = {"batch_size": 3, "crop_size": 64, **SMALL[name], **config}
    model = build(name, preset="tiny", **small).double()
    pairs: Any = ToyPairs(size=64)
    pairs.sharp = pairs.sharp.double()
    folder.mkdir(exist_ok=True)
    training = TrainingPairs(pairs, model.config, seed=5)
    Runner(folder, model, training, None, pairs, 1, torch.device("cpu"), find_world()).run()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
