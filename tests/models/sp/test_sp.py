"""Semantic Prior: what each part computes, on every backbone, and who learns from whom."""

import json

import pytest
import torch
from reference_weights import reference_arrays
from small_training import real_pairs, start, step
from torch import nn
from torch.nn import functional as F

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.models.cost import cost
from blurbench.models.parts.released import load_released
from blurbench.models.parts.weights import save_tensors
from blurbench.models.sp.losses import context_loss
from blurbench.models.sp.network import Aggregation, CrossLevel, Transformation

BACKBONES = ("unet", "deepdeblur", "mprnet", "mimo-unet", "mimo-unet-plus", "mssnet")
SMALL = {"student_widths": (4, 6, 8), "prior_weight": 0.0}


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return build("sp", "tiny")


def small(backbone: str, **fields: object) -> nn.Module:
    torch.manual_seed(0)
    return build("sp", "tiny", backbone=backbone, **SMALL | fields)


def disturb(module: nn.Module) -> None:
    """Let every part count, also those that begin at 0."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.05)


def conv(inputs: int, outputs: int, size: int) -> int:
    return inputs * outputs * size**2 + outputs


def test_the_count_follows_from_the_layers():
    widths = (64, 128, 256)
    student = conv(3, 64, 3) + sum(4 * conv(w, w, 3) for w in widths)
    student += conv(64, 128, 3) + conv(128, 256, 3)
    connections = sum(conv(b, a, 1) + conv(2 * a, a, 3) for a, b in ((64, 128), (128, 256)))
    aggregations = sum(conv(sum(widths) - w, w, 1) + w + conv(3 * w, w, 3) for w in widths)
    embeddings = sum(4 * conv(w, w, 3) for w in widths)
    backbone = parameter_count(build("unet"))
    wanted = backbone + student + connections + aggregations + embeddings
    assert cost("sp") == (wanted, pytest.approx(217.571131, rel=1e-6))
    assert wanted == 22_837_571
    with torch.device("meta"):
        heads = parameter_count(build("sp").heads)
    assert heads == conv(64, 76, 1) + conv(128, 152, 1) + conv(256, 1216, 1)


@pytest.mark.parametrize(
    ("preset", "parameters"),
    [
        ("net0", 13_421_571),
        ("net0star", 22_837_571),
        ("net1", 16_977_219),
        ("net2", 17_063_235),
        ("net3", 19_989_123),
        ("net4", 20_399_107),
        ("net5", 22_427_587),
        ("net6", 22_837_571),
        ("prior-onehot", 17_094_406),
        ("paper-deepdeblur-rb6", 12_112_425),
        ("paper-mprnet-stage1", 14_949_601),
        ("paper-mimo-unet", 15_448_579),
        ("paper-mimo-unet-plus", 24_749_059),
        ("paper-mssnet", 36_746_465),
    ],
)
def test_parameters_of_the_presets(preset, parameters):
    with torch.device("meta"):
        model = build("sp", preset)
    assert parameter_count(*model.inference_modules()) == parameters


@pytest.mark.parametrize(
    ("backbone", "embedding"),
    [*((name, "attention") for name in BACKBONES), ("unet", "add"), ("mssnet", "concat")],
)
def test_it_starts_as_its_backbone(backbone, embedding):
    model = small(backbone, embedding=embedding)
    blur = torch.rand(2, 3, 48, 64)
    assert torch.allclose(model.deblur(blur), model.backbone.deblur(blur), atol=1e-6)
    disturb(model)
    assert not torch.allclose(model.deblur(blur), model.backbone.deblur(blur), atol=1e-4)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_gradients_reach_every_parameter(backbone):
    model = small(backbone)
    disturb(model)
    model.restore(torch.rand(1, 3, 32, 48)).square().sum().backward()
    for part in (model.student, model.connections, model.aggregations, model.embeddings):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_the_first_stage_of_mprnet_alone():
    with torch.device("meta"):
        model = build("sp", "paper-mprnet-stage1")
        assert model.restore(torch.zeros(1, 3, 8, 12)).shape == (1, 3, 8, 12)
    assert len(model.embeddings) == 3


def test_the_prior_of_halves_is_that_of_their_pixels():
    """MPRNet's first stage works on halves as one batch; each must get its own part."""
    model = small("mprnet")
    seen = {}
    for place, embedding in zip(model.places(), model.embeddings, strict=True):
        embedding.register_forward_hook(
            lambda _m, inputs, _y, key=(place.halves, place.level): seen.update({key: inputs[1]})
        )
    blur = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        priors = model.aggregate(model.learn(blur))
        model.restore(blur)
    assert len(seen) == 6
    for level, prior in enumerate(priors):
        middle = prior.shape[2] // 2
        upper, lower = seen[True, level].chunk(2)
        assert torch.equal(upper, prior[:, :, :middle])
        assert torch.equal(lower, prior[:, :, middle:])
        assert torch.equal(seen[False, level], prior)


