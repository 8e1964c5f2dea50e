"""UMSN's losses against the released lines and against loops."""

import json
import math

import numpy as np
import pytest
import torch
from reference_weights import fill, reference_arrays
from torch import nn

from blurbench.models import build
from blurbench.models.parts.vgg import VggFeatures, layer_indices
from blurbench.models.umsn import losses
from blurbench.models.umsn.config import CODE


@pytest.fixture(scope="module")
def arrays(shared):
    return reference_arrays(shared, "losses")


@pytest.fixture(scope="module")
def values(shared):
    return json.loads((shared / "golden" / "forward" / "losses_values.json").read_text())


def test_image_loss_is_the_released_one(arrays, values):
    confidence = arrays["umsn_conf"][..., 0, 0].permute(1, 0, 2)
    restored = arrays["umsn_x_hat"], arrays["umsn_x_hat64"]
    loss = losses.deblurring_loss(
        restored, arrays["umsn_target"], arrays["umsn_msk"], confidence, CODE
    )
    assert float(loss) == pytest.approx(values["umsn_L_img"], rel=1e-12)


def test_perceptual_loss_is_the_released_one(arrays, values):
    features = VggFeatures(CODE.perceptual_layers, "random").double()
    names = [name for name in layer_indices() if name.startswith("conv")]
    convolutions = [layer for layer in features.layers if isinstance(layer, nn.Conv2d)]
    for name, layer in zip(names, convolutions, strict=True):
        for part, parameter in layer.named_parameters():
            shape = tuple(parameter.shape)
            parameter.data = torch.tensor(fill(f"{name}.{part}", shape, math.sqrt(2)))
    # The released features see [-1, 1] as it is; ours, ImageNet statistics of [0, 1].
    features.mean, features.std = torch.tensor(0.5), torch.tensor(0.5)
    restored = arrays["umsn_x_hat"], arrays["umsn_x_hat64"]
    with torch.no_grad():
        loss = losses.network_perceptual_loss(features, restored, arrays["umsn_target"], CODE)
    wanted = values["umsn_content_loss"] + values["umsn_content_loss1"]
    assert float(loss) == pytest.approx(wanted, rel=1e-12)


@pytest.fixture
def scene():
    rng = np.random.default_rng(3)
    restored, sharp = rng.uniform(-1, 1, (2, 2, 3, 6, 8))
    maps, confidence = rng.random((2, 4, 6, 8)), rng.uniform(0.1, 0.9, (2, 4, 3))
    return [torch.tensor(a) for a in (restored, sharp, maps, confidence)]


def test_confidence_loss_is_equation_4(scene):
    restored, sharp, maps, confidence = scene
    weights, regulariser = (1.0, 2.0, 3.0, 0.5), 0.07
    wanted = 0.0
    for i in range(4):
        c = confidence[:, i, :, None, None]
        m = maps[:, i : i + 1]
        wanted += weights[i] * (c * (m * restored - m * sharp).abs()).mean()
        wanted -= regulariser * c.log().mean()
    errors = losses.class_errors(restored, sharp, maps)
    found = losses.confidence_loss(errors, confidence, weights, regulariser)
    assert float(found) == pytest.approx(float(wanted), rel=1e-6)


def test_mixed_precision_leaves_equation_4_as_it_is(scene):
    restored, sharp, maps, confidence = (values.float() for values in scene)

    def computed():
        errors = losses.class_errors(restored, sharp, maps)
        return losses.confidence_loss(errors, confidence, (1.0, 2.0, 3.0, 0.5), 0.07)

    with torch.autocast("cpu", torch.bfloat16):
        mixed = computed()
    assert torch.equal(mixed, computed())


def test_lower_confidence_where_the_error_is_larger(scene):
    """The confidence that minimises eq. 4 is lambda over the error."""
    restored, sharp, maps, _ = scene
    errors = losses.class_errors(restored, sharp, maps)
    best = 0.01 / errors
    best.requires_grad_()
    losses.confidence_loss(errors, best, (1, 1, 1, 1), 0.01).backward()
    assert best.grad.abs().max() < 1e-6


def test_gradient_loss_by_loops(scene):
    restored, sharp = scene[0].numpy(), scene[1].numpy()
    down = [
        abs(
            abs(restored[n, c, y, x] - restored[n, c, y + 1, x])
            - abs(sharp[n, c, y, x] - sharp[n, c, y + 1, x])
        )
        for n in range(2)
        for c in range(3)
        for y in range(5)
        for x in range(8)
    ]
    across = [
        abs(
            abs(restored[n, c, y, x] - restored[n, c, y, x + 1])
            - abs(sharp[n, c, y, x] - sharp[n, c, y, x + 1])
        )
        for n in range(2)
        for c in range(3)
        for y in range(6)
        for x in range(7)
    ]
    found = losses.gradient_loss(scene[0], scene[1])
    assert float(found) == pytest.approx(np.mean(down) + np.mean(across), rel=1e-12)


@pytest.mark.parametrize("kind", ["cross_entropy", "bce"])
def test_segmentation_loss_by_formula(kind):
    rng = np.random.default_rng(5)
    full, half = rng.standard_normal((1, 4, 4, 6)), rng.standard_normal((1, 4, 2, 3))
    labels = rng.integers(0, 4, (1, 4, 6))
    wanted = 0.0
    for weight, logits, wanted_labels in ((1, full, labels), (0.5, half, labels[:, ::2, ::2])):
        hot = np.moveaxis(np.eye(4)[wanted_labels], -1, 1)
        if kind == "cross_entropy":
            p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            wanted -= weight * np.log((p * hot).sum(1)).mean()
        else:
            p = 1 / (1 + np.exp(-logits))
            wanted -= weight * (hot * np.log(p) + (1 - hot) * np.log(1 - p)).mean()
    mask = torch.tensor(np.moveaxis(np.eye(4, dtype=np.uint8)[labels], -1, 1))
    logits = torch.tensor(full).float(), torch.tensor(half).float()
    assert float(losses.segmentation_loss(logits, mask, kind)) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_perceptual_loss_compares_features(norm, scene):
    features = VggFeatures(("relu1_2",), "random").double()
    restored, sharp = scene[0], scene[1]
    found = losses.perceptual_loss(features, restored, sharp, ("relu1_2",), norm)
    a, b = (features((x + 1) / 2)["relu1_2"] for x in (restored, sharp))
    wanted = (a - b).abs().mean() if norm == "l1" else ((a - b) ** 2).mean()
    assert float(found) == pytest.approx(float(wanted), rel=1e-12)


def test_the_paper_preset_is_equations_4_to_6_alone(scene):
    config = build("umsn", "paper").config
    restored, sharp, maps, confidence = scene
    half = torch.rand(2, 3, 3, 4, dtype=torch.float64)
    found = losses.deblurring_loss((restored, half), sharp, maps, confidence, config)
    errors = losses.class_errors(restored, sharp, maps)
    wanted = losses.confidence_loss(errors, confidence, (1, 1, 1, 1), 0.01)
    assert float(found) == pytest.approx(float(wanted), rel=1e-12)
