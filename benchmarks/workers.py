"""`blurbench evaluate` with two workers beside one, start and end of the command included.

Run: python benchmarks/workers.py [--data DIR --checkpoint RUN] [--rounds N]

By default 200 drawn pairs of 640x480 and a tiny unet that has learnt nothing: time does not ask
what it restores. Prints seconds of each round, their quotient, and whether the rows are the same.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from skimage import data

from blurbench.datasets.index import index
from blurbench.models import build
from blurbench.models.parts.weights import save_tensors
from blurbench.recipes.recipe import load_any_recipe

PAIRS, SIZE = 200, (640, 480)


def write_pairs(root: Path) -> None:
    """Photographs of scikit-image, each a little further on, and a box blur of them."""
    photographs = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    for number in range(PAIRS):
        y, x = np.random.default_rng(number).integers(0, 60, 2)
        sharp = cv2.resize(photographs[number % 4][y:, x:], SIZE, interpolation=cv2.INTER_CUBIC)
        for folder, image in (("blur", cv2.blur(sharp, (25, 3))), ("sharp", sharp)):
            path = root / folder / f"{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image)


def drawn(root: Path) -> tuple[Path, list[str]]:
    """A data set, and what names its weights on the command line."""
    write_pairs(root / "pictures")
    recipe = load_any_recipe("pairs")
    assert recipe.kind == "existing"
    index(recipe, str(root / "pictures"), root / "data")
    weights = root / "unet.safetensors"
    save_tensors(weights, build("unet", preset="tiny").state_dict())
    return root / "data", [str(weights), "--model", "unet", "--preset", "tiny"]


def seconds(words: list[str], workers: int, out: Path) -> float:
    """How long the command takes, from nothing to its end."""
    spread = ["--device", "cpu", "--workers", str(workers), "--out", str(out)]
    began = time.perf_counter()
    command = [sys.executable, "-m", "blurbench", "evaluate", *words, *spread]
    subprocess.run(
        command, check=True, stdout=sys.stderr, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    return time.perf_counter() - began


def scores(out: Path) -> list[tuple[str, dict[str, float]]]:
    """By picture, in order; times and memory are another run's."""
    rows = map(json.loads, (out / "results.jsonl").read_text().splitlines())
    return [(row["id"], row["metrics"]) for row in rows]


def main() -> None:
    """See the top of the file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path)
    options.add_argument("--checkpoint", type=Path)
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    with TemporaryDirectory() as folder:
        root = Path(folder)
        place, weights = (asked.data, [str(asked.checkpoint)]) if asked.checkpoint else drawn(root)
        words = ["--data", str(place), "--checkpoint", *weights]
        quotients = []
        for number in range(asked.rounds):
            one, two = (seconds(words, n, root / f"{number}-{n}") for n in (1, 2))
            same = scores(root / f"{number}-1") == scores(root / f"{number}-2")
            quotients.append(one / two)
            told = "same rows" if same else "OTHER ROWS"
            print(f"one {one:.1f} s, two {two:.1f} s: {quotients[-1]:.2f} ({told})", flush=True)
    print(f"two workers: {np.median(quotients):.2f} of the rate of one, the median")


if __name__ == "__main__":
    main()