def test_a_backbone_is_as_before_after_a_pass(tiny):
    disturb(tiny.embeddings)
    with pytest.raises(ValueError, match="spatial"), tiny.guided([torch.zeros(1)] * 3):
        tiny.backbone.restore(torch.zeros(1, 3, 32, 32))
    assert not any(module._forward_pre_hooks for module in tiny.modules())


def test_a_cross_level_connection_is_equation_3():
    torch.manual_seed(1)
    clc = CrossLevel(2, 3)
    m, coarser = torch.rand(1, 2, 4, 6), torch.rand(1, 3, 2, 3)
    raised = clc.fit(F.interpolate(coarser, scale_factor=2, mode="bilinear"))
    attention = torch.sigmoid(clc.conv(torch.cat([m, raised], 1)))
    assert torch.allclose(clc(m, coarser), attention * (m + raised), atol=1e-6)


def test_an_aggregation_is_equation_5():
    torch.manual_seed(1)
    priors = [torch.rand(1, c, s, s) for c, s in ((2, 8), (3, 4), (4, 2))]
    mla = Aggregation((2, 3, 4), 1)
    finer = mla.fit[0](F.avg_pool2d(priors[0], 2))  # half size, bilinear
    coarser = F.interpolate(mla.fit[1](priors[2]), scale_factor=2, mode="bilinear")
    attention = torch.sigmoid(mla.conv(torch.cat([priors[1], finer, coarser], 1)))
    assert torch.allclose(mla(priors), attention * priors[1] + priors[1], atol=1e-6)
    assert (attention > 0).all()
    assert (attention < 1).all()


def test_a_transformation_is_equation_6():
    torch.manual_seed(1)
    sat = Transformation(3, 2)
    x, prior = torch.rand(1, 2, 5, 5), torch.rand(1, 3, 5, 5)
    assert torch.equal(sat(x, prior), x)
    disturb(sat)
    assert torch.allclose(sat(x, prior), sat.scale(prior) * x + sat.shift(prior))


