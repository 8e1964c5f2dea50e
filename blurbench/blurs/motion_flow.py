"""A line kernel at each pixel, from a flow field."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from blurbench.blurs.base import MIN_SIDE, Blurred, Family, Moving, Range, Scene, Target, between
from blurbench.errors import UserError

if TYPE_CHECKING:
    from blurbench_kernels.motion_flow import Motion


class MotionFlow(Family):
    """A line kernel at each pixel (blurbench_kernels.motion_flow)."""

    family: Literal["motion_flow"]
    preset: Literal["strong", "mild"]
    mode: Literal["compat", "physical"] = "compat"
    severity: Range | None = None  # None: the preset's own range
    # What severity scales: the magnitude of each parameter, the whole flow, or no motion at all:
    # then it is the standard deviation of Gaussian noise in grey levels.
    severity_reading: Literal["magnitude", "motion_scale", "noise"] = "magnitude"
    target: Target | None = None

    @property
    def scaling(self) -> tuple[tuple[float, float] | None, Literal["magnitude", "motion_scale"]]:
        """The range that scales the motion, and how."""
        if self.severity_reading == "noise":
            return None, "magnitude"
        return self.severity, self.severity_reading

    def noise(self, random: np.random.Generator) -> float | None:
        """Where severity is read as noise: a sigma drawn from it, grey levels of 255."""
        if self.severity_reading != "noise":
            return None
        return between(self.severity or (0.0, 0.0), random) / 255

    def blur(self, scene: Scene) -> Blurred:
        """Scale the drawn motion as the recipe asks, and blur along it."""
        from blurbench_kernels import motion_flow

        motion, (u, v) = self._drawn(scene, slice(None))
        return Blurred(
            motion_flow.blur(scene.image, u, v),
            motion_flow.crop_border(u, v),
            asdict(motion),
            motion_flow.lengths(u, v),
            self.family,
        )

    def over_time(self, scene: Scene, inside: np.ndarray) -> Moving:
        """The same motion in time; its severity is that of the pixels `inside` (H, W)."""
        from blurbench_kernels import layers, motion_flow

        motion, (u, v) = self._drawn(scene, inside)
        lengths = motion_flow.lengths(u[inside][None], v[inside][None])
        border = motion_flow.crop_border(u, v)
        return Moving(layers.along_flow(u, v), border, asdict(motion), lengths)

    def _drawn(
        self, scene: Scene, inside: np.ndarray | slice
    ) -> tuple["Motion", tuple[np.ndarray, np.ndarray]]:
        """A motion whose mean `inside` is as the recipe asks, and its rounded flow."""
        from blurbench_kernels import motion_flow

        height, width = scene.image.shape[:2]
        preset = motion_flow.PRESETS[self.preset]
        motion = motion_flow.draw(scene.random, preset, height, width, *self.scaling)
        if self.target:
            lengths = np.hypot(*motion.flow(height, width, self.mode))
            # Six digits: the last ones of a mean depend on the CPU.
            factor = round(self.target.draw(scene.random, width) / float(lengths[inside].mean()), 6)
            motion = replace(motion, motion_scale=motion.motion_scale * factor)
        # Rounded once for all that follows: 640x480 pixels take 0.4 ms each time.
        flow, longest = motion.rounded(height, width, self.mode)
        # Half the motion is cropped or made up on each side: a longer one leaves no image.
        if max(height, width) < longest + MIN_SIDE:
            needed = (
                f"its blur of up to {longest} px needs a side of at least {longest + MIN_SIDE} px"
            )
            raise UserError(f"{scene.item_id}: too small with {width}x{height} px; {needed}")
        return motion, flow
