"""Adds to tests/golden the numbers of what is new; those that stand are promises, and stay.

PYTHONPATH=.:kernels:tests/helpers python tests/golden/make.py
"""

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import golden_values as golden
import numpy as np

from blurbench.models import MODELS

FOLDER = golden.FOLDER


def grown(old: dict[str, Any], names: Iterable[str], make: Callable[[str], Any]) -> dict[str, Any]:
    return {name: old[name] if name in old else make(name) for name in names}


def arrays(file: str, names: Iterable[str], make: Callable[[str], np.ndarray]) -> None:
    path = FOLDER / file
    old = dict(np.load(path)) if path.exists() else {}
    np.savez_compressed(path, **grown(old, names, make))


def table(file: str, names: Iterable[str], make: Callable[[str], Any]) -> None:
    path = FOLDER / file
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    write_json(path, grown(old, names, make))


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def digests() -> None:
    """Those of rows that have none yet; a row is added by hand, for it costs time in each test."""
    path = FOLDER / "digests.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    for row in rows:
        if not row["digest"]:
            with tempfile.TemporaryDirectory() as folder:
                request = (row["recipe"], row["source"], row["limit"])
                row["digest"] = golden.digest_of(*request, Path(folder) / "made")
    write_json(path, rows)


def main() -> None:
    arrays("kernels.npz", golden.kernels(), lambda name: golden.kernels()[name])
    arrays("networks.npz", golden.restoring(), golden.restored)
    table("losses.json", golden.trained(), golden.losses)
    table("weights.json", MODELS, golden.weights_of)
    table("scores.json", golden.scores(), lambda name: golden.scores()[name])
    table("trees.json", golden.trees(), lambda caption: golden.trees()[caption])
    digests()


if __name__ == "__main__":
    main()
