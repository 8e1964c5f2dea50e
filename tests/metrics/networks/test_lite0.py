"""The distance of Lite0's features: against a loop, and that it grows with the blur."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from blurbench.errors import UserError
from blurbench.metrics import compute, make_ready
from blurbench.metrics.features import batch
from blurbench.metrics.networks import lite0
from blurbench.weights.efficientnet import NAME, untrained
from blurbench_kernels import convolution, uniform


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """An empty folder in the place of PyTorch's, and nothing loaded."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    lite0.load.cache_clear()
    yield
    lite0.load.cache_clear()


def place(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoints" / "efficientnet-lite0-57934424.pth"
    path.parent.mkdir(exist_ok=True)
    return path


@pytest.fixture
def real(tmp_path):
    shared = os.environ.get("BLURBENCH_SHARED")
    if not shared or not (file := Path(shared) / "weights" / "tf_efficientnet_lite0.pth").is_file():
        pytest.skip("needs BLURBENCH_SHARED with weights/tf_efficientnet_lite0.pth")
    shutil.copyfile(file, place(tmp_path))


def test_two_maps_are_apart_as_a_loop_says():
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(3, 4, 5, generator=generator) for _ in range(2))
    found = []
    for row in range(4):
        for column in range(5):
            u, v = one[:, row, column].numpy(), other[:, row, column].numpy()
            found.append(np.sum((u / np.linalg.norm(u) - v / np.linalg.norm(v)) ** 2))
    assert float(lite0.apart(one, other)) == pytest.approx(np.mean(found), rel=1e-5)
    assert float(lite0.apart(one, 3 * one)) == pytest.approx(0, abs=1e-6)
    assert float(lite0.apart(one, -one)) == pytest.approx(4, rel=1e-5)


def test_levels_are_those_that_timm_calls_features():
    timm = pytest.importorskip("timm")
    network = untrained()
    theirs = timm.create_model(NAME, pretrained=False, features_only=True).eval()
    held = theirs.state_dict().keys()
    theirs.load_state_dict({k: v for k, v in network.state_dict().items() if k in held})
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    found = lite0.levels(network, batch(image))
    with torch.no_grad():
        wanted = theirs(batch(image) / 127.5 - 1)
    assert [maps.shape[1] for maps in found] == [16, 24, 40, 112, 320]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


@pytest.mark.usefixtures("real")
def test_longer_blur_is_farther():
    sharp = data.astronaut()[:256, 100:356]
    found = []
    for length in (3, 9, 21, 41):
        blur = convolution.convolve(sharp.astype(float), uniform.line(length, angle=0.5))
        found.append(compute("lite0", np.clip(blur, 0, 255).round().astype(np.uint8), sharp))
    assert 0 < found[0] < found[1] < found[2] < found[3] < 4
    assert compute("lite0", sharp, sharp) == 0
    assert compute("lite0", sharp[:9, :8], sharp[:9, :8]) == 0  # smaller than its stride


def test_without_the_file_it_says_how_to_get_it():
    with pytest.raises(UserError, match=r"metric lite0: .*fetch efficientnet-lite0"):
        make_ready("lite0")


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ({"a": torch.zeros(3)}, "not the weights of efficientnet-lite0"),
        (None, "a web page, not a checkpoint"),
    ],
)
def test_another_file_is_one_line(tmp_path, held, told):
    if held is None:
        place(tmp_path).write_bytes(b"<html>")
    else:
        torch.save(held, place(tmp_path))
    with pytest.raises(UserError, match=told) as error:
        make_ready("lite0")
    assert "\n" not in str(error.value)
