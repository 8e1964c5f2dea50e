"""The teacher: which maps it gives, where its weights come from, and what it refuses."""

import pytest
import torch
from torchvision import models

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.parts.vgg import MEAN, STD
from blurbench.models.sp.config import CHANNELS, SPConfig
from blurbench.models.sp.teacher import fill, load_classes, load_features, seeded
from blurbench.weights import efficientnet
from blurbench.weights.places import Needed

RESNET18 = (64, 128, 256)
TINY = {"steps": 1, "batch_size": 1}
LRASPP = "lraspp_mobilenet_v3_large"


@pytest.fixture
def resnet18(tmp_path):
    """A network of torchvision, and the file of its weights."""
    torch.manual_seed(4)
    network = models.resnet18(weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "w.pth")
    return network, str(tmp_path / "w.pth")


def test_its_maps_are_those_of_the_doubled_picture(resnet18):
    network, path = resnet18
    sharp = torch.rand(1, 3, 32, 48)
    found = load_features("resnet18", path, RESNET18)(sharp)
    x = torch.nn.functional.interpolate(sharp, scale_factor=2, mode="bilinear")
    x = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    with torch.no_grad():
        x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
        for layer, given in zip(
            (network.layer1, network.layer2, network.layer3), found, strict=True
        ):
            x = layer(x)
            assert torch.allclose(given, x, atol=1e-5)
    assert [tuple(m.shape[1:]) for m in found] == [(64, 16, 24), (128, 8, 12), (256, 4, 6)]


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        (LRASPP, (24, 40, 960)),
        ("fcn_resnet50", (256, 512, 1024)),
        ("mobilenet_v3_small", (16, 24, 48)),
    ],
)
def test_other_networks_of_torchvision(name, channels):
    with pytest.raises(UserError) as error:
        load_features(name, "random", (1, 2, 3))
    assert f"needs teacher_channels={','.join(map(str, channels))}" in str(error.value)


def test_random_weights_are_the_same_each_time_and_leave_the_generator_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = load_features("resnet18", "random", RESNET18).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = load_features("resnet18", "random", RESNET18).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_classes_are_probabilities_at_the_size_of_the_picture():
    found = load_classes(LRASPP, "random", 5)(torch.rand(2, 3, 32, 64))
    assert found.shape == (2, 5, 32, 64)
    assert torch.allclose(found.sum(1), torch.ones(()), atol=1e-5)


def test_missing_weights_are_told_before_training(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError) as error:
        build("sp", "tiny", teacher_weights="published").prepare()
    for part in ("resnet18-", str(tmp_path), "fetch resnet18", "--set teacher_weights=random"):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_published_weights_are_found_where_they_were_put(tmp_path, monkeypatch, resnet18):
    network, _ = resnet18
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    name = models.ResNet18_Weights.DEFAULT.url.rpartition("/")[2]
    torch.save(network.state_dict(), folder / name)
    found = load_features("resnet18", "published", RESNET18).state_dict()
    assert any(torch.equal(v, network.layer3[1].conv2.weight) for v in found.values())


def test_other_weights_are_refused(tmp_path, resnet18):
    network, path = resnet18
    with pytest.raises(UserError, match=r"not weights of this teacher: .*layer1"):
        load_features("resnet50", path, (256, 512, 1024))
    state = network.state_dict()
    del state["layer2.0.conv1.weight"]
    torch.save({"state_dict": state}, tmp_path / "part.pth")
    with pytest.raises(UserError, match=r"1 missing \(layer2.0.conv1.weight\)"):
        load_features("resnet18", str(tmp_path / "part.pth"), RESNET18)


@pytest.mark.parametrize("name", ["vit_b_16", "regnet_y_400mf"])
def test_networks_without_three_maps_are_refused(name):
    with pytest.raises(UserError, match=f"teacher={name}: it gives no maps"):
        load_features(name, "random", RESNET18)


def test_a_classifier_gives_no_classes_of_pixels():
    with pytest.raises(UserError, match="no such segmentation network"):
        load_classes("resnet18", "random", 21)


def test_networks_of_timm(tmp_path, monkeypatch):
    timm = pytest.importorskip("timm")
    name, channels = "resnet10t", (64, 128, 256)
    torch.manual_seed(7)
    network = timm.create_model(name).eval()
    torch.save({"model": network.state_dict(), "epoch": 3}, tmp_path / "w.pth")
    teacher = load_features(name, str(tmp_path / "w.pth"), channels)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        wanted = network.forward_intermediates(x, indices=[1, 2, 3], intermediates_only=True)
        found = teacher.network(x)
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"resnet10t\..*is missing; run: .* timm:resnet10t"):
        load_features(name, "published", channels)
    for other in ("nonet", "vit_tiny_patch16_224"):
        with pytest.raises(UserError, match=f"teacher={other}"):
            load_features(other, "random", channels)


def test_names_of_other_releases_are_translated(tmp_path):
    network = seeded(lambda: torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1)))
    state = {f"old.{key}": value + 1 for key, value in network.state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    wanted = {key: value + 1 for key, value in network.state_dict().items()}

    def translate(tensors, _network):
        return {key.removeprefix("old."): value for key, value in tensors.items()}

    files = (Needed("teacher_weights=w.pth", tmp_path / "w.pth"),)
    fill(network, network.state_dict(), files, translate)
    assert all(torch.equal(wanted[key], value) for key, value in network.state_dict().items())


def test_efficientnet_lite0_takes_its_channels_by_itself_and_its_file_in_order(tmp_path):
    for preset in ("paper", "tiny"):
        with torch.device("meta"):
            made = build("sp", preset, teacher=efficientnet.NAME)
        assert made.config.teacher_channels == (24, 40, 112)
        assert [head.out_channels for head in made.heads] == [24, 40, 112]
    network = efficientnet.untrained()
    held = [v + 0.01 for k, v in network.state_dict().items() if not k.endswith("tracked")]
    held += [torch.zeros(shape) for shape in efficientnet.CLASSIFIER]
    torch.save({f"t{number}": value for number, value in enumerate(held)}, tmp_path / "w.pth")
    model = build("sp", "tiny", teacher=efficientnet.NAME, teacher_weights=str(tmp_path / "w.pth"))
    model.prepare()
    teacher = model.loss_networks["teacher"]
    maps = teacher(torch.rand(1, 3, 32, 32))
    assert [tuple(m.shape[1:]) for m in maps] == [(24, 16, 16), (40, 8, 8), (112, 4, 4)]
    assert torch.equal(teacher.network.network.conv_stem.weight, held[0])
    # Whoever has its tensors' names in another order has other tensors.
    torch.save({f"t{n}": v for n, v in enumerate(held[1:] + held[:1])}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="not weights of this teacher"):
        model.prepare()


def test_channels_follow_the_teacher_and_stated_ones_stay():
    assert SPConfig(**TINY, teacher="resnet50").teacher_channels == (256, 512, 1024)
    assert SPConfig(**TINY).teacher_channels == (76, 152, 1216)
    stated = SPConfig(**TINY, teacher="resnet50", teacher_channels=(1, 2, 3))
    assert stated.teacher_channels == (1, 2, 3)  # and is told what it needs
    assert SPConfig(**TINY, teacher="resnet34", teacher_channels=(1, 2, 3)).teacher == "resnet34"
    for name, channels in CHANNELS.items():
        if name in ("resnet18", "resnet50", "deeplabv3_resnet101", efficientnet.NAME):
            load_features(name, "random", channels)
