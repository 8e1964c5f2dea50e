"""A blur family that counts what it makes, takes its time, and dies of poisoned pictures.

Installed by the chaos run as a plug-in. The folder that HAZARD names has the log `made`, a line a
pair, and poisoned pictures as files in `poison`; HAZARD_MS is what a pair takes, asleep.
"""

import os
import signal
import time
from pathlib import Path
from typing import Literal

import numpy as np

from blurbench.blurs.base import Blurred, Family, Scene


class Hazard(Family):
    """The mean of a picture and its neighbours to the right."""

    family: Literal["hazard"]

    def blur(self, scene: Scene) -> Blurred:
        """Die where the picture is poisoned, else blur it and leave a line in the log."""
        folder = Path(os.environ["HAZARD"])
        if (folder / "poison" / scene.item_id).exists():
            log(folder / "died", scene.item_id)
            os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(float(os.environ.get("HAZARD_MS", "0")) / 1000)
        length = 2 + int(scene.random.integers(6))
        image = np.mean([np.roll(scene.image, n, axis=1) for n in range(length)], axis=0)
        log(folder / "made", f"{scene.item_id} {scene.replica}")
        return Blurred(image, (0, length), {"length": length}, (float(length),) * 2, self.family)


def log(path: Path, line: str) -> None:
    """One line, whole, whoever else writes."""
    handle = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(handle, f"{line}\n".encode())
    os.close(handle)
