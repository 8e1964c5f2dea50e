"""The loop: stages, who is trained when, exact resume, clean stops."""

import itertools
import json
import shutil
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from toy import Judged, Oracle, Toy, ToyPairs, make_runner, weights

from blurbench.errors import UserError
from blurbench.files import read_jsonl
from blurbench.images import to_uint8
from blurbench.models.base import Batch, Losses, ModelConfig, Stage
from blurbench.models.parts.modes import set_modes, set_trainable
from blurbench.models.parts.weights import load_tensors
from blurbench.training.checkpoint import checkpoints, make_optimiser
from blurbench.training.processes import World
from blurbench.training.schedule import stage_bounds
from blurbench.training.validation import restore_item


def snapshot(module: nn.Module) -> list[torch.Tensor]:
    return [value.detach().clone() for value in module.state_dict().values()]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=5), st.integers(5, 10**6))
def test_stage_bounds_cover_every_step_once(shares: list[float], steps: int) -> None:
    bounds = stage_bounds(tuple(Stage("s", share, ()) for share in shares), steps)
    assert bounds[0][0] == 0
    assert bounds[-1][1] == steps
    assert all(first < last for first, last in bounds)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(bounds))


def test_fewer_steps_than_stages_is_refused() -> None:
    with pytest.raises(UserError, match="2 stages"):
        stage_bounds((Stage("a", 1, ()), Stage("b", 1, ())), 1)


@pytest.mark.slow
@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize("stop_at", [1, 9, 10, 13])
def test_resumed_run_ends_with_the_same_bits(
    tmp_path: Path, stop_at: int, ema: float | None
) -> None:
    whole = make_runner(tmp_path / "whole", 20, ema=ema)
    whole.run()
    broken = make_runner(tmp_path / "broken", 20, ema=ema)
    step = broken.step

    def step_then_stop(*arguments: object) -> None:
        step(*arguments)  # type: ignore[arg-type]
        broken.stop.asked = broken.at.step + 1 == stop_at

    broken.step = step_then_stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    assert int(checkpoints(tmp_path / "broken")[-1].name) == stop_at
    make_runner(tmp_path / "broken", 20, ema=ema).run()
    for name in ("last.safetensors", "model.safetensors"):
        assert weights(tmp_path / "whole", name) == weights(tmp_path / "broken", name)


def test_resume_falls_back_to_the_last_whole_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "run"
    make_runner(run, 20).run()
    expected = weights(run)
    older, newest = checkpoints(run)
    rows = [row for row in read_jsonl(run / "log.jsonl") if row["step"] <= int(older.name)]
    newest.rename(newest.with_suffix(".tmp"))  # as a kill in the middle of the write leaves it
    make_runner(run, 20).run()
    assert weights(run) == expected
    # The rows hold times: a run that began again from nothing would have written others.
    again = [row for row in read_jsonl(run / "log.jsonl") if row["step"] <= int(older.name)]
    assert rows
    assert again == rows


def test_log_rows_are_written_once_over_a_resume(tmp_path: Path) -> None:
    make_runner(tmp_path / "run", 20).run()
    newest = checkpoints(tmp_path / "run")[-1]
    shutil.rmtree(newest)
    with (tmp_path / "run" / "log.jsonl").open("a") as file:
        file.write('{"step": 2')  # torn
    make_runner(tmp_path / "run", 20).run()
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    steps = [row["step"] for row in rows if row["stage"] not in ("identity", "validation")]
    assert steps == sorted(set(steps))
    assert steps[-1] == 20
    assert {row["stage"] for row in rows} == {"identity", "warm", "gan", "validation"}


@pytest.mark.slow
def test_time_to_look_at_a_run_is_not_that_of_its_steps(tmp_path: Path) -> None:
    runner = make_runner(tmp_path / "run", 60)
    look = runner._look

    def slowly() -> None:
        look()
        time.sleep(1.0)

    runner._look = slowly  # type: ignore[method-assign]
    runner.run()
    rows = [row for row in read_jsonl(tmp_path / "run" / "log.jsonl") if "seconds_per_step" in row]
    assert max(row["seconds_per_step"] for row in rows) < 1.0


