"""What each stage of UMSN trains, on what, and that it learns."""

import pytest
import torch
from small_training import real_pairs, start, step
from torch import nn

from blurbench.models import build
from blurbench.models.base import Stage
from blurbench.models.umsn import UMSN, losses


@pytest.fixture
def model() -> UMSN:
    torch.manual_seed(1)
    return build("umsn", "tiny", identity_start=False)


@pytest.fixture
def batch():
    torch.manual_seed(2)
    sharp = torch.rand(2, 3, 32, 32)
    labels = torch.arange(32).div(8, rounding_mode="floor").expand(2, 32, 32)
    mask = nn.functional.one_hot(labels, 4).permute(0, 3, 1, 2).to(torch.uint8)
    return {"sharp": sharp, "blur": nn.functional.avg_pool2d(sharp, 5, 1, 2), "mask": mask}


def stage(model: UMSN, name: str) -> Stage:
    return next(stage for stage in model.stages() if stage.name == name)


def set_modes(model: UMSN, chosen: Stage) -> None:
    model.eval().requires_grad_(False)
    for update in chosen.updates:
        for module in update.modules:
            module.train().requires_grad_(True)


def names(model: UMSN, *prefixes: str) -> set[str]:
    return {name for name, _ in model.named_parameters() if name.startswith(prefixes)}


HEAD_PARTS = (
    "dense_block6", "trans_block6", "conv_refin.", "conv_refin_in.", "refine3", "refineclean",
)  # fmt: skip


def expected(model: UMSN, stage_name: str) -> set[str]:
    fnets = tuple(f"network.deblur_class{i}." for i in range(1, 5))
    if stage_name.startswith("sn-"):
        return names(model, "segmentation.")
    if stage_name == "f-nets":
        return names(model, *fnets)
    heads = tuple(prefix + part for prefix in fnets for part in HEAD_PARTS)
    return names(model, "network.") - names(model, *heads)


@pytest.mark.parametrize("name", ["sn-sharp", "sn-blur", "f-nets", "network"])
def test_a_stage_moves_all_of_its_own_parameters_and_no_other(model, batch, name):
    chosen = stage(model, name)
    set_modes(model, chosen)
    chosen.updates[0].loss(batch)["loss"].backward()
    moved = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum()}
    assert moved == expected(model, name)
    trained = {id(p) for m in chosen.updates[0].modules for p in m.parameters()}
    assert {n for n, p in model.named_parameters() if id(p) in trained} == expected(model, name)


def test_stages_come_in_the_papers_proportions():
    paper = build("umsn")
    stages = paper.stages()
    assert [s.name for s in stages] == ["sn-sharp", "sn-blur", "f-nets", "network"]
    steps = [s.share * paper.config.steps / sum(x.share for x in stages) for s in stages]
    assert steps == [60_000, 30_000, 50_000, 100_000]
    assert [s.updates[0].lr for s in stages] == [2e-4, 1e-5, 2e-4, 2e-4]


def test_the_released_code_never_trains_the_fnets_alone():
    stages = build("umsn", "code").stages()
    assert [s.name for s in stages] == ["sn-sharp", "sn-blur", "network"]
    update = stages[-1].updates[0]
    assert (update.betas, update.weight_decay) == ((0.5, 0.999), 5e-5)


def test_sn_learns_from_the_image_of_its_stage(model, batch):
    set_modes(model, stage(model, "sn-sharp"))
    model.segmentation.eval()
    for name, key in (("sn-sharp", "sharp"), ("sn-blur", "blur")):
        found = stage(model, name).updates[0].loss(batch)["loss"]
        logits = model.segmentation(batch[key] * 2 - 1)
        wanted = losses.segmentation_loss(logits, batch["mask"], "cross_entropy")
        assert torch.equal(found, wanted)


def test_an_fnet_sees_blur_only_in_its_own_class(model, batch, monkeypatch):
    seen = []
    for fnet in model.network.fnets():
        monkeypatch.setattr(fnet, "restore", lambda x, m: (seen.append((x, m)), x)[1])
    stage(model, "f-nets").updates[0].loss(batch)
    maps = model.segmentation.maps(batch["blur"] * 2 - 1)
    for i, (x, class_map) in enumerate(seen):
        inside = batch["mask"][:, i : i + 1].bool().expand_as(x)
        assert torch.allclose(x[inside], (batch["blur"] * 2 - 1)[inside])
        assert torch.allclose(x[~inside], (batch["sharp"] * 2 - 1)[~inside])
        assert torch.allclose(class_map, maps[:, i : i + 1])


def test_fnet_loss_sums_the_four(model, batch, monkeypatch):
    shift = iter((0.1, 0.2, 0.3, 0.4))
    sharp = batch["sharp"] * 2 - 1
    for fnet in model.network.fnets():
        monkeypatch.setattr(fnet, "restore", lambda _x, _m: sharp + next(shift))
    found = stage(model, "f-nets").updates[0].loss(batch)
    assert float(found["loss"]) == pytest.approx(1.0, rel=1e-5)


def test_the_network_is_guided_by_maps_of_blur_and_judged_by_maps_of_sharp(
    model, batch, monkeypatch
):
    used = {}
    confidence = model.network.confidence

    def spy(restored, sharp, maps):
        used["judge"] = maps
        return confidence(restored, sharp, maps)

    monkeypatch.setattr(model.network, "confidence", spy)
    hook = model.network.register_forward_hook(lambda _m, args, _out: used.update(guide=args[1]))
    found = stage(model, "network").updates[0].loss(batch)
    hook.remove()
    maps = {key: model.segmentation.maps(batch[key] * 2 - 1) for key in ("blur", "sharp")}
    assert torch.allclose(used["guide"], maps["blur"], atol=1e-6)
    assert torch.allclose(used["judge"], maps["sharp"], atol=1e-6)
    logged = {f"{name}_{i}" for name in ("confidence", "weighed_error") for i in range(1, 5)}
    assert set(found) == {"loss", "l1", *logged}


def test_perceptual_losses_are_added_and_logged(batch):
    model = build("umsn", "tiny", perceptual_weight=0.5, perceptual_weights="random")
    plain = build("umsn", "tiny")
    plain.load_state_dict(model.state_dict())
    model.prepare()
    for name in ("f-nets", "network"):
        found = stage(model, name).updates[0].loss(batch)
        base = stage(plain, name).updates[0].loss(batch)
        assert found["perceptual"] > 0
        assert torch.allclose(found["loss"], base["loss"] + found["perceptual"])


def test_features_are_no_part_of_the_model():
    model = build("umsn", "tiny", perceptual_weight=1, perceptual_weights="random")
    keys = set(model.state_dict())
    model.prepare()
    assert model.loss_networks
    assert set(model.state_dict()) == keys


@pytest.mark.slow
def test_tiny_halves_its_error_on_four_pictures():
    torch.manual_seed(0)
    model = build("umsn", "tiny")
    chosen, optimisers = start(model, 3)
    corners = torch.arange(32) // 16
    labels = 2 * corners[:, None] + corners
    masks = nn.functional.one_hot(labels, 4).permute(2, 0, 1).float().expand(4, -1, -1, -1)
    batch = {**real_pairs(32), "mask": masks}
    history = [float(step(chosen, optimisers, batch)["network"]["l1"]) for _ in range(45)]
    assert min(history[-5:]) < history[0] / 2
