"""Batches as a function of seed and step."""

import errno
import os
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from toy import ToyPairs

from blurbench.datasets.dataset import OnTheFlyDataset
from blurbench.errors import UserError
from blurbench.models.base import ModelConfig, Stage
from blurbench.recipes.recipe import load_recipe
from blurbench.sources.open import open_for
from blurbench.training.batches import TrainingPairs, augment, batches, crop, draws, step_seed
from blurbench.training.schedule import plan

CONFIG = ModelConfig(steps=1, batch_size=4, crop_size=None, flip=False)
ONE = (Stage("one", 1, ()),)
PLAN = plan(CONFIG, ONE, 99)


def stream(
    first: int, last: int, rank: int = 0, ranks: int = 1, workers: int = 0
) -> list[torch.Tensor]:
    pairs = TrainingPairs(ToyPairs(), CONFIG, seed=3)
    return [batch["sharp"] for batch in batches(pairs, PLAN, (first, last), rank, ranks, workers)]


def test_every_epoch_shows_every_pair_once() -> None:
    seen = torch.cat(stream(0, 5))  # 20 positions: two epochs of 10
    epochs = [{float(image.sum()) for image in seen[start : start + 10]} for start in (0, 10)]
    assert [len(epoch) for epoch in epochs] == [10, 10]
    assert not torch.equal(seen[:10], seen[10:])


def test_a_stream_that_starts_late_is_the_tail_of_the_whole() -> None:
    whole, tail = stream(0, 6), stream(4, 6)
    assert all(torch.equal(a, b) for a, b in zip(whole[4:], tail, strict=True))


@pytest.mark.slow
def test_loader_workers_change_nothing() -> None:
    alone, helped = stream(0, 3), stream(0, 3, workers=2)
    assert all(torch.equal(a, b) for a, b in zip(alone, helped, strict=True))


@pytest.mark.parametrize(
    "told",
    [
        RuntimeError("worker process 0\nunable to allocate shared memory(shm) for </torch_1>"),
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that"
                     " dataloader's workers are out of shared memory."),
        RuntimeError("unable to write to file </torch_1>: No space left on device (28)"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)  # fmt: skip
def test_full_shared_memory_is_not_memory(monkeypatch, told) -> None:
    def full(_):
        raise told

    monkeypatch.setattr(DataLoader, "__iter__", full)
    with pytest.raises(UserError, match=r"^/dev/shm is full \(.*B\); give the .*--shm-size 2g"):
        stream(0, 1)


class Unlike(ToyPairs):
    """Pairs of two sizes, which also tell the process group that they were read in."""

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        del epoch
        size = 12 + index % 2
        group = torch.full((1, 12, 12), float(os.getpgrp()))
        return {"blur": torch.zeros(3, size, size), "group": group}


@pytest.mark.slow
def test_what_a_worker_refuses_is_one_line() -> None:
    pairs = TrainingPairs(Unlike(), CONFIG, seed=3)
    with pytest.raises(UserError, match=r"^crop_size=none: these pairs have several sizes"):
        next(batches(pairs, PLAN, (0, 1), 0, 1, 1))


@pytest.mark.slow
def test_signals_to_the_group_of_the_trainer_do_not_reach_its_workers() -> None:
    pairs = TrainingPairs(Unlike(), CONFIG.model_copy(update={"batch_size": 1}), seed=3)
    one = plan(pairs.config, ONE, 1)
    assert next(batches(pairs, one, (0, 1), 0, 1, 1))["group"][0, 0, 0, 0] != os.getpgrp()


def test_processes_share_a_batch_without_overlap() -> None:
    whole = stream(0, 3)
    parts = zip(stream(0, 3, 0, 2), stream(0, 3, 1, 2), strict=True)
    for batch, (even, odd) in zip(whole, parts, strict=True):
        assert torch.equal(batch[0::2], even)
        assert torch.equal(batch[1::2], odd)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 24), st.integers(0, 99))
