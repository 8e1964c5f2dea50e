"""DeblurGAN against the released code: networks, losses, and who is trained when."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from reference_weights import (
    fill,
    load_reference,
    reference_arrays,
    reference_shapes,
    relative_error,
)
from small_training import real_pairs, start, step
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from toy import ToyPairs, weights

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.models.cost import cost
from blurbench.models.deblurgan import CONTENT_LAYER, Critic, DeblurGAN, Generator
from blurbench.models.parts.losses import gradient_penalty
from blurbench.models.parts.vgg import VggFeatures
from blurbench.training.batches import TrainingPairs
from blurbench.training.runner import Runner

NETWORKS = {"deblurgan_G": Generator, "deblurgan_D": Critic}


@pytest.fixture
def tiny() -> DeblurGAN:
    torch.manual_seed(0)
    return build("deblurgan", "tiny")


@pytest.fixture
def noisy() -> DeblurGAN:
    torch.manual_seed(0)
    return build("deblurgan", "tiny", width=4, dropout=0.5, test_dropout=True, critic_steps=5)


@pytest.fixture
def values(shared):
    return json.loads((shared / "golden" / "forward" / "losses_values.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", ["", "__b"])
def test_they_give_the_reference_outputs(shared, name, size):
    network = load_reference(NETWORKS[name](), shared, name)
    arrays = reference_arrays(shared, name + size)
    with torch.no_grad():
        assert relative_error(network(arrays["x"]), arrays["y0"]) < 1e-10
        if "tanh" in arrays:
            assert relative_error(network.model(arrays["x"]), arrays["tanh"]) < 1e-10


@pytest.mark.parametrize("name", NETWORKS)
def test_they_have_the_released_keys(shared, name):
    with torch.device("meta"):
        network = NETWORKS[name]()
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert found == reference_shapes(shared, name)


def test_their_cost_is_the_released_one():
    for preset in ("paper", "repo"):
        assert cost("deblurgan", preset) == (11_378_179, pytest.approx(49.551507, rel=1e-6))
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        critic = Critic()
        critic(torch.zeros(1, 3, 256, 256))
    assert parameter_count(critic) == 2_764_737
    assert counter.get_total_flops() / 2e9 == pytest.approx(3.610193, rel=1e-6)


def test_both_readings_of_the_gradient_penalty(shared, values):
    critic = load_reference(Critic(), shared, "deblurgan_D")
    arrays = reference_arrays(shared, "losses")
    real, fake, share = (arrays[f"gp_{name}"] for name in ("real", "fake", "alpha"))
    for norm in ("sample", "channel"):
        penalty = 10 * gradient_penalty(critic, real, fake, share, norm)
        wanted = values[f"gp_{norm}_lambda10"]
        assert float(penalty.detach()) == pytest.approx(wanted, rel=1e-10)
    penalty.backward()
    slope = critic.model[0].weight.grad
    assert relative_error(slope, arrays["gp_grad_D_model0_weight"]) < 1e-10


def test_mixed_precision_leaves_the_gradient_penalty_as_it_is():
    torch.manual_seed(0)
    critic, (real, fake) = Critic(8), torch.rand(2, 2, 3, 32, 32)
    found = []
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            penalty = gradient_penalty(critic, real, fake, torch.full((2, 1, 1, 1), 0.3), "sample")
        found += torch.autograd.grad(penalty, critic.model[0].weight)
    assert torch.equal(*found)


def test_losses_of_both_sides_are_the_released_ones(shared, values, monkeypatch):
    arrays = reference_arrays(shared, "losses")
    model = build("deblurgan", "repo", perceptual_weight=0).double()
    load_reference(model.critic, shared, "deblurgan_D")
    monkeypatch.setattr(model.generator, "forward", lambda _x: arrays["gp_fake"])
    monkeypatch.setattr(torch, "rand", lambda *_size, **_options: arrays["gp_alpha"])
    sharp = (arrays["gp_real"] + 1) / 2
    batch = {"sharp": sharp, "blur": sharp}
    found = model.critic_losses(batch)
    assert float(found["loss"].detach()) == pytest.approx(values["wgangp_d_loss_total"], rel=1e-10)
    found = model.generator_losses(batch)
    assert float(found["loss"].detach()) == pytest.approx(values["wgangp_g_loss"], rel=1e-10)


def test_the_content_loss_is_the_released_one(shared, values):
    features = VggFeatures((CONTENT_LAYER,), "random", "vgg19", normalise=False).double()
    for index, layer in enumerate(features.layers):
        for part, parameter in layer.named_parameters():
            shape = tuple(parameter.shape)
            parameter.data = torch.tensor(fill(f"features.{index}.{part}", shape, math.sqrt(2)))
    arrays = reference_arrays(shared, "losses")
    made, wanted = features(arrays["gp_fake"]), features(arrays["gp_real"])
    loss = F.mse_loss(made[CONTENT_LAYER], wanted[CONTENT_LAYER])
    assert float(loss) == pytest.approx(values["deblurgan_perceptual_mse_conv3_3"], rel=1e-10)


def test_the_generator_follows_critic_and_features():
    torch.manual_seed(0)
    model = build(
        "deblurgan", "tiny", perceptual_weight=7, l1_weight=3, perceptual_weights="random"
    )
    model.prepare()
    (stage,) = model.stages()
    found = stage.updates[1].loss(real_pairs(16))
    assert found["perceptual"] > 0
    wanted = found["adversarial"] + 7 * found["perceptual"] + 3 * found["l1"]
    assert torch.allclose(found["loss"], wanted)
    assert not any("features" in key for key in model.state_dict())


def test_missing_features_are_told_before_training(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"vgg19-.*perceptual_weights=random"):
        build("deblurgan", "tiny", perceptual_weight=1).prepare()


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (64, 40), (33, 130)])
def test_any_size_is_restored(tiny, size):
    blur = torch.rand(2, 3, *size)
    assert tiny.deblur(blur).shape == blur.shape


def test_dropout_stays_on_and_repeats(noisy, tiny):
    blur = real_pairs(24)["blur"]
    assert torch.equal(noisy.deblur(blur), noisy.deblur(blur))
    assert torch.equal(noisy.deblur(blur)[2:3], noisy.deblur(blur[2:3]))
    with torch.no_grad():
        assert not torch.equal(noisy.deblur(blur), noisy.generate(blur))
        assert torch.equal(tiny.deblur(blur), tiny.generate(blur))


def test_stages_of_the_paper():
    model = build("deblurgan")
    (stage,) = model.stages()
    assert [(u.name, u.repeats) for u in stage.updates] == [("critic", 5), ("generator", 1)]
    for update in stage.updates:
        assert (update.lr, update.betas) == (1e-4, (0.5, 0.999))
        rates = [update.schedule(t) for t in (0, 0.25, 0.5, 0.75, 0.999)]
        assert rates == pytest.approx([1, 1, 1, 0.5, 0.002])


def test_all_steps_of_the_critic_judge_one_restoration(noisy, monkeypatch):
    judged, moved = [], []
    forward = noisy.critic.forward
    monkeypatch.setattr(
        noisy.critic, "forward", lambda x: (judged.append(x.detach().clone()), forward(x))[1]
    )
    batch = real_pairs(16)
    stage, optimisers = start(noisy)
    for _ in range(2):
        step(stage, optimisers, batch)
        # A pass over restored and sharp pictures and one for the slope each; the generator's.
        assert len(judged) == 2 * 5 + 1
        assert all(torch.equal(judged[0], x) for x in judged[2:10:2])
        assert len(judged[-1]) == 4
        moved.append(judged[0][:4])
        judged.clear()
    assert not torch.equal(*moved)


def test_each_part_of_a_batch_is_restored_once_for_the_critic(tmp_path, monkeypatch):
    runner = make_runner(tmp_path, critic_steps=3, batch_size=4, accumulate=2)
    restored, critic_losses = [], runner.model.critic_losses

    def kept(batch):
        restored.append(runner.model.restored_once(batch))
        return critic_losses(batch)

    monkeypatch.setattr(runner.model, "critic_losses", kept)
    ran = []
    runner.model.generator.register_forward_hook(lambda *_: ran.append(torch.is_grad_enabled()))
    monkeypatch.setattr(runner, "_look", lambda: None)
    runner.steps = 2
    runner.run()
    # Of each step: both parts for the critic, then both for the generator itself.
    assert ran == [False, False, True, True] * 2
    for first in (0, 6):  # the three steps of the critic see the same pictures, with their dropout
        part, other = restored[first : first + 2]
        assert not torch.equal(part, other)
        assert all(x is part for x in restored[first : first + 6 : 2])
        assert all(x is other for x in restored[first + 1 : first + 6 : 2])
    assert not torch.equal(restored[0], restored[6])


def test_an_update_moves_its_own_network_and_nothing_else(tiny):
    stage, optimisers = start(tiny)
    batch = real_pairs(32)
    for update in stage.updates:
        before = {name: p.detach().clone() for name, p in tiny.named_parameters()}
        step(replace(stage, updates=(update,)), optimisers, batch)
        # Biases do nothing before an instance norm, nor where scores are subtracted.
        moved = {name for name, p in tiny.named_parameters() if not torch.equal(before[name], p)}
        own = {name for name in before if name.startswith(update.name)}
        assert {name for name in own if name.endswith("weight")} <= moved <= own


@pytest.mark.slow
def test_it_halves_the_error_of_four_pairs(tiny):
    batch = real_pairs(32)
    # What copying the input would give; the untrained network is worse.
    wanted = float(F.l1_loss(batch["blur"], batch["sharp"])) / 2
    stage, optimisers = start(tiny)
    for _ in range(250):
        left = float(step(stage, optimisers, batch)["generator"]["l1"]) / 2  # of [0, 1]
        if left < wanted:
            return
    pytest.fail(f"{left:.4f} is left, not {wanted:.4f}")


def test_residuals_are_clamped():
    generator = Generator(2, 1)
    nn.init.constant_(generator.model[-2].bias, 5.0)
    assert generator(torch.full((1, 3, 16, 16), 0.5)).max() == 1


def make_runner(folder: Path, **config: int) -> Runner:
    torch.manual_seed(0)
    small = {"width": 2, "dropout": 0.5, "critic_steps": 2, "crop_size": 16, **config}
    model = build("deblurgan", "tiny", **small)
    folder.mkdir(exist_ok=True)
    pairs = ToyPairs(6, 20)
    training = TrainingPairs(pairs, model.config, seed=5)
    cpu = torch.device("cpu")
    return Runner(folder, model, training, None, pairs, 8, cpu, checkpoint_seconds=0)


def test_a_resumed_run_ends_with_the_same_bits(tmp_path):
    make_runner(tmp_path / "whole").run()
    broken = make_runner(tmp_path / "broken")
    one_step = broken.step

    def step_then_stop(*arguments):
        one_step(*arguments)
        broken.stop.asked = broken.at.step + 1 == 5

    broken.step = step_then_stop
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    make_runner(tmp_path / "broken").run()
    assert weights(tmp_path / "whole") == weights(tmp_path / "broken")
