import numpy as np
import pytest

from blurbench.errors import UserError
from blurbench.metrics import compute
from blurbench.metrics.perceptual import load, missing

NO_WEIGHTS = ["fsim", "gmsd", "vsi", "nlpd"]


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    sharp = np.kron(rng.integers(0, 256, (16, 16, 3)), np.ones((6, 6, 1))).astype(np.uint8)
    return np.clip(sharp + rng.normal(0, 15, sharp.shape), 0, 255).astype(np.uint8), sharp


@pytest.mark.parametrize("name", NO_WEIGHTS)
def test_scores_are_pyiqas_own(name, pair):
    import pyiqa
    import torch

    x, y = (torch.from_numpy(i.transpose(2, 0, 1)[None] / 255).float() for i in pair)
    theirs = float(pyiqa.create_metric(name, device=torch.device("cpu"))(x, y))
    assert compute(name, *pair) == pytest.approx(theirs, rel=1e-6)


def test_no_reference_is_taken_where_none_is_needed(pair):
    noisy, sharp = pair
    assert compute("piqe", noisy, None) == compute("piqe", noisy, sharp)


def test_no_number_is_no_score(monkeypatch, pair):
    def measure(*_):
        return float("nan")

    measure.metric_mode = "NR"
    monkeypatch.setattr("blurbench.metrics.perceptual.load", lambda _name: measure)
    with pytest.raises(ValueError, match="niqe is not a number"):
        compute("niqe", *pair)


def test_missing_weights_name_the_file_and_its_place(monkeypatch):
    import pyiqa

    def create(*_, **__):
        print('Downloading: "https://example.org/a/net.pth" to /cache/net.pth')
        raise OSError("no network")

    monkeypatch.setattr(pyiqa, "create_metric", create)
    load.cache_clear()
    with pytest.raises(UserError, match=r"metric dists: /cache/net.pth is missing .* put net.pth"):
        load("dists")


def test_other_troubles_are_one_line():
    assert missing("", ValueError("two\nlines")) == "pyiqa cannot load it (two lines)"