def naive_context(a, b, reading):
    """Loops over pictures, channels and blocks."""
    n, c, h, w = a.shape
    total = 0.0
    factors = (1, 2, 4)
    for picture in range(n):
        for k in factors:
            squares = 0.0
            for channel in range(c):
                for y in range(0, h - k + 1, k):
                    for x in range(0, w - k + 1, k):
                        block = (a - b)[picture, channel, y : y + k, x : x + k]
                        squares += float(block.mean()) ** 2
            if reading == "printed":
                total += squares**0.5 / (h * w) / n
            else:
                total += squares / (c * (h // k) * (w // k)) / len(factors) / n
    return total


@pytest.mark.parametrize("reading", ["mean", "printed"])
@pytest.mark.parametrize("size", [(8, 8), (9, 6)])
def test_both_readings_of_the_context_loss(reading, size):
    torch.manual_seed(2)
    a, b = torch.rand(2, 2, 3, *size, dtype=torch.float64)
    found = float(context_loss(a, b, reading))
    assert found == pytest.approx(naive_context(a, b, reading), rel=1e-12)


def test_mixed_precision_does_not_round_the_context_loss():
    torch.manual_seed(2)
    made, wanted = torch.rand(2, 2, 3, 8, 8).bfloat16()
    for reading in ("mean", "printed", "reviewkd"):
        with torch.autocast("cpu", torch.bfloat16):
            mixed = context_loss(made, wanted, reading)
        assert torch.equal(mixed, context_loss(made.float(), wanted.float(), reading))


def test_the_readings_differ_as_measured():
    # White noise of deviation sqrt(2), 152 channels of 64x64: 0.875, 0.358 and 1.069 expected.
    torch.manual_seed(3)
    a, b = torch.randn(2, 1, 152, 64, 64)
    assert float(context_loss(a, b, "mean")) == pytest.approx(0.875, rel=0.01)
    assert float(context_loss(a, b, "printed")) == pytest.approx(0.358, rel=0.01)
    assert float(context_loss(a, b, "reviewkd")) == pytest.approx(1.069, rel=0.01)


def test_the_released_context_loss(shared):
    arrays = reference_arrays(shared, "losses")
    values = json.loads((shared / "golden" / "forward" / "losses_values.json").read_text())
    total = 0.0
    for level in range(5):
        found = float(context_loss(arrays[f"hcl_s{level}"], arrays[f"hcl_t{level}"], "reviewkd"))
        assert found == pytest.approx(values[f"hcl_level{level}"], rel=1e-12)
        total += found
    assert total == pytest.approx(values["hcl_total"], rel=1e-12)


def test_gradients_reach_the_student_and_not_the_teacher(tiny):
    tiny.prepare()
    teacher = tiny.loss_networks["teacher"]
    batch = real_pairs(32)
    loss = tiny.prior_loss(tiny.learn(batch["blur"]), teacher(batch["sharp"]))
    loss.backward()
    trained = [*tiny.student.parameters(), *tiny.connections.parameters(), *tiny.heads.parameters()]
    assert all(p.grad is not None for p in trained)
    assert sum(float(p.grad.abs().sum()) for p in tiny.student.parameters()) > 0
    assert not any(p.requires_grad for p in teacher.parameters())
    assert not any("teacher" in name or "features" in name for name in tiny.state_dict())
    assert not teacher.training


def test_the_loss_is_equation_7():
    model = build("sp", "tiny", perceptual_weight=0.01, perceptual_weights="random")
    model.prepare()
    (stage,) = model.stages()
    (update,) = stage.updates
    found = update.loss(real_pairs(32))
    wanted = found["l1"] + 0.01 * found["perceptual"] + 0.1 * found["prior"]
    assert found["perceptual"] > 0
    assert torch.allclose(found["loss"], wanted)


def test_another_backbone_keeps_its_own_loss_and_optimiser():
    model = small("mimo-unet", reconstruction="backbone", prior_weight=0.1)
    model.prepare()
    (update,) = model.stages()[0].updates
    (own,) = model.backbone.stages()[0].updates
    assert (update.lr, update.decoupled, update.clip) == (own.lr, False, own.clip)
    batch = real_pairs(32)
    found = update.loss(batch)
    alone = model.backbone.loss(batch)
    assert torch.allclose(found["loss"], alone["loss"] + 0.1 * found["prior"], rtol=1e-5)


def test_recipe_of_the_paper():
    with torch.device("meta"):
        model = build("sp")
    (update,) = model.stages()[0].updates
    assert (update.lr, update.betas, update.decoupled) == (2e-4, (0.9, 0.999), True)
    assert update.lr * update.schedule(1.0) == pytest.approx(1e-6)
    c = build("sp", "net0").config
    assert (c.batch_size, c.crop_size, c.steps) == (10, 256, 147_210)


@pytest.mark.parametrize("prior", ["one-hot", "probabilities"])
def test_an_image_level_prior_is_a_map_of_classes(prior):
    fields = {"cross_level": False, "aggregation": False, "teacher_channels": (5,)}
    model = small("unet", prior=prior, prior_weight=0.1, **fields)
    disturb(model.classes)
    batch = real_pairs(32)
    learnt = model.learn(batch["blur"])
    shares = model.aggregate(learnt)
    assert [s.shape[1:] for s in shares] == [(5, 32, 32), (5, 16, 16), (5, 8, 8)]
    for share in shares:
        assert torch.allclose(share.sum(1), torch.ones(()), atol=1e-5)
        assert not share.requires_grad
    assert (shares[0].unique().tolist() == [0.0, 1.0]) == (prior == "one-hot")
    seen = torch.rand(4, 5, 32, 32).softmax(1)
    loss = model.prior_loss(learnt, seen)
    wanted = -(seen * learnt[0].log_softmax(1)).sum(1).mean()
    assert torch.allclose(loss, wanted)
    loss.backward()
    assert all(p.grad is not None for p in model.student.parameters())


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (64, 40), (33, 70)])
def test_any_size_is_restored(tiny, size):
    blur = torch.rand(1, 3, *size)
    assert tiny.deblur(blur).shape == blur.shape
    assert {m.shape[1:] for m in tiny.explain(blur).values()} == {size}


