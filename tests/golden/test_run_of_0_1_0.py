"""A run that 0.1.0 began goes on, and ends with the weights that 0.1.0 would have ended with."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from blurbench.datasets.make import synthesize
from blurbench.models.parts.weights import load_tensors, save_tensors
from blurbench.recipes.recipe import load_recipe
from blurbench.runs.folder import BEST, LAST
from blurbench.sources.open import open_for
from blurbench.training.train import train

GOLDEN = Path(__file__).parents[1] / "golden" / "run-0.1.0"
SMALL = {"widths": "4,8", "blocks": "1,1", "ema": "0.9", "batch_size": "2", "crop_size": "32"}
OPTIONS: dict[str, Any] = {
    "preset": "tiny",
    "steps": 8,
    "seed": 3,
    "device": "cpu",
    "overrides": SMALL,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The run of 0.1.0, gone on with, and the same run from its beginning."""
    root = tmp_path_factory.mktemp("old")
    recipe = load_recipe("demo-faces")
    synthesize(recipe, open_for(recipe, "builtin:procedural-faces"), root / "data", limit=3)
    shutil.copytree(GOLDEN / "half", root / "resumed")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as 0.1.0 was run: two threads add up in another order
    train("unet", root / "data", root / "resumed", **OPTIONS, resume=True)
    # What it resumes goes on in what it was begun in; a new one would take what is fastest here.
    fp32 = {**OPTIONS, "overrides": {**SMALL, "precision": "fp32"}}
    train("unet", root / "data", root / "undisturbed", **fp32)
    torch.set_num_threads(threads)
    return {name: root / name for name in ("resumed", "undisturbed")}


@pytest.mark.parametrize("file", [LAST, BEST])
@pytest.mark.parametrize("run", ["resumed", "undisturbed"])
def test_it_ends_as_it_would_have(runs: dict[str, Path], run: str, file: str) -> None:
    found, wanted = load_tensors(runs[run] / file), load_tensors(GOLDEN / "end" / file)
    assert found.keys() == wanted.keys()
    # Processors differ in the last digits of a convolution; a step with other settings, or one
    # more, moves weights by 1e-3.
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-5)


@pytest.mark.parametrize("file", [LAST, BEST])
def test_on_a_processor_like_its_own_it_ends_with_the_same_bytes(
    runs: dict[str, Path], file: str, tmp_path: Path
) -> None:
    # 0.1.0 wrote them without the checksum.
    save_tensors(tmp_path / file, load_tensors(GOLDEN / "end" / file))
    wanted = (tmp_path / file).read_bytes()
    if (runs["undisturbed"] / file).read_bytes() != wanted:
        pytest.skip("this processor rounds otherwise")
    assert (runs["resumed"] / file).read_bytes() == wanted
