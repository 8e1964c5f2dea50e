"""Pictures with captions, small enough to learn in seconds."""

from typing import Any

import torch
from small_training import real_pairs
from torch import Tensor

from blurbench.models.base import Batch
from blurbench.models.captioners.base import Captioned
from blurbench.training.batches import TrainingPairs

CAPTIONS = (
    "A woman in a suit standing in front of a flag.",
    "A cup of coffee on a wooden table.",
    "A cat looking at the camera.",
    "A rocket standing on a launch pad.",
)
LEARNT = [[caption] * 2 for caption in CAPTIONS]  # tiny presets want words twice


class CaptionedPairs:
    """Four photographs, their blur, and a caption each."""

    def __init__(self, size: int = 64) -> None:
        self.pictures = real_pairs(size)

    def __len__(self) -> int:
        return len(CAPTIONS)

    def __getitem__(self, index: int) -> dict[str, Any]:
        pictures = {name: value[index] for name, value in self.pictures.items()}
        return {**pictures, "id": f"p{index}", "captions": [CAPTIONS[index]]}

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        del epoch
        return self[index]


def whole_batch(model: Captioned, size: int = 64) -> Batch:
    """All four pairs, as training reads them."""
    model.learn_language(LEARNT)
    pairs: Any = CaptionedPairs(size)
    training = TrainingPairs(pairs, model.config, 0, model.reader())
    items = [training[position] for position in range(4)]
    return {name: torch.stack([item[name] for item in items]) for name in items[0]}


def photographs(size: int = 64) -> Tensor:
    """(4, 3, size, size), blurred."""
    return real_pairs(size)["blur"]
