"""What the runner needs of a model: its stages, and a `deblur` for afterwards."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from torch import Tensor, nn

from blurbench.errors import UserError
from blurbench.models.parts.recompute import listed_blocks
from blurbench.weights.places import Needed

# blur, sharp: (N, 3, H, W) in [0, 1]; mask: (N, 4, H, W) one-hot, where the data set has masks.
Batch = dict[str, Tensor]
# One pair of a data set, its epoch, a random stream -> the tensors to crop and mirror together,
# and those to leave as they are.
Reader = Callable[[dict[str, Any], int, np.random.Generator], tuple[Batch, Batch]]
# Minimised is the entry "loss"; the others are only logged. All are scalars.
Losses = dict[str, Tensor]
Loss = Callable[[Batch], Losses]
# What a model counted while it restored one picture, by name: worth a column in results.
Figures = dict[str, float]
# What a model looked at while it restored one picture, by name: (3, H, W) in [0, 1], or
# (T, 3, H, W) for an animation.
Maps = dict[str, Tensor]
# The true labels of one picture, as an item of a data set has them: "id"; and, where it has them,
# "mask", (4, H, W) one-hot, and "captions", a list of sentences.
Labels = dict[str, Any]
# Progress through the stage, 0 to 1 -> factor on the learning rate.
Schedule = Callable[[float], float]


class ModelConfig(BaseModel):
    """What every preset states; a model adds its own fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: int = Field(gt=0, description="optimiser steps, all stages together")
    batch_size: int = Field(gt=0)
    crop_size: int | None = Field(
        None, gt=0, le=4096, description="training crop in px; none: whole image"
    )
    crops: tuple[int, ...] = Field(
        (), description="training crops in px, each for an equal part of its stage"
    )
    batches: tuple[int, ...] = Field((), description="batch sizes beside crops")
    flip: bool = Field(True, description="mirror half of the training pairs")
    turns: bool = Field(False, description="turn training pairs by 0, 90, 180 or 270 degrees")
    accumulate: int = Field(
        1, gt=0, description="parts a batch is computed in, one after the other, to save memory"
    )
    checkpointing: bool = Field(
        False, description="compute blocks again in the backward pass, to save memory"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "fp32", description="auto: bf16 where the processor computes it, when a run begins"
    )
    compile: bool = Field(False, description="torch.compile the losses, networks included")
    ema: float | None = Field(None, gt=0, lt=1, description="decay of the averaged weights")
    patience: int | None = Field(
        None, gt=0, description="validations without a better one that end the training"
    )
    sample_at: tuple[int, ...] = Field((), description="steps to keep sample pictures of")
    tensorboard: bool = Field(False, description="also write TensorBoard events")
    tracker: Literal["wandb", "trackio"] | None = Field(
        None, description="also report to this package, which is not installed with blurbench"
    )

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The fields that have a default, with it."""
        return {n: f.default for n, f in cls.model_fields.items() if not f.is_required()}

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_of_their_kind(cls, value: Any, info: ValidationInfo) -> Any:
        """Pydantic would take true and 4.0 for integers, and true for 1.0."""
        assert info.field_name
        kinds = kinds_of(cls.model_fields[info.field_name].annotation)
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, bool) and bool not in kinds:
                raise ValueError("is no number")
            if isinstance(each, float) and float not in kinds:
                raise ValueError("is no whole number")
            if isinstance(each, int) and each.bit_length() > 53:
                raise ValueError("has too many digits")
        return value

    @model_validator(mode="after")
    def _crops_and_batches_fit(self) -> Self:
        """Progressive training has a batch size for each crop, or one for all."""
        if self.batches and len(self.batches) != len(self.crops):
            raise ValueError("batches: give as many as crops, or none")
        if not all(0 < crop <= 4096 for crop in self.crops) or any(b < 1 for b in self.batches):
            raise ValueError("crops: each of 1 to 4096 px; batches: each of 1 or more")
        return self


def kinds_of(annotation: Any) -> set[Any]:
    """The plain types that a field may hold, those in tuples too."""
    inner = get_args(annotation)
    return set().union(*map(kinds_of, inner)) if inner else {annotation}


@dataclass(frozen=True)
class Update:
    """One optimiser: the modules it trains and the loss it takes them down."""

    name: str
    modules: tuple[nn.Module, ...]
    loss: Loss
    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    decoupled: bool = False  # AdamW in place of Adam
    schedule: Schedule = field(default=lambda _: 1.0)
    repeats: int = 1  # critic steps for each step of the stage
    clip: float | None = None  # largest norm of the gradient


@dataclass(frozen=True)
class Stage:
    """A stretch of training; modules that no update names are frozen and in eval mode."""

    name: str
    share: float  # weight of this stage in the total number of steps
    updates: tuple[Update, ...]
    # It trains what a method needs beside the networks that restore (or describe): no part of the
    # budget that compared models have in common.
    beside: bool = False


class Model(nn.Module, ABC):
    """Networks, their training stages, and the restoration they add up to."""

    Config: ClassVar[type[ModelConfig]]
    PRESETS: ClassVar[dict[str, Any]]  # preset name -> Config
    PAPER: ClassVar[str]
    # What a user must know about the authors' code and weights; ours is under LICENSE.
    LICENCE: ClassVar[str] = "not stated"
    NEEDS: ClassVar[tuple[str, ...]] = ()  # labels a training set must carry: "mask", "captions"
    # It restores pictures, and is judged by PSNR; of one that does not, captions by CIDEr.
    RESTORES: ClassVar[bool] = True
    DESCRIBES: ClassVar[bool] = False  # it writes captions
    INPUT: Literal["blur", "sharp"] = "blur"  # what it is shown of a pair
    # channels_last takes a third off plain convolutions, and adds a quarter beside instance norm.
    LAYOUT: ClassVar[torch.memory_format] = torch.contiguous_format

    def __init__(self, config: ModelConfig) -> None:
        """Keep the preset that the networks are built from."""
        super().__init__()
        self.config = config
        self.multiple = 1  # height and width are padded to a multiple of this before `restore`
        # "mask" or "captions" of the picture itself, that an oracle restores with.
        self.restore_labels: tuple[str, ...] = ()
        # Frozen networks that only losses run, by name. nn.Module does not see into a dict, so that
        # they are no part of its weights, nor of a checkpoint.
        self.loss_networks: dict[str, Any] = {}

    def prepare(self) -> None:
        """Load what only training runs, once, before it begins; UserError where a file is missing.

        Into `loss_networks`, on the CPU; or into a frozen part of the model itself.
        """

    def files(self) -> tuple[Needed, ...]:
        """The files that `prepare` reads, there or not."""
        return ()

    def init_parts(self) -> tuple[nn.Module, ...]:
        """What `--init` may also fill, beside itself and its networks: parts of it that together
        have the names of another model's file.
        """
        return ()

    @abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """The training schedule, in order; it loads nothing."""

    @abstractmethod
    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], sides multiples of `multiple` -> same shape, not clamped."""

    @abstractmethod
    def inference_modules(self) -> tuple[nn.Module, ...]:
        """The networks that `restore` runs: no critic, no teacher."""

    def reader(self) -> Reader:
        """How training makes tensors of a pair; loader processes get a copy of it."""
        return read_pictures

    def learn_language(self, captions: Iterable[Sequence[str]]) -> None:
        """Take the vocabularies of a training split: the sentences of each of its pictures."""

    def save_language(self, path: Path) -> None:
        """Write the vocabularies, if it has any."""

    def load_language(self, path: Path) -> None:
        """Read the vocabularies, if it wants any; UserError where they are missing or broken."""

    def vocabulary_hash(self) -> str | None:
        """Of the words that it writes with, which decide its weights; none: it writes none."""
        return None

    @torch.no_grad()
    def caption(
        self,
        images: Tensor,  # noqa: ARG002
        ids: Sequence[str] | None = None,  # noqa: ARG002
        beams: int | None = None,  # noqa: ARG002
    ) -> list[str]:
        """A sentence for each of (N, 3, H, W) in [0, 1], any size; UserError unless it describes.

        `ids` are needed where features of regions are read from files; `beams` 1 is greedy.
        """
        raise UserError("this model writes no captions; it restores pictures")

    def compute(self, picture: Tensor) -> None:
        """All that inference does with (N, 3, H, W) in [0, 1], to count what it costs."""
        self.restore(picture)

    def restore_counted(self, blur: Tensor) -> tuple[Tensor, Figures]:
        """`restore`, and what a model counts on the way, summed over the pictures."""
        return self.restore(blur), {}

    def restore_labelled(self, blur: Tensor, labels: Sequence[Labels]) -> tuple[Tensor, Figures]:
        """`restore_counted` of an oracle, with the labels of each picture of (N, 3, H, W).

        Masks come in the size of the picture before it was padded to multiples.
        """
        raise NotImplementedError(f"{type(self).__name__}: restore_labels without this")

    def check_labels(self, labels: Sequence[Labels] = ()) -> None:
        """UserError where it restores with true labels, and those of a picture are not there."""
        wanted = self.restore_labels
        if wanted and not (labels and all(name in each for each in labels for name in wanted)):
            raise UserError(
                f"this run restores with the true {' and '.join(wanted)} of each picture, an oracle"
                " for studies; only `blurbench evaluate` on a data set that has them can run it"
            )

    @torch.no_grad()
    def sample_figures(self, blur: Tensor, sharp: Tensor) -> Figures:  # noqa: ARG002
        """What a training logs of a pair at `sample_at`: two (1, 3, H, W) in [0, 1]."""
        return {}

    def blocks(self) -> list[nn.Module]:
        """What gradient checkpointing computes again in the backward pass, one by one."""
        return listed_blocks(self)

    @torch.no_grad()
    def explain(self, blur: Tensor) -> Maps:  # noqa: ARG002
        """What to look at beside the restored picture; blur (1, 3, H, W) in [0, 1], any size."""
        return {}

    @torch.no_grad()
    def deblur(self, blur: Tensor, labels: Sequence[Labels] = ()) -> Tensor:
        """(N, 3, H, W) in [0, 1], any size -> restored, same shape, in [0, 1].

        `labels` of each picture are what an oracle asks for; it raises UserError without them.
        """
        # Models of other packages may have a `deblur_counted` of their own, which knows no labels.
        return (self.deblur_counted(blur, labels) if labels else self.deblur_counted(blur))[0]

    @torch.no_grad()
    def deblur_counted(self, blur: Tensor, labels: Sequence[Labels] = ()) -> tuple[Tensor, Figures]:
        """`deblur`, and what the model counted on the way."""
        self.check_labels(labels)
        padded, (height, width) = pad(blur, self.multiple)
        padded = padded.contiguous(memory_format=self.LAYOUT)
        if self.restore_labels:
            restored, figures = self.restore_labelled(padded, labels)
        else:
            restored, figures = self.restore_counted(padded)
        return restored[..., :height, :width].clamp(0, 1), figures


def read_pictures(
    sample: dict[str, Any], _epoch: int, _rng: np.random.Generator
) -> tuple[Batch, Batch]:
    """The pictures of a pair, and its mask where there is one."""
    return {name: value for name, value in sample.items() if torch.is_tensor(value)}, {}


def pad(image: Tensor, multiple: int) -> tuple[Tensor, tuple[int, int]]:
    """Grow (N, C, H, W) at the bottom and right to multiples; also the size to cut back to."""
    height, width = image.shape[-2:]
    down, right = -height % multiple, -width % multiple
    # Reflection needs the pad to be smaller than the image.
    mode = "reflect" if down < height and right < width else "replicate"
    return nn.functional.pad(image, (0, right, 0, down), mode=mode), (height, width)


def signed(image: Tensor) -> Tensor:
    """[0, 1] -> [-1, 1]."""
    return image * 2 - 1


def parameter_count(*modules: nn.Module) -> int:
    """Number of parameters of some modules, each counted once."""
    unique = {id(p): p.numel() for module in modules for p in module.parameters()}
    return sum(unique.values())
