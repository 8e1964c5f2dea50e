from pathlib import Path

import numpy as np
import pytest

from blurbench.errors import UserError
from blurbench.metrics import compute
from blurbench.metrics.offline import Refused, offline
from blurbench.metrics.perceptual import load, missing
from blurbench.weights.places import paths_of, sum_of
from blurbench.weights.registry import OF_METRICS, OUTSIDE

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


def test_missing_weights_name_the_file_and_its_place(monkeypatch, tmp_path):
    import pyiqa
    from pyiqa.utils import download_util

    monkeypatch.setattr(
        pyiqa,
        "create_metric",
        lambda *_, **__: download_util.load_file_from_url(
            "https://example.org/a/net.pth", tmp_path
        ),
    )
    load.cache_clear()
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    told = rf"{tmp_path}/net\.pth is missing, and nothing is downloaded unasked; "
    with pytest.raises(UserError, match=rf"metric dists: {told}run: .* fetch vgg16 dists$"):
        load("dists")
    # One that the registry knows nothing of.
    with pytest.raises(UserError, match=rf"{told}put https://example\.org/a/net\.pth there"):
        load("fsim")


def fetch_by_torch(url):
    import torch

    torch.hub.load_state_dict_from_url(url)


def fetch_by_urllib(url):
    import urllib.request

    with urllib.request.urlopen(url) as file:
        file.read()


def fetch_by_requests(url):
    import requests

    requests.get(url, timeout=1)


@pytest.mark.parametrize("fetch", [fetch_by_torch, fetch_by_urllib, fetch_by_requests])
def test_no_way_of_fetching_is_open(fetch):
    with offline() as refused, pytest.raises(Refused):
        fetch("http://127.0.0.1:9/a/net-0123.pth")
    assert len(refused) == 1


def test_the_hub_is_asked_for_what_lies_here_alone():
    hub = pytest.importorskip("huggingface_hub")
    with offline(), pytest.raises(Exception, match=r"(?i)offline|local|cache"):
        hub.hf_hub_download("nobody/nothing", "model.safetensors", endpoint="http://127.0.0.1:9")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lpips", "dists", "niqe", "musiq", "ilniqe", "brisque"])
def test_what_pyiqa_would_fetch_is_told(name, monkeypatch, tmp_path):
    import torch
    from pyiqa.utils import download_util

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(download_util, "DEFAULT_CACHE_DIR", str(tmp_path))
    load.cache_clear()
    with pytest.raises(UserError, match=f"metric {name}: {tmp_path}/.* is missing, and") as error:
        load(name)
    load.cache_clear()
    # What it asks for first is among what the line says to fetch.
    file = str(error.value).split()[2].rpartition("/")[2]
    assert file in {Path(each).name for one in OF_METRICS[name] for each in OUTSIDE[one].files}
    assert str(error.value).endswith(f"fetch {' '.join(OF_METRICS[name])}")


def test_other_troubles_are_one_line():
    assert missing("fsim", [], ValueError("two\nlines")) == "pyiqa cannot load it (two lines)"


@pytest.mark.slow
def test_a_trunk_of_the_hub_is_told_too(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    load.cache_clear()
    with pytest.raises(UserError, match=r"run: blurbench weights fetch timm-resnet50 topiq$"):
        load("topiq_nr")
    load.cache_clear()


def test_damaged_weights_are_told_before_pyiqa_reads_them(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("pyiqa.create_metric", lambda *_, **__: pytest.fail("it was asked"))
    (path,) = paths_of(OUTSIDE["niqe"])
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not what was fetched")
    sum_of(path).write_text(f"{'0' * 64}  {path.name}\n")
    load.cache_clear()
    with pytest.raises(UserError, match=r"is no longer what was fetched; run: blurbench weights"):
        load("niqe")
