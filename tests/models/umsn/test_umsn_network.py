"""UMSN's networks against the released ones, and by themselves."""

import pytest
import torch
from reference_weights import (
    load_reference,
    reference_arrays,
    reference_shapes,
    relative_error,
)

from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.models.umsn import UMSN
from blurbench.models.umsn.blocks import SmoothingConv, half_size
from blurbench.models.umsn.network import DeblurNet
from blurbench.models.umsn.segmentation import Segmentation

TOLERANCE = 1e-10


@pytest.fixture(scope="module")
def released() -> UMSN:
    return build("umsn", "code")


@pytest.fixture
def tiny() -> UMSN:
    torch.manual_seed(0)
    return build("umsn", "tiny")


@pytest.mark.slow
@pytest.mark.parametrize("size", ["", "__b"])
def test_deblurring_network_gives_the_reference_outputs(shared, size):
    network = load_reference(build("umsn", "code").network, shared, "umsn_G")
    arrays = reference_arrays(shared, f"umsn_G{size}")
    x, maps = arrays["x"], arrays["smaps"]
    with torch.no_grad():
        full, half = network(x, maps)
        confidence = network.confidence(full, arrays["target"], arrays["smaps_target"])
        heads = [n.restore(x, m) for n, m in zip(network.fnets(), maps.split(1, 1), strict=True)]
    broadcast = [c[..., None, None].expand_as(full) for c in confidence.unbind(1)]
    for number, found in enumerate([full, half, *broadcast, *heads]):
        assert relative_error(found, arrays[f"y{number}"]) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("case", ["", "__b", "__batchstats"])
def test_segmentation_gives_the_reference_outputs(shared, case):
    model = build("umsn", "code", sn_batch_stats=False)
    network = load_reference(model.segmentation, shared, "umsn_SN")
    network.train(case == "__batchstats")
    arrays = reference_arrays(shared, f"umsn_SN{case}")
    with torch.no_grad():
        full, half = (network.activate(logits) for logits in network(arrays["x"]))
    assert relative_error(full, arrays["y0"]) < TOLERANCE
    assert relative_error(half, arrays["y1"]) < TOLERANCE


def test_preset_code_segments_each_picture_with_its_own_statistics(tiny):
    own = build("umsn", "tiny", sn_batch_stats=True)
    own.load_state_dict(tiny.state_dict())
    x = torch.rand(2, 3, 32, 40) * 2 - 1
    with torch.no_grad():
        found = own.segmentation.maps(x)
        tiny.segmentation.train()
        alone = torch.cat([tiny.segmentation.maps(picture) for picture in x.split(1)])
    assert torch.allclose(found, alone, atol=1e-5)
    assert build("umsn", "code").config.sn_batch_stats


@pytest.mark.slow
@pytest.mark.parametrize("size", ["", "__b"])
def test_confidence_network_gives_the_reference_outputs(shared, size):
    network = load_reference(build("umsn", "code").network.conf_ker, shared, "umsn_CN")
    arrays = reference_arrays(shared, f"umsn_CN{size}")
    with torch.no_grad():
        found = network(arrays["x"], arrays["target"])
    assert relative_error(found.expand_as(arrays["y0"]), arrays["y0"]) < TOLERANCE


def test_one_fnet_has_the_released_keys(shared, released):
    found = {k: tuple(v.shape) for k, v in released.network.deblur_class3.state_dict().items()}
    assert found == reference_shapes(shared, "umsn_FNet_full")


def test_released_sizes(released):
    network = released.network
    assert parameter_count(network) == 8_189_933
    assert parameter_count(released.segmentation) == 6_192_328
    assert parameter_count(network.deblur_class2) == 357_261
    assert parameter_count(network.conf_ker) == 340_643
    assert parameter_count(*network.restoring_modules()) == 7_620_974
    # Unused tensors aside: 114,084 of the network's and 1,964 of SN's.
    lean = build("umsn", "code", unused_tensors=False)
    assert parameter_count(lean.network) == 8_189_933 - 114_084
    assert parameter_count(lean.segmentation) == 6_192_328 - 1_964