def test_each_update_moves_only_its_own_modules() -> None:
    model = Toy(ModelConfig(steps=1, batch_size=1))
    stage = model.stages()[1]
    set_modes(model, [module for update in stage.updates for module in update.modules])
    batch = {"blur": torch.rand(2, 3, 8, 8), "sharp": torch.rand(2, 3, 8, 8)}
    for update in stage.updates:
        (own,) = update.modules
        other = model.generator if own is model.critic else model.critic
        before, own_before = snapshot(other), snapshot(own)
        set_trainable(stage, update)
        set_modes_of_norms_to_eval(model)  # batch norm's statistics move without any optimiser
        optimiser = make_optimiser(update)
        update.loss(batch)["loss"].backward()
        optimiser.step()
        assert same(before, snapshot(other))
        assert not same(own_before, snapshot(own))
        assert all(p.grad is None for p in other.parameters())
        optimiser.zero_grad(set_to_none=True)


def set_modes_of_norms_to_eval(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def test_modules_that_a_stage_does_not_train_are_frozen_in_eval_mode() -> None:
    model = Toy(ModelConfig(steps=1, batch_size=1))
    set_modes(model, [model.generator])
    assert model.generator.training
    assert not model.critic.training
    assert not any(p.requires_grad for p in model.critic.parameters())


def test_the_critic_takes_its_extra_steps(tmp_path: Path) -> None:
    runner = make_runner(tmp_path / "run", 4)
    counts = {"critic": 0, "generator": 0}
    for name, loss in (("critic", runner.model.criticism), ("generator", runner.model.adversarial)):

        def counted(batch: object, name: str = name, loss: object = loss) -> object:
            counts[name] += 1
            return loss(batch)  # type: ignore[operator]

        setattr(runner.model, "criticism" if name == "critic" else "adversarial", counted)
    runner.run()
    assert counts == {"critic": 6, "generator": 2}


def test_nan_stops_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    make_runner(tmp_path / "run", 20).run()
    shutil.rmtree(checkpoints(tmp_path / "run")[-1])
    kept = checkpoints(tmp_path / "run")[-1].name
    with pytest.raises(UserError, match="NaN"):
        make_runner(tmp_path / "other", 20, poison=1.0).run()
    assert not checkpoints(tmp_path / "other")
    assert checkpoints(tmp_path / "run")[-1].name == kept


def test_best_weights_follow_the_validation_metric(tmp_path: Path) -> None:
    runner = make_runner(tmp_path / "run", 20)
    runner.run()
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    scores = {row["step"]: row["psnr"] for row in rows if row["stage"] == "validation"}
    assert runner.at.best_metric == max(scores.values())
    assert scores[runner.at.best_step] == runner.at.best_metric


class Confined(Toy):
    """No memory for more than 200x200 pixels at once."""

    def restore(self, blur: torch.Tensor) -> torch.Tensor:
        if blur[0, 0].numel() > 200**2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return blur


def test_what_is_too_large_beside_a_training_is_validated_in_tiles(tmp_path: Path) -> None:
    runner = make_runner(tmp_path / "run", 20, Confined)
    item = ToyPairs(1, 300)[0]
    restored = restore_item(runner.model, item)
    assert np.array_equal(restored, to_uint8(item["blur"]))


def test_validation_hands_an_oracle_the_labels_of_the_pair() -> None:
    oracle = Oracle(ModelConfig(steps=1, batch_size=1))
    item = {"id": "a", "blur": torch.full((3, 8, 8), 0.5), "captions": ["x"] * 20}
    assert np.array_equal(restore_item(oracle, item), to_uint8(item["blur"] + 0.2))
    with pytest.raises(UserError, match="oracle"):
        restore_item(oracle, {"id": "a", "blur": item["blur"]})


def test_samples_are_pictures(tmp_path: Path) -> None:
    make_runner(tmp_path / "run", 4).run()
    names = sorted(path.suffix for path in (tmp_path / "run" / "samples").iterdir())
    assert names
    assert set(names) == {".png"}


class Spoilt(Toy):
    """From its fifth step on, a loss of zero whose gradient is NaN."""

    steps = 0

    def reconstruction(self, batch: Batch) -> Losses:
        self.steps += 1
        found = super().reconstruction(batch)
        if self.steps >= 5:
            found["loss"] = found["loss"] + (0 * self.generator[0].weight).sqrt().sum()
        return found


@pytest.mark.parametrize("ema", [None, 0.9])
def test_nothing_saved_holds_the_nan_of_a_gradient(tmp_path: Path, ema: float | None) -> None:
    with pytest.raises(UserError, match="weight became NaN or infinite before step 5"):
        make_runner(tmp_path, 20, Spoilt, ema=ema).run()
    assert [int(path.name) for path in checkpoints(tmp_path)] == [3, 4]
    for path in tmp_path.rglob("*.safetensors"):
        assert all(value.isfinite().all() for value in load_tensors(path).values()), path


def test_frozen_batch_norm_keeps_its_statistics(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, 8, Judged)
    runner.run()
    boundary, end = (load_tensors(path / "model.safetensors") for path in checkpoints(tmp_path))
    assert int(checkpoints(tmp_path)[0].name) == 7  # in the second stage
    changed = {name.split(".")[0] for name in end if not torch.equal(boundary[name], end[name])}
    assert changed == {"critic"}


class Twice(Toy):
    """One generator, trained by two optimisers in the same stage."""

    def stages(self) -> tuple[Stage, ...]:
        warm, gan = super().stages()
        return (Stage("both", 1, (*warm.updates, replace(gan.updates[1], name="again"))),)


def test_two_updates_of_a_stage_can_train_one_module(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, 2, Twice)
    runner.run()
    newest = checkpoints(tmp_path)[-1]
    moments = load_tensors(newest / "optimisers.safetensors")
    for update in ("generator", "again"):
        assert moments[f"{update}/0/step"] == 2
    assert not torch.equal(moments["generator/0/exp_avg"], moments["again/0/exp_avg"])
    rows = list(read_jsonl(tmp_path / "log.jsonl"))
    assert {"generator/loss", "again/loss"} <= rows[1].keys()  # the first is of identity


def test_each_stage_begins_with_fresh_optimisers(tmp_path: Path) -> None:
    make_runner(tmp_path, 20).run()
    shutil.rmtree(checkpoints(tmp_path)[-1])
    runner = make_runner(tmp_path, 20)
    runner.run()
    moments = load_tensors(checkpoints(tmp_path)[-1] / "optimisers.safetensors")
    assert moments["generator/0/step"] == 10  # of 20 steps, the second stage's
    assert moments["critic/0/step"] == 30


class Warm(Toy):
    """The first stage only, which writes down the numbers that its network gives."""

    def __init__(self, config: ModelConfig, poison: float = 0.0) -> None:
        super().__init__(config, poison)
        self.given: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
        self.generator.register_forward_hook(
            lambda module, _, given: self.given[module.training].add(given.dtype)
        )

    def stages(self) -> tuple[Stage, ...]:
        return super().stages()[:1]


def test_bf16_is_for_training_and_neither_for_weights_nor_for_validation(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, 60, Warm, precision="bf16")
    runner.run()
    assert runner.model.given == {True: {torch.bfloat16}, False: {torch.float32}}
    losses = [row["loss"] for row in read_jsonl(tmp_path / "log.jsonl") if "loss" in row]
    assert losses[-1] < 0.5 * losses[0]
    for path in tmp_path.rglob("*.safetensors"):
        values = load_tensors(path).values()
        assert {v.dtype for v in values if v.is_floating_point()} == {torch.float32}


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_a_compiled_step_is_the_plain_one(tmp_path: Path) -> None:
    found = {}
    names = Toy(ModelConfig(steps=1, batch_size=1)).state_dict().keys()
    for compiled in (False, True):
        runner = make_runner(tmp_path / str(compiled), 1, Warm, compile=compiled)
        runner.run()
        assert load_tensors(tmp_path / str(compiled) / "last.safetensors").keys() == names
        found[compiled] = [p.grad for p in runner.model.generator.parameters()]
    gaps = [float((a - b).abs().max()) for a, b in zip(*found.values(), strict=True)]
    assert max(gaps) < 1e-5


@pytest.mark.parametrize("theirs", [2, 4])
def test_processes_that_read_other_checkpoints_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: int
) -> None:
    make_runner(tmp_path, 4).run()
    runner = replace(make_runner(tmp_path, 4), world=World(0, 2))
    monkeypatch.setattr("blurbench.training.runner.add_up", lambda step: step + theirs)
    told = r"000000004: another process .* cannot read it"
    with nullcontext() if theirs == 4 else pytest.raises(UserError, match=told):
        runner.run()
