"""Scoring a folder of restored pictures (PSNR, SSIM) beside only reading the same files.

Run: python benchmarks/evaluate.py [PAIRS]

Prints the CPU time a pair of both, one thread, and what share of the rate of reading scoring has.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from skimage import data

from blurbench.datasets.index import index
from blurbench.images import read_image
from blurbench.recipes.recipe import load_any_recipe
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.photographs import open_data
from blurbench.scoring.restorers import FolderRestorer

SIZE = (1280, 720)
REPEATS = 3


def write_pairs(root: Path, count: int) -> None:
    """`count` blurred, sharp and restored PNG files of 1280x720."""
    photographs = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        y, x = np.random.default_rng(number).integers(0, 60, 2)
        sharp = cv2.resize(photograph[y:, x:], SIZE, interpolation=cv2.INTER_CUBIC)
        blur = cv2.blur(sharp, (25, 3))
        restored = cv2.addWeighted(blur, 1.4, cv2.blur(blur, (9, 9)), -0.4, 0)
        for folder, image in (("blur", blur), ("sharp", sharp), ("restored", restored)):
            path = root / folder / f"{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image)


def cpu_time(function: Callable[[], object]) -> float:
    began = time.process_time()
    function()
    return time.process_time() - began


def main() -> None:
    cv2.setNumThreads(1)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write_pairs(root / "pictures", count)
        recipe = load_any_recipe("pairs")
        assert recipe.kind == "existing"
        files = sorted((root / "pictures").rglob("*.png"))
        index(recipe, str(root / "pictures"), root / "data")
        restorer = FolderRestorer(root / "pictures" / "restored", "restored")

        def score(name: str) -> None:
            evaluate(open_data(root / "data"), root / name, restore=restorer, name="restored")

        score("first")  # compiles
        read, scored = [], []
        for repeat in range(REPEATS):
            read.append(cpu_time(lambda: [read_image(path) for path in files]))
            scored.append(cpu_time(partial(score, str(repeat))))
    ms = [float(np.median(each)) / count * 1e3 for each in (read, scored)]
    print(f"{count} pairs of 1280x720: read {ms[0]:.1f} ms, scored {ms[1]:.1f} ms CPU a pair")
    print(f"scores at {ms[0] / ms[1]:.2f} of the rate of reading")


if __name__ == "__main__":
    main()
