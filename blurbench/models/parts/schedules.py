"""Learning rate schedules: progress through a stage, 0 to 1, to a factor on the rate."""

import math

from blurbench.models.base import Schedule


def constant(_progress: float) -> float:
    """The rate stays as it is."""
    return 1.0


def cosine(lowest: float, warm_up: float = 0.0) -> Schedule:
    """Half a cosine from 1 down to `lowest` (Loshchilov and Hutter, 2017).

    Over the first `warm_up` of the stage it also rises linearly from 0.
    """

    def factor(progress: float) -> float:
        # Never 0: the first step of a stage would be lost.
        rise = min(1.0, max(progress / warm_up, 1e-3)) if warm_up else 1.0
        return rise * (lowest + (1 - lowest) * (1 + math.cos(math.pi * progress)) / 2)

    return factor


def falling(start: float) -> Schedule:
    """Constant up to `start`, then a straight line down to 0 at the end of the stage."""

    def factor(progress: float) -> float:
        return min(1.0, (1 - progress) / (1 - start))

    return factor


def stepped(factor: float, steps: int) -> Schedule:
    """1, and `factor` times less at the end of each of `steps` equal parts of the stage."""

    def rate(progress: float) -> float:
        return float(factor ** int(progress * steps))

    return rate
