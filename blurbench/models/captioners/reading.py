"""Captions and whole pictures as the tensors that captioners learn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from blurbench.errors import UserError, reason
from blurbench.files import open_regular
from blurbench.models.base import Batch
from blurbench.models.captioners.language import Language
from blurbench.models.captioners.resnet import squared

Input = Literal["blur", "sharp"]


@dataclass(frozen=True)
class CaptionReader:
    """A pair of a data set -> `whole`, the picture as a square, and one of its captions.

    `words` (T,) are the caption's, ending in END; `classes` (7,) those of its tree; `sampling` is
    the share of words that the decoder draws itself in this epoch; `regions` (R, C) are features.
    """

    language: Language
    side: int
    longest: int
    flip: bool
    input: Input = "blur"
    sampling: float = 0.0
    sampling_epochs: int = 1
    regions: "Regions | None" = None
    pairs: bool = False  # also the pair of pictures, with the place of each pixel

    def __call__(
        self, sample: dict[str, Any], epoch: int, rng: np.random.Generator
    ) -> tuple[Batch, Batch]:
        """The pictures to crop, and the labels."""
        captions: Sequence[str] = sample.get("captions") or []
        if not captions:
            raise UserError(f"{sample['id']}: a pair without captions; leave it out of the set")
        # One sentence of each picture in an epoch; the paper does not say which.
        text = captions[int(rng.integers(len(captions)))]
        mirrored = bool(self.flip and rng.random() < 0.5)
        picture = sample[self.input]
        whole = squared(picture[None], self.side)[0]
        labels = {
            "whole": whole.flip(-1) if mirrored else whole,
            "words": self.language.spell(text, self.longest),
            "classes": self.language.classes(text),
            "sampling": torch.tensor(self.sampling * min(1.0, epoch / self.sampling_epochs)),
        }
        if self.regions:
            labels["regions"] = self.regions.read(sample["id"])
        if not self.pairs:
            return {}, labels
        # The tree sees whole pictures, for a crop need not show what captions speak of; crops look
        # up their places in its nodes.
        place = places(picture.shape[-2], picture.shape[-1], mirrored)
        return {"blur": sample["blur"], "sharp": sample["sharp"], "place": place}, labels


def places(height: int, width: int, mirrored: bool = False) -> Tensor:
    """(2, H, W): x and y of each pixel's centre, -1 to 1 from border to border of the picture."""
    y = (torch.arange(height) + 0.5) / height * 2 - 1
    x = (torch.arange(width) + 0.5) / width * 2 - 1
    return torch.stack(torch.meshgrid(-x if mirrored else x, y, indexing="xy"))


@dataclass(frozen=True)
class Regions:
    """Features of detected regions, one file ID.npy (R, channels) a picture."""

    folder: Path
    channels: int
    count: int  # of regions in a batch; further ones are left out, missing ones are zeros

    def read(self, id: str) -> Tensor:
        """(count, channels) of the picture `id`; UserError where its file is missing or broken."""
        path = self.folder / f"{id}.npy"
        try:
            with open_regular(path) as file:
                found = np.load(file, allow_pickle=False)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; regions= needs one for each picture") from None
        except UserError:
            raise
        # Python's tokeniser reads the header: it raises what it likes for a damaged one.
        except Exception as error:
            raise UserError(f"{path}: not a readable array ({reason(error)})") from None
        if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
            raise UserError(f"{path}: no array of numbers")
        if found.ndim != 2 or found.shape[1] != self.channels or not found.any():
            raise UserError(f"{path}: shape {found.shape}, expected (regions, {self.channels})")
        filled = np.zeros((self.count, self.channels), np.float32)
        filled[: min(len(found), self.count)] = found[: self.count]
        return torch.from_numpy(filled)
