"""Learning rate schedules: progress through a stage, 0 to 1, to a factor on the rate."""

import math

from blurbench.models.base import Schedule


def constant(_progress: float) -> float:
    """The rate stays as it is."""
    return 1.0


def cosine(lowest: float) -> Schedule:
    """Half a cosine from 1 down to `lowest` (Loshchilov and Hutter, 2017)."""

    def factor(progress: float) -> float:
        return lowest + (1 - lowest) * (1 + math.cos(math.pi * progress)) / 2

    return factor