def test_crop_has_its_size_and_keeps_pairs_aligned(
    height: int, width: int, size: int, seed: int
) -> None:
    image = torch.arange(height * width, dtype=torch.float32).reshape(1, height, width)
    config = ModelConfig(steps=1, batch_size=1)
    cut = augment({"blur": image, "sharp": image + 1}, config, np.random.default_rng(seed), size)
    assert cut["blur"].shape == (1, size, size)
    assert torch.equal(cut["blur"] + 1, cut["sharp"])


def test_crop_reaches_every_corner() -> None:
    image = torch.arange(9.0).reshape(1, 3, 3)
    assert crop(image, 2, 0.0, 0.0)[0, 0, 0] == 0
    assert crop(image, 2, 0.999, 0.999)[0, 1, 1] == 8


def test_small_pictures_are_mirrored_up_to_the_crop() -> None:
    assert crop(torch.arange(3.0).reshape(1, 1, 3).expand(1, 3, 3), 5, 0, 0)[0, 0].tolist() == [
        0.0,
        1.0,
        2.0,
        2.0,
        1.0,
    ]


def test_step_seeds_differ_by_seed_step_and_process() -> None:
    seeds = {step_seed(s, t, p) for s in range(3) for t in range(3) for p in range(3)}
    assert len(seeds) == 27


@pytest.mark.slow
def test_pairs_blurred_on_the_fly_are_the_same_with_workers_and_after_a_resume() -> None:
    recipe = load_recipe("demo")
    source = open_for(recipe, "builtin:photos")
    config = ModelConfig(steps=1, batch_size=2, crop_size=32)

    def drawn(first: int, workers: int) -> list[torch.Tensor]:
        pairs = TrainingPairs(OnTheFlyDataset(recipe, source, "train"), config, seed=3)
        steps = plan(config, ONE, 4)
        return [batch["blur"] for batch in batches(pairs, steps, (first, 4), 0, 1, workers)]

    whole, tail = drawn(0, 0), drawn(2, 2)
    assert all(torch.equal(a, b) for a, b in zip(whole[2:], tail, strict=True))
    assert not torch.equal(whole[0], whole[2])


def test_quarter_turns_move_no_other_draw() -> None:
    image = torch.arange(64.0).reshape(1, 8, 8)
    turned = ModelConfig(steps=1, batch_size=1, turns=True)
    plain = turned.model_copy(update={"turns": False})
    seen = set()
    for seed in range(40):
        whole, cut = (
            augment({"blur": image, "sharp": -image}, config, np.random.default_rng(seed), 4)
            for config in (plain, turned)
        )
        (count,) = (n for n in range(4) if torch.equal(whole["blur"].rot90(n, (1, 2)), cut["blur"]))
        assert torch.equal(cut["sharp"], -cut["blur"])
        seen.add(count)
    assert seen == {0, 1, 2, 3}


def test_progressive_crops_go_on_in_the_sequence_of_pairs() -> None:
    config = ModelConfig(steps=1, batch_size=9, crops=(4, 8), batches=(3, 2))
    steps = plan(config, (Stage("a", 1, ()), Stage("b", 5, ())), 6)
    drawn = list(draws(steps, (0, 6)))
    assert [position for batch in drawn for position, _ in batch] == list(range(14))
    assert [(len(batch), batch[0][1]) for batch in drawn] == [
        *[(2, 8)],  # of one step, the parts of a stage round to the second
        *[(3, 4)] * 2,
        *[(2, 8)] * 3,
    ]
    assert list(draws(steps, (3, 6))) == drawn[3:]
    pairs = TrainingPairs(ToyPairs(), config, seed=3)
    shapes = [batch["blur"].shape for batch in batches(pairs, steps, (2, 4), 0, 1, 0)]
    assert shapes == [(3, 3, 4, 4), (2, 3, 8, 8)]
