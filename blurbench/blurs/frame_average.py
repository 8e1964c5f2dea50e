"""Consecutive frames averaged, as by a shutter that is open for a part of their time."""

import math
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from blurbench.blurs import shutter
from blurbench.blurs.base import Blurred, Family, Fraction, Scene, one_of
from blurbench.errors import UserError

GHOST = 1.0  # px from one averaged frame to the next: what moves farther is seen several times


class FrameAverage(Family):
    """Consecutive frames averaged; the sharp picture is the one in the middle."""

    KERNELS: ClassVar = "none"
    MEASURED: ClassVar = False
    SINCE: ClassVar[dict[str, Any]] = {
        "duty": 1.0,
        "exposure": None,
        "fps": None,
        "between": None,
        "ready": 0,
        "readout": 0.0,
        "timing": "even",
    }

    family: Literal["frame_average"]
    # Of the source, in the time from one picture of the imitated camera to the next; one is drawn.
    frames: tuple[Annotated[int, Field(ge=3, le=999)], ...] = Field(min_length=1)
    step: int | None = Field(None, ge=1)  # frames from one pair to the next; None: no overlap
    duty: float = Field(1.0, gt=0, le=1)  # share of that time for which the shutter is open
    exposure: float | None = Field(None, gt=0, le=60)  # s, in place of a duty
    fps: float | None = Field(None, gt=0, le=1e6)  # frames a second of the source
    # Frames made between two by their motion. None: none; 0: none, but ghosts are measured.
    between: int | None = Field(None, ge=0, le=63)
    ready: int = Field(0, ge=0, le=63)  # made between two by another program: no sharp pictures
    readout: Fraction = 0.0  # rolling shutter: share of that time from the first row to the last
    timing: Literal["even", "stamps"] = "even"  # stamps: frames are where a video's own times are

    @field_validator("frames")
    @classmethod
    def _odd(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if even := [count for count in value if count % 2 == 0]:
            raise ValueError(f"frames must be odd, so that one is in the middle, not {even[0]}")
        return value

    @model_validator(mode="after")
    def _timed(self) -> "FrameAverage":
        if self.timing == "stamps" and self.fps:
            raise ValueError('timing = "stamps" gives the frames a second: leave out fps')
        if self.exposure and (self.duty != 1 or not (self.fps or self.timing == "stamps")):
            raise ValueError('exposure needs fps or timing = "stamps", and no duty')
        for count in self.frames:
            if self._open(count, self.fps) + self.readout * count > count * (1 + shutter.LEAST):
                raise ValueError(f"the shutter is open for longer than {count} frames take")
        if self.step and self.step % (self.ready + 1):
            raise ValueError(
                f"step must be a multiple of {self.ready + 1}, as ready = {self.ready}"
            )
        return self

    def _open(self, count: int, fps: float | None) -> float:
        """How long a row sees, in frames' time."""
        return self.duty * count if self.exposure is None else self.exposure * (fps or 0.0)

    def _stamps(self, scene: Scene, count: int) -> tuple[np.ndarray, float | None]:
        """When the frames are, in frames' time, the middle one at 0; and how many a second."""
        half = count // 2
        if self.timing == "even":
            return np.arange(-half, half + 1, dtype=np.float64), self.fps
        times = np.zeros(1) if scene.times is None else scene.times
        lengths = np.diff(times)
        if len(times) != count or not lengths.min() > 0:
            mend = 'set blur.timing to "even"'
            raise UserError(f"{scene.item_id}: its frames have no time stamps that rise; {mend}")
        # The middle one of them, not the mean: a camera that drops frames keeps its rate.
        length = float(np.sort(lengths)[len(lengths) // 2])
        return (times - times[half]) / length, 1 / length

    @property
    def measured(self) -> bool:
        """Only where motion is followed: that takes 0.12 s a frame of 854x480 px."""
        return self.between is not None

    @property
    def window(self) -> tuple[int, int | None]:
        """Frames that the longest average needs, and the step; None where pairs share no frame."""
        spans = (self._open(count, self.fps) + self.readout * count for count in self.frames)
        half = max(max(self.frames) // 2, shutter.reach(max(spans), self.between or 0))
        # In whole steps from one frame of the camera to the next, so that one is in the middle.
        every = self.ready + 1
        half += -half % every
        longest = 2 * half + 1
        return longest, self.step or (longest + -longest % every if self.ready else None)

    def blur(self, scene: Scene) -> Blurred:
        """Average the light that each row sees while it is open, around the middle frame."""
        from blurbench.blurs.footage import Footage

        if scene.frames is None:
            raise UserError(f"{scene.item_id}: one picture alone; frames to average are needed")
        count = one_of(self.frames, scene.random)
        stamps, fps = self._stamps(scene, len(scene.frames))
        exposure, readout = self._open(count, fps), self.readout * count
        times = shutter.moments(stamps, self.between or 0)
        try:
            shares = shutter.shares(times, exposure, readout, scene.image.shape[0])
        except ValueError as error:
            raise UserError(f"{scene.item_id}: {error}; raise blur.frames") from None
        seen = shares.any(axis=1)
        times, shares = times[seen], shares[seen, :, None, None]
        footage = Footage(scene, scene.frames, stamps)
        # float64: of 999 frames of 8 bits the sum is exact.
        total, walked = np.zeros(scene.image.shape), np.zeros(scene.image.shape[:2])
        steps: dict[int, np.ndarray] = {}
        for time, after, share in zip(times, [*times[1:], None], shares, strict=True):
            total += share * footage.at(time)
            if self.between is not None and after is not None:
                step = footage.speed(footage.place(time)) * (after - time)
                walked += step
                steps.setdefault(footage.place(time), step)
        told = {**self._told(exposure, fps, len(times)), **_ghosts([*steps.values()])}
        drawn = {"frames": count, **told}
        span = float(times[-1] - times[0])
        lengths = _lengths(walked * (exposure / span if span else 0)) if self.measured else None
        return Blurred(total / shares.sum(axis=0), (0, 0), drawn, lengths, self.family)

    def _told(self, exposure: float, fps: float | None, averaged: int) -> dict[str, Any]:
        """What rows say of the shutter, where a recipe sets it."""
        if all(getattr(self, name) == value for name, value in self.SINCE.items()):
            return {}
        seconds = {"exposure_s": round(exposure / fps, 6)} if fps else {}
        return {"exposure": round(exposure, 6), "averaged": averaged, **seconds}


def _lengths(walked: np.ndarray) -> tuple[float, float]:
    """Mean of how far pixels (H, W) go, px, and what 99 % of them stay below: flow has strays."""
    longest = float(np.quantile(walked, 0.99, method="higher"))
    # math.fsum rounds once: the last digit of NumPy's mean is the processor's.
    return math.fsum(walked.reshape(-1)) / walked.size, longest


def _ghosts(steps: list[np.ndarray]) -> dict[str, float]:
    """How far the pixels (H, W) go from one averaged frame to the next, px.

    ghosting: share of them that go farther than GHOST; step_px: 99 % stay below it where they are
    fastest.
    """
    if not steps:
        return {}
    farther = sum(int((each > GHOST).sum()) for each in steps) / sum(each.size for each in steps)
    step = max(float(np.quantile(each, 0.99, method="higher")) for each in steps)
    return {"ghosting": round(farther, 4), "step_px": round(step, 3)}
