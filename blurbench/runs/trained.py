"""Restored pictures: a run's model on any picture, of any size."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from blurbench.images import to_float, to_levels
from blurbench.memory import keep_freed
from blurbench.models.base import Figures, Labels, Model
from blurbench.runs.ensemble import self_ensemble
from blurbench.runs.memory import allowance, bytes_per_pixel, out_of_memory
from blurbench.runs.tiles import restore_in_tiles, tile_sides

# Bytes of memory that stay with the process between two layers: the system zeroes what it gives, a
# quarter of the time of `maxim` on a megapixel.
TENSORS = (2**30, 2**31 - 1)


@dataclass(frozen=True)
class Restored:
    """One restored picture, and how it came about."""

    values: np.ndarray  # (H, W, 3), uint8 or float32 in [0, 1]
    figures: dict[str, float] = field(default_factory=dict)  # what the model counted
    tile: int | None = None  # px, where the picture went by tiles
    file_sha256: str | None = None  # of the file that it was read from, where it was

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8, clipped and rounded."""
        return self.values if self.values.dtype == np.uint8 else to_levels(self.values)


@dataclass(frozen=True)
class TrainedModel:
    """A finished run, ready to deblur."""

    name: str
    model: Model
    device: torch.device
    provenance: dict[str, Any]
    tile: int | None = None  # px; none: whole pictures, as long as the memory lasts
    tta: bool = False  # self-ensemble
    bf16: bool = False  # in half the time, a third of a level of 255 off in the mean
    # Loads the same in another process, on a GPU of its own; picklable, and small.
    again: Callable[[], "TrainedModel"] | None = None

    def __call__(self, blur: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 blurred -> restored, same shape."""
        return self.restore(blur).image

    def restore(
        self, blur: np.ndarray, advance: Callable[[int, int], None] = lambda _done, _total: None
    ) -> Restored:
        """(H, W, 3) uint8 blurred -> restored, whole or in tiles.

        `advance` is told how many tiles of how many are done. Raises RuntimeError or MemoryError
        where even the smallest tiles are too much, UserError for an oracle (`restore_labelled`).
        """
        self.model.check_labels()
        sides = self.sides(*blur.shape[:2])
        for side in sides[:-1]:
            try:
                return self._restore(blur, side, advance)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
            torch.cuda.empty_cache()  # only now, without the error, nothing holds the tensors
        return self._restore(blur, sides[-1], advance)

    def restore_labelled(self, blur: np.ndarray, labels: Labels) -> Restored:
        """`restore` of an oracle: whole, since the labels are of the whole picture."""
        picture = torch.from_numpy(to_float(blur))[None].to(self.device)
        values, figures = self.model.deblur_counted(picture, [labels])
        return Restored(values[0].permute(1, 2, 0).float().cpu().numpy(), figures)

    def sides(self, height: int, width: int) -> list[int]:
        """Sides of tiles to try for a picture; the first may be the whole picture's."""
        if self.tile:
            return [self.tile]
        # Linux gives memory that it has not, and kills whoever uses it: there is no error to catch.
        fitting = self._fitting if self.device.type == "cpu" else None
        return tile_sides(height, width, self.model.multiple, fitting)

    def _fitting(self) -> float:
        """How many pixels the memory holds at once."""
        return allowance() / self.bytes_per_pixel

    @cached_property
    def bytes_per_pixel(self) -> float:
        """What the model takes, measured once."""
        with self._precision():
            return bytes_per_pixel(self.model, self.device)

    def _restore(
        self, blur: np.ndarray, side: int, advance: Callable[[int, int], None]
    ) -> Restored:
        values, figures = restore_in_tiles(blur, self._run, side, self.model.multiple, advance)
        return Restored(values, figures, side if side < max(blur.shape[:2]) else None)

    def _run(self, blur: Tensor) -> tuple[Tensor, Figures]:
        """One tile on the device."""
        if self.device.type == "cpu":
            keep_freed(*TENSORS)
        blur = blur.to(self.device)
        with self._precision():
            if self.tta:
                return self_ensemble(self.model.deblur_counted, blur)
            return self.model.deblur_counted(blur)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)