def test_preset_sizes():
    paper = build("umsn")
    assert [p.config.fnet_out for p in (paper, build("umsn", "code"))] == [8, 16]
    # 8 of 16 channels fewer handed on: 5,632 parameters of transitions and of BN's first fusion.
    wanted = 7_620_974 + 6_190_364 - 5_632
    assert parameter_count(*paper.inference_modules()) == wanted
    assert parameter_count(build("umsn", "tiny")) == 564_597


def test_state_dict_keys_stay(tiny):
    keys = list(tiny.state_dict())
    assert len(keys) == 435
    assert "segmentation.dense_block3_1.bn4.running_var" in keys
    assert "network.deblur_class4.dense_block5.sharewconv.weight" in keys
    assert "network.conf_ker.conv3.conv4.weight" in keys


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (64, 40), (33, 130)])
def test_any_size_is_restored(tiny, size):
    blur = torch.rand(2, 3, *size)
    restored = tiny.deblur(blur)
    assert restored.shape == blur.shape
    assert restored.min() >= 0
    assert restored.max() <= 1


def test_other_widths_fit_together():
    model = build("umsn", "tiny", width=10, fnet_width=5, fnet_out=3, sn_width=6, refine_width=2)
    assert model.deblur(torch.rand(1, 3, 32, 32)).shape == (1, 3, 32, 32)


def test_identity_start_nearly_copies_the_input(tiny):
    blur = torch.rand(1, 3, 32, 32)
    assert (tiny.deblur(blur) - blur).abs().mean() < 0.03
    maps = torch.rand(1, 4, 32, 32)
    x = blur * 2 - 1
    for fnet, m in zip(tiny.network.fnets(), maps.split(1, 1), strict=True):
        assert (fnet.restore(x, m) - x).abs().mean() < 0.06


def test_restoration_runs_neither_cn_nor_heads(tiny):
    blur = torch.rand(1, 3, 32, 32)
    before = tiny.deblur(blur)
    kept = {id(p) for module in tiny.inference_modules() for p in module.parameters()}
    with torch.no_grad():
        for parameter in tiny.parameters():
            if id(parameter) not in kept:
                parameter.add_(1)
    assert torch.equal(tiny.deblur(blur), before)


def test_restoration_depends_on_the_predicted_maps(tiny):
    tiny.network.refine3.weight.data.normal_()
    blur = torch.rand(1, 3, 32, 32)
    before = tiny.deblur(blur)
    tiny.segmentation.refine3.bias.data += torch.tensor([3.0, 0, 0, -3])
    assert not torch.equal(tiny.deblur(blur), before)


@pytest.mark.parametrize("softmax", [True, False])
def test_maps_are_a_distribution_only_under_softmax(softmax):
    maps = Segmentation(8, 4, softmax).eval().maps(torch.rand(1, 3, 16, 16))
    assert maps.shape == (1, 4, 16, 16)
    sums_to_one = torch.allclose(maps.sum(1), torch.ones(1, 16, 16))
    assert sums_to_one == softmax


def test_confidence_is_one_number_a_class_and_colour():
    network = DeblurNet(width=8, fnet_width=4, handed_on=3, refine=4, confidence_width=2)
    sharp = torch.rand(2, 3, 32, 32)
    confidence = network.confidence(torch.rand(2, 3, 32, 32), sharp, torch.rand(2, 4, 32, 32))
    assert confidence.shape == (2, 4, 3)
    assert ((confidence > 0) & (confidence < 1)).all()


def test_smoothing_starts_as_the_identity():
    x = torch.rand(2, 5, 7, 6)
    assert torch.equal(SmoothingConv()(x), x)


def test_half_size_is_nearest_neighbour():
    x = torch.rand(1, 3, 8, 6)
    wanted = torch.nn.functional.interpolate(x, scale_factor=0.5)
    assert torch.equal(half_size(x), wanted)
