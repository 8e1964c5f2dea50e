"""Consecutive frames averaged."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from blurbench.blurs.base import Blurred, Family, Scene, one_of
from blurbench.errors import UserError


class FrameAverage(Family):
    """Consecutive frames averaged; the sharp picture is the one in the middle."""

    KERNELS: ClassVar = "none"
    MEASURED: ClassVar = False

    family: Literal["frame_average"]
    frames: tuple[Annotated[int, Field(ge=3, le=999)], ...] = Field(min_length=1)  # one is drawn
    step: int | None = Field(None, ge=1)  # frames from one pair to the next; None: no overlap

    @field_validator("frames")
    @classmethod
    def _odd(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if even := [count for count in value if count % 2 == 0]:
            raise ValueError(f"frames must be odd, so that one is in the middle, not {even[0]}")
        return value

    @property
    def window(self) -> tuple[int, int | None]:
        """The longest average, and the step; None where pairs share no frame."""
        return max(self.frames), self.step

    def blur(self, scene: Scene) -> Blurred:
        """Average the light of so many frames around the middle one."""
        if scene.frames is None:
            raise UserError(f"{scene.item_id}: one picture alone; frames to average are needed")
        count = one_of(self.frames, scene.random)
        start = (len(scene.frames) - count) // 2
        # float64: of 999 frames of 8 bits the sum is exact.
        total = np.zeros(scene.image.shape)
        for frame in scene.frames[start : start + count]:
            total += scene.light(frame)
        return Blurred(total / count, (0, 0), {"frames": count}, None, self.family)
