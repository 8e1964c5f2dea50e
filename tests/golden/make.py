"""Writes the numbers of tests/golden again: only where they are meant to change.

PYTHONPATH=tests/helpers python tests/golden/make.py
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import golden_values as golden
import numpy as np

from blurbench.models import MODELS


def write_json(name: str, value: Any) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    (golden.FOLDER / name).write_text(text + "\n", encoding="utf-8")


def digests() -> list[dict[str, Any]]:
    """The recipes, sources and limits of the table, with the digests of today."""
    rows = json.loads((golden.FOLDER / "digests.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        for number, row in enumerate(rows):
            out = Path(folder) / str(number)
            row["digest"] = golden.digest_of(row["recipe"], row["source"], row["limit"], out)
    return rows


def main() -> None:
    np.savez_compressed(golden.FOLDER / "kernels.npz", **golden.kernels())
    networks = {name: golden.restored(name) for name in golden.restoring()}
    np.savez_compressed(golden.FOLDER / "networks.npz", **networks)
    write_json("losses.json", {name: golden.losses(name) for name in golden.trained()})
    write_json("weights.json", {name: golden.weights_of(name) for name in MODELS})
    write_json("scores.json", golden.scores())
    write_json("trees.json", golden.trees())
    write_json("digests.json", digests())


if __name__ == "__main__":
    main()
