"""The numbers of 0.1.0: kernels, networks, losses, scores, trees and digests stay as they were."""

import json
from typing import Any

import golden_values as golden
import numpy as np
import pytest

from blurbench.models import MODELS
from blurbench.recipes.recipe import recipe_names

# A BLAS or a CPU of another kind adds up in another order; seen so far: 1e-13.
CLOSE = 1e-9


def kept(name: str) -> Any:
    return json.loads((golden.FOLDER / name).read_text(encoding="utf-8"))


KERNELS = dict(np.load(golden.FOLDER / "kernels.npz"))
NETWORKS = dict(np.load(golden.FOLDER / "networks.npz"))
LOSSES, WEIGHTS, SCORES, TREES = map(
    kept, ("losses.json", "weights.json", "scores.json", "trees.json")
)
DIGESTS = kept("digests.json")


def test_nothing_is_left_out():
    assert set(KERNELS) == set(golden.kernels())
    assert set(NETWORKS) == set(golden.restoring())
    assert set(LOSSES) == set(golden.trained())
    assert set(WEIGHTS) == set(MODELS)
    assert {row["recipe"] for row in DIGESTS} <= set(recipe_names())
    assert sum(path.stat().st_size for path in golden.FOLDER.iterdir() if path.is_file()) < 1e6


@pytest.mark.parametrize("name", KERNELS)
def test_kernels(name):
    found, wanted = golden.kernels()[name], KERNELS[name]
    if wanted.dtype == np.uint8 or name in ("line_kernel", "snapped_kernel", "convolved"):
        np.testing.assert_array_equal(found, wanted, strict=True)
    else:
        np.testing.assert_allclose(found, wanted, rtol=CLOSE, atol=CLOSE, strict=True)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    wanted = NETWORKS[name]
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(golden.restored(name), wanted, rtol=0, atol=CLOSE * scale)


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    found = golden.losses(name)  # which may log more than it did
    kept = {key: found[key] for key in LOSSES[name]}
    assert kept == pytest.approx(LOSSES[name], rel=CLOSE, abs=CLOSE)


@pytest.mark.slow
@pytest.mark.parametrize("name", WEIGHTS)
def test_names_and_shapes_of_weights(name):
    assert golden.weights_of(name) == WEIGHTS[name]


@pytest.mark.parametrize("name", SCORES)
def test_scores(name):
    # OpenCV looks for the alignment in float32, and stops where it gains little.
    slack = 1e-5 if name.endswith(("realblur", "kohler")) else CLOSE
    assert golden.scores()[name] == pytest.approx(SCORES[name], rel=slack)


@pytest.mark.parametrize("caption", TREES)
def test_trees(caption):
    assert golden.trees()[caption] == TREES[caption]


@pytest.mark.parametrize("row", DIGESTS, ids=lambda row: f"{row['recipe']}-{row['source']}")
def test_digests(row, tmp_path):
    found = golden.digest_of(row["recipe"], row["source"], row["limit"], tmp_path / "made")
    assert found == row["digest"]