def test_what_it_looks_at(tiny):
    kinds = ("prior", "attention", "scale", "shift")
    blur = real_pairs(32)["blur"][:1]
    maps = tiny.explain(blur)
    assert set(maps) == {f"{kind}-{level}" for kind in kinds for level in (1, 2, 3)}
    assert all(float(m.min()) >= 0 and float(m.max()) <= 1 for m in maps.values())
    assert maps["prior-1"].std() > 0.01
    assert build("sp", "tiny", embedding="off", prior_weight=0).explain(blur) == {}


@pytest.mark.parametrize("backbone", ["unet", "mimo-unet"])
def test_training_starts_from_a_bare_backbone(tmp_path, backbone):
    torch.manual_seed(5)
    model, other = small(backbone), build(backbone, "tiny")
    disturb(other)
    save_tensors(tmp_path / "run.safetensors", other.state_dict())
    load_released(model, tmp_path / "run.safetensors")
    blur = torch.rand(1, 3, 32, 32)
    assert torch.allclose(model.deblur(blur), other.deblur(blur), atol=1e-6)
    if backbone != "unet":
        disturb(other)
        torch.save({"model": other.network.state_dict()}, tmp_path / "released.pkl")
        load_released(model, tmp_path / "released.pkl")
        assert torch.allclose(model.deblur(blur), other.deblur(blur), atol=1e-6)
    whole = small(backbone)
    save_tensors(tmp_path / "whole.safetensors", model.state_dict())
    load_released(whole, tmp_path / "whole.safetensors")
    assert torch.equal(whole.deblur(blur), model.deblur(blur))


def test_one_step_moves_backbone_and_student(tiny):
    before = {name: p.detach().clone() for name, p in tiny.named_parameters()}
    stage, optimisers = start(tiny)
    step(stage, optimisers, real_pairs(32))
    moved = {n.partition(".")[0] for n, p in tiny.named_parameters() if not p.equal(before[n])}
    assert {"backbone", "student", "connections", "heads"} <= moved


@pytest.mark.slow
def test_tiny_halves_the_error_of_four_real_pairs(tiny):
    batch = real_pairs(32)
    wanted = float(F.l1_loss(batch["blur"], batch["sharp"])) / 2
    stage, optimisers = start(tiny)
    for _ in range(100):
        left = float(step(stage, optimisers, batch)["sp"]["l1"])
        if left < wanted:
            return
    pytest.fail(f"{left:.4f} is left, not {wanted:.4f}")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"embedding": "off"}, "prior_weight=0"),
        ({"prior": "one-hot"}, "cross_level=false"),
        ({"teacher_channels": "1,2"}, "needs 3 numbers"),
        ({"crop_size": 16}, "crop_size: should be greater"),
        ({"backbone": "resnet"}, "backbone: should be"),
        ({"backbone_preset": "huge"}, "unet has no preset 'huge'"),
    ],
)
def test_mistakes_are_told(fields, told):
    with pytest.raises(UserError) as error:
        build("sp", "tiny", **fields)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
