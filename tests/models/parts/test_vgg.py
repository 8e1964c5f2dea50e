"""VGG features: the named layers, and where weights come from."""

import pytest
import torch
from torchvision.models.vgg import cfgs, make_layers

from blurbench.errors import UserError
from blurbench.models.parts.vgg import MEAN, NETWORKS, STD, VggFeatures, layer_indices


@pytest.fixture
def weights(tmp_path):
    """A state dict of VGG16's convolutions, as torchvision names them."""
    torch.manual_seed(4)
    state = {f"features.{k}": v for k, v in make_layers(cfgs["D"]).state_dict().items()}
    path = tmp_path / "vgg.pth"
    torch.save(state | {"classifier.0.bias": torch.zeros(2)}, path)
    return path, state


def test_layers_by_name():
    # Known places in torchvision's networks.
    for network, known, count in (
        ("vgg16", {"relu1_2": 3, "relu2_2": 8, "relu3_3": 15, "relu5_3": 29}, 13),
        ("vgg19", {"conv3_3": 14, "relu5_4": 35}, 16),
    ):
        indices = layer_indices(network)
        assert len(indices) == 2 * count
        assert known.items() <= indices.items()
        layers = make_layers(cfgs[NETWORKS[network].configuration])
        for name, i in indices.items():
            assert isinstance(layers[i], torch.nn.ReLU if "relu" in name else torch.nn.Conv2d)


def test_features_of_a_file_are_torchvisions(weights):
    path, state = weights
    found = VggFeatures(("relu2_2", "relu1_1"), str(path))(image := torch.rand(1, 3, 32, 32))
    network = make_layers(cfgs["D"])
    network.load_state_dict({k.removeprefix("features."): v for k, v in state.items()})
    x = (image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    for name, index in (("relu1_1", 1), ("relu2_2", 8)):
        assert torch.allclose(found[name], network[: index + 1](x.clone()), atol=1e-6)


def test_a_convolution_is_taken_before_its_relu():
    features = VggFeatures(("conv1_2", "relu1_2", "relu2_1"), "random", "vgg19")
    found = features(torch.rand(1, 3, 16, 16))
    assert found["conv1_2"].min() < 0
    assert torch.equal(found["conv1_2"].clamp(min=0), found["relu1_2"])


def test_pictures_can_be_taken_as_they_are():
    image = torch.rand(1, 3, 16, 16)
    statistics = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    raw = VggFeatures(("conv1_1",), "random", normalise=False)(
        (image - statistics[0]) / statistics[1]
    )
    assert torch.allclose(raw["conv1_1"], VggFeatures(("conv1_1",), "random")(image)["conv1_1"])


def test_gradients_reach_the_image_and_nothing_else():
    features = VggFeatures(("relu1_2",), "random")
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    features(image)["relu1_2"].sum().backward()
    assert image.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in features.parameters())


def test_random_features_are_always_the_same():
    torch.manual_seed(1)
    first = VggFeatures(("relu1_1",), "random")
    torch.manual_seed(2)
    second = VggFeatures(("relu1_1",), "random")
    assert torch.equal(first.layers[0].weight, second.layers[0].weight)


@pytest.mark.parametrize("network", ["vgg16", "vgg19"])
def test_missing_weights_are_named_in_one_line(network, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError) as error:
        VggFeatures(("relu1_2",), "imagenet", network)
    message = str(error.value)
    assert str(tmp_path / "hub" / "checkpoints" / NETWORKS[network].file) in message
    assert "perceptual_weights=random" in message
    assert "\n" not in message


def test_imagenet_weights_come_from_the_hub_folder(weights, tmp_path, monkeypatch):
    path, state = weights
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    path.rename(checkpoints / NETWORKS["vgg16"].file)
    features = VggFeatures(("relu1_2",), "imagenet")
    assert torch.equal(features.layers[0].weight, state["features.0.weight"])


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 torn"])
def test_a_bad_file_is_named_in_one_line(content, tmp_path):
    path = tmp_path / "bad.pth"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.pth") as error:
        VggFeatures(("relu1_2",), str(path))
    assert "\n" not in str(error.value)


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"layer.weight": torch.zeros(3)}, path)
    with pytest.raises(UserError, match=r"other\.pth") as error:
        VggFeatures(("relu1_2",), str(path))
    assert "\n" not in str(error.value)


def test_an_unknown_layer_is_refused():
    with pytest.raises(UserError, match="relu9_9"):
        VggFeatures(("relu9_9",), "random")
