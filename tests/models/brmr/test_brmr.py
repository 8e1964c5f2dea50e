"""BRMR: the loop against its algorithm step by step, mining, who is trained when, learning."""

from dataclasses import replace
from pathlib import Path

import naive
import numpy as np
import pytest
import torch
from small_training import real_pairs, start, step
from torch import Tensor, nn
from torch.nn import functional as F
from toy import ToyPairs, weights

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.models.brmr.mining import Box, outlined
from blurbench.models.brmr.model import BRMR
from blurbench.models.cost import cost
from blurbench.models.parts.maps import coloured
from blurbench.training.batches import TrainingPairs
from blurbench.training.runner import Runner

SMALL = {"width": 4, "patch_size": 32, "stride": 16}


@pytest.fixture
def small() -> BRMR:
    torch.manual_seed(0)
    return build("brmr", "tiny", **SMALL)


@pytest.fixture
def noisy() -> BRMR:
    torch.manual_seed(0)
    return build("brmr", "tiny", **SMALL, downs=6, patch_downs=5, dropout=True, test_dropout=True)


class Knowing(nn.Module):
    """A stand-in for pGAN that takes a share of a patch's error away."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, patch: Tensor) -> Tensor:
        return patch * (1 - self.share)


def knowing(model: BRMR, share: float) -> None:
    """Let the model restore towards grey, and judge by the distance from it."""

    def judge(image: Tensor, blur: Tensor) -> tuple[Tensor, Tensor]:
        del blur
        error = (image - 0.5).abs().mean(1)
        return -error.mean((1, 2)), error

    model.generate, model.judge = (lambda blur: blur), judge
    model.patch_generator = Knowing(share)


def test_its_cost():
    with torch.device("meta"):
        model = build("brmr")
    assert parameter_count(model.generator) == 54_413_955
    assert parameter_count(model.discriminator) == 2_761_536
    assert parameter_count(model.patch_generator) == 41_828_995
    assert parameter_count(model.patch_discriminator) == 2_768_705
    parameters, gmacs = cost("brmr")
    assert parameters == 99_004_486
    # iGAN, one patch tried, and the discriminator before and after.
    assert gmacs == pytest.approx(6.048186 + 1.506271 + 2 * 3.190495, rel=1e-5)


@pytest.mark.parametrize(("size", "stride", "most"), [(32, 16, 5), (32, 24, 16), (64, 48, 3)])
def test_the_loop_is_algorithm_1(size, stride, most):
    model = build("brmr", "tiny", **SMALL | {"stride": stride, "max_iterations": most})
    model.config = model.config.model_copy(update={"patch_size": size})
    knowing(model, 0.4)
    generator = torch.Generator().manual_seed(size)
    blur = torch.rand(1, 3, 96, 128, generator=generator).double()

    def judge(image: np.ndarray) -> tuple[float, np.ndarray]:
        error = np.abs(image - 0.5).mean(0)
        # A chance as a softmax of two logits has it.
        return 1 / (1 + np.exp(error.mean())), error.astype(np.float32)

    def refine(patch: np.ndarray) -> np.ndarray:
        return (patch * 2 - 1) * 0.6 / 2 + 0.5

    wanted, kept = naive.mine_and_refine(blur[0].numpy(), judge, refine, size, stride, most)
    versions = list(model.versions(blur))
    assert [(v.refined.left, v.refined.top) for v in versions[1:]] == kept
    assert len(kept) == most  # each refinement helps here
    assert np.allclose(versions[-1].image[0].numpy(), wanted, atol=1e-12)
    assert model.restore_counted(blur)[1] == {"iterations": most}


@pytest.mark.parametrize("seed", range(6))
def test_the_networks_are_used_as_algorithm_1_says(seed):
    torch.manual_seed(seed)
    model = build("brmr", "tiny", **SMALL).double()
    for parameter in model.parameters():  # wild enough to tell patches apart
        nn.init.normal_(parameter, std=0.1)
    blur = torch.rand(1, 3, 64, 96).double()

    @torch.no_grad()
    def judge(image: np.ndarray) -> tuple[float, np.ndarray]:
        pair = torch.cat([blur, torch.from_numpy(image)[None]], 1) * 2 - 1
        features = model.discriminator.features(pair)
        maps = [
            F.interpolate(torch.tensordot(w, features, ([0], [1]))[None], (64, 96), mode="bilinear")
            for w in model.discriminator.classify.weight
        ]
        chance = torch.stack(
            [(w * features[0].mean((1, 2))).sum() for w in model.discriminator.classify.weight]
        )
        return float(chance.softmax(0)[0]), maps[1][0, 0].numpy()

    @torch.no_grad()
    def refine(patch: np.ndarray) -> np.ndarray:
        return (model.patch_generator(torch.from_numpy(patch)[None] * 2 - 1)[0].numpy() + 1) / 2

    with torch.no_grad():
        first = model.generate(blur)[0].numpy()
        wanted, kept = naive.mine_and_refine(first, judge, refine, 32, 16, 16)
        found, figures = model.restore_counted(blur)
    assert figures == {"iterations": len(kept)}
    assert np.allclose(found[0].numpy(), wanted, atol=1e-9)


@pytest.mark.parametrize("share", [0.0, -0.5])
def test_the_first_patch_that_does_not_help_ends_it(small, share):
    knowing(small, share)
    blur = torch.rand(1, 3, 64, 64)
    restored, figures = small.restore_counted(blur)
    assert figures == {"iterations": 0}
    assert torch.equal(restored, blur)


def test_without_iterations_it_is_igan(noisy):
    noisy.config = noisy.config.model_copy(update={"max_iterations": 0})
    igan = build("igan", "tiny", width=4, downs=6, dropout=True, test_dropout=True)
    igan.load_state_dict({n: w for n, w in noisy.state_dict().items() if not n.startswith("patch")})
    blur = real_pairs(64)["blur"]
    assert torch.equal(noisy.deblur(blur), igan.deblur(blur))


def test_a_picture_is_restored_alike_in_any_company(noisy):
    for parameter in noisy.parameters():
        nn.init.normal_(parameter, std=0.1)
    blur = real_pairs(64)["blur"]
    together, figures = noisy.deblur_counted(blur)
    torch.manual_seed(9)
    alone = [noisy.deblur_counted(picture) for picture in blur.flip(0).split(1)]
    assert torch.equal(together, torch.cat([restored for restored, _ in alone]).flip(0))
    assert figures["iterations"] == sum(each["iterations"] for _, each in alone) > 0


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (64, 40), (33, 70)])
def test_any_size_is_restored(small, size):
    blur = torch.rand(2, 3, *size)
    assert small.deblur(blur).shape == blur.shape
    maps = small.explain(blur[:1])
    assert {m.shape[-2:] for m in maps.values()} == {size}


def test_what_it_looked_at(small):
    knowing(small, 0.4)
    small.config = small.config.model_copy(update={"max_iterations": 3})
    blur = torch.rand(1, 3, 60, 70)
    maps = small.explain(blur)
    assert maps["iterations"].shape == (4, 3, 60, 70)
    assert torch.equal(maps["iterations"][0], blur[0])
    assert torch.equal(maps["iterations"][-1:], small.deblur(blur))
    for name in ("heat_before", "heat_after", "patches"):
        assert maps[name].shape == (3, 60, 70)
        assert 0 <= maps[name].min() < maps[name].max() <= 1
    # One scale of colours: what is less blurred is darker.
    assert maps["heat_after"].mean() < maps["heat_before"].mean()


@pytest.mark.parametrize("name", ["igan", "brmr"])
def test_a_detector_shows_where_the_picture_itself_is_blurry(name):
    torch.manual_seed(0)
    model = build(name, "tiny", width=4, blur_negatives=True)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    blur = real_pairs(150)["blur"][:1, :, :140]
    maps = model.explain(blur)
    heat = model.cam(*[F.pad(blur, (0, 10, 0, 20), mode="reflect")] * 2).detach()[0, :140, :150]
    assert torch.allclose(maps["blurred"], coloured(heat), atol=1e-5)
    left, top = naive.hottest_window(heat.double().numpy(), 128, 1)
    assert torch.equal(maps["blurred_square"], outlined(blur[0], [Box(left, top, 128, 128)]))
    plain = build(name, "tiny", width=4)
    assert not {"blurred", "blurred_square"} & plain.explain(blur).keys()
    assert model.explain(torch.rand(1, 3, 5, 9))["blurred_square"].shape == (3, 5, 9)


def test_igan_shows_its_heat_map():
    model = build("igan", "tiny", width=4)
    (heat,) = model.explain(torch.rand(1, 3, 40, 50)).values()
    assert heat.shape == (3, 40, 50)


def test_outlines_are_red_to_green():
    image = torch.full((3, 20, 30), 0.5)
    found = outlined(image, [Box(0, 0, 10, 10), Box(20, 10, 10, 10)])
    assert found[:, 0, 5].tolist() == [1, 0, 0]
    assert found[:, 19, 25].tolist() == found[:, 15, 21].tolist() == [0, 1, 0]
    assert (found[:, 5, 5] == 0.5).all()
    assert int((found != image).any(0).sum()) == 2 * (100 - 36)


def test_mined_is_what_igan_leaves_most_blurred(noisy):
    for parameter in noisy.parameters():
        nn.init.normal_(parameter, std=0.1)
    batch = real_pairs(64)
    blur, sharp = noisy.mined(batch)
    assert noisy.mined(batch)[0] is blur  # no second search for the second update
    igan = build("igan", "tiny", width=4, downs=6, dropout=True, test_dropout=True)
    igan.load_state_dict({n: w for n, w in noisy.state_dict().items() if not n.startswith("patch")})
    with torch.no_grad():
        restored = igan.restore(batch["blur"])
        heat = igan.cam(restored, batch["blur"])
    for i in range(4):
        left, top = naive.hottest_window(heat[i].double().numpy(), 32, 16)
        inside = (i, slice(None), slice(top, top + 32), slice(left, left + 32))
        assert torch.allclose(blur[i], restored[inside] * 2 - 1, atol=1e-6)
        assert torch.equal(sharp[i], batch["sharp"][inside] * 2 - 1)


def test_the_losses_of_patches_are_those_of_pix2pix(small):
    batch = real_pairs(64)
    with torch.no_grad():
        blur, sharp = small.mined(batch)
        restored = small.patch_generator(blur)
        real, made = (
            small.patch_discriminator(torch.cat([blur, image], 1)).sigmoid()
            for image in (sharp, restored)
        )
        judge = small.patch_discriminator_losses(batch)["loss"]
        generator = small.patch_generator_losses(batch)["loss"]
    assert torch.allclose(judge, -(real.log().mean() + (1 - made).log().mean()) / 2)
    l1 = (restored - sharp).abs().mean()
    assert torch.allclose(generator, -made.log().mean() + 100 * l1)


def test_stages_of_the_paper():
    with torch.device("meta"):
        stages = build("brmr").stages()
    assert [(stage.name, stage.share) for stage in stages] == [("igan", 1), ("pgan", 1)]
    for stage in stages:
        assert [u.name for u in stage.updates] == ["discriminator", "generator"]
        for update in stage.updates:
            assert (update.lr, update.betas, update.repeats) == (2e-4, (0.5, 0.999), 1)
            assert [update.schedule(t) for t in (0, 0.5, 0.75)] == [1, 1, 0.5]


@pytest.mark.parametrize(
    ("number", "own"),
    [
        (0, ["discriminator.", "generator."]),
        (1, ["patch_discriminator.", "patch_generator."]),
    ],
)
def test_an_update_moves_its_own_network_and_nothing_else(small, number, own):
    stage, optimisers = start(small, number)
    batch = real_pairs(64)
    for update, prefix in zip(stage.updates, own, strict=True):
        before = {name: p.detach().clone() for name, p in small.named_parameters()}
        step(replace(stage, updates=(update,)), optimisers, batch)
        moved = {name for name, p in small.named_parameters() if not torch.equal(before[name], p)}
        mine = {name for name in before if name.startswith(prefix)}
        # A bias before the mean of an instance norm does nothing.
        assert {name for name in mine if name.endswith("weight")} <= moved <= mine


def test_igan_is_frozen_while_pgan_learns(small):
    start(small, 1)
    for network in (small.generator, small.discriminator):
        assert not any(m.training for m in network.modules())
        assert not any(p.requires_grad for p in network.parameters())
    assert small.patch_generator.training
    assert small.patch_discriminator.training


@pytest.mark.slow
def test_each_stage_halves_the_error_of_four_pairs():
    torch.manual_seed(0)
    tiny = build("brmr", "tiny")
    batch = real_pairs(32)
    # What copying the blurred input would give; the untrained networks are worse.
    wanted = float(F.l1_loss(batch["blur"], batch["sharp"])) / 2
    for number in (0, 1):
        stage, optimisers = start(tiny, number)
        for _ in range(300):
            left = float(step(stage, optimisers, batch)["generator"]["l1"]) / 2  # of [0, 1]
            if left < wanted:
                break
        else:
            pytest.fail(f"{stage.name}: {left:.4f} is left, not {wanted:.4f}")


def make_runner(folder: Path) -> Runner:
    torch.manual_seed(0)
    model = build("brmr", "tiny", width=2, dropout=True, test_dropout=True, crop_size=32)
    folder.mkdir(exist_ok=True)
    pairs = ToyPairs(6, 40)
    training = TrainingPairs(pairs, model.config, seed=5)
    cpu = torch.device("cpu")
    return Runner(folder, model, training, None, pairs, 8, cpu, checkpoint_seconds=0)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [2, 4, 6])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path, stop):
    make_runner(tmp_path / "whole").run()
    broken = make_runner(tmp_path / "broken")
    one_step = broken.step

    def step_then_stop(*arguments):
        one_step(*arguments)
        broken.stop.asked = broken.at.step + 1 == stop

    broken.step = step_then_stop
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    make_runner(tmp_path / "broken").run()
    assert weights(tmp_path / "whole") == weights(tmp_path / "broken")


@pytest.mark.parametrize("bad", [{"patch_size": 96}, {"patch_downs": 9}, {"stride": 0}])
def test_patches_that_do_not_fit_are_refused(bad):
    with torch.device("meta"), pytest.raises(UserError, match="brmr: "):
        build("brmr", **bad)


def test_the_smallest_picture_holds_a_patch():
    model = build("brmr", "tiny", width=2, patch_size=64)
    assert (2**model.config.downs, model.multiple) == (32, 64)
    assert model.deblur(torch.rand(1, 3, 40, 24)).shape == (1, 3, 40, 24)
    assert build("brmr", "tiny", width=2).multiple == 32
