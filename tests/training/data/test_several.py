"""Balanced epochs keep the shares and show every pair; which one, the position alone decides."""

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import ToyPairs

from blurbench.errors import UserError
from blurbench.models.base import ModelConfig, Stage
from blurbench.training.batches import TrainingPairs, batches
from blurbench.training.data.several import SeveralSets, TrainingSet, slots_of
from blurbench.training.schedule import plan

CONFIG = ModelConfig(steps=1, batch_size=4, crop_size=None, flip=False)


class Named(ToyPairs):
    """Pairs that say which they are, and in which pass they were asked for."""

    recipe_name, splits = "toy", ("train",)

    def __init__(self, name: str, count: int, labels: tuple[str, ...] = ()) -> None:
        super().__init__(count, 8)
        self.name, self.digest, self.labels = name, f"digest of {name}", labels

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        labels = {label: torch.zeros(1, 8, 8) for label in self.labels}
        return {**self[index], **labels, "id": f"{self.name}{index}", "pass": epoch}

    def has(self, label: str) -> bool:
        return label in self.labels

    def captions(self) -> list[list[str]]:
        return [[f"{self.name}{index}"] for index in range(len(self))]

    def groups(self) -> list[str]:
        return [f"{self.name}{index // 2}" for index in range(len(self))]

    def sources(self) -> set[str]:
        return {f"{self.name}{index}" for index in range(len(self))}

    def sizes(self) -> set[tuple[int, int]] | None:
        return {(8, len(self))}


def mixed(*counts_and_shares: tuple[int, float], labels: dict[str, Any] | None = None) -> Any:
    sets = [
        TrainingSet(name, Named(name, count, (labels or {}).get(name, ())), share)  # type: ignore[arg-type]
        for name, (count, share) in zip("abcdef", counts_and_shares, strict=False)
    ]
    return SeveralSets(sets)


SETS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 20)), min_size=2, max_size=5).map(
    lambda each: [(count, weight / sum(w for _, w in each)) for count, weight in each]
)


@settings(deadline=None)
@given(SETS, st.integers(0, 5))
def test_an_epoch_keeps_the_shares_and_shows_every_pair(
    given_sets: list[tuple[int, float]], epoch: int
) -> None:
    several = mixed(*given_sets)
    seen = Counter(several.sample(index, epoch)["id"] for index in range(len(several)))
    for name, (count, share) in zip("abcdef", given_sets, strict=False):
        times = [seen[f"{name}{index}"] for index in range(count)]
        assert min(times) >= 1
        assert max(times) - min(times) <= 1
        # Rounding moves each set by half a sample at the most.
        assert abs(sum(times) - share * len(several)) <= 0.5 + share * len(given_sets) / 2
    assert sum(seen.values()) == len(several)


@settings(deadline=None, max_examples=30)
@given(SETS)
def test_over_epochs_no_pair_of_a_set_falls_behind(given_sets: list[tuple[int, float]]) -> None:
    several = mixed(*given_sets)
    seen = Counter(
        several.sample(index, epoch)["id"] for epoch in range(4) for index in range(len(several))
    )
    for name, (count, _) in zip("abcdef", given_sets, strict=False):
        times = [seen[f"{name}{index}"] for index in range(count)]
        assert max(times) - min(times) <= 1


@settings(deadline=None, max_examples=50)
@given(SETS)
def test_no_shorter_epoch_would_do(given_sets: list[tuple[int, float]]) -> None:
    counts, shares = zip(*given_sets, strict=True)
    slots = slots_of(counts, shares)
    # Some set is seen exactly once: with fewer samples a pair of it would be missing.
    assert any(slot == count for slot, count in zip(slots, counts, strict=True))


def test_a_pass_over_a_small_set_is_an_epoch_of_it() -> None:
    """On the fly it is blurred anew."""
    several = mixed((10, 0.5), (4, 0.5))
    of_small = [several.sample(i, e) for e in range(2) for i in range(10, 20)]
    assert [each["id"] for each in of_small] == [f"b{n % 4}" for n in range(20)]
    assert [each["pass"] for each in of_small] == [n // 4 for n in range(20)]


def test_batches_are_a_function_of_seed_and_step_for_any_number_of_processes() -> None:
    def stream(first: int, rank: int = 0, ranks: int = 1, seed: int = 3) -> list[torch.Tensor]:
        pairs = TrainingPairs(mixed((10, 0.7), (3, 0.3)), CONFIG, seed=seed)
        steps = plan(CONFIG, (Stage("one", 1, ()),), 12)
        return [each["sharp"] for each in batches(pairs, steps, (first, 12), rank, ranks, 0)]

    whole = stream(0)
    assert all(torch.equal(a, b) for a, b in zip(whole[7:], stream(7), strict=True))
    for batch, even, odd in zip(whole, stream(0, 0, 2), stream(0, 1, 2), strict=True):
        assert torch.equal(batch[0::2], even)
        assert torch.equal(batch[1::2], odd)
    assert not torch.equal(whole[0], stream(0, seed=4)[0])


def test_labels_that_some_set_lacks_are_left_out() -> None:
    several = mixed((2, 0.5), (2, 0.5), labels={"a": ("mask",)})
    assert several.left_out == ["mask", "captions"]
    assert not any("mask" in several[index] for index in range(len(several)))
    both = mixed((2, 0.5), (2, 0.5), labels={"a": ("mask",), "b": ("mask",)})
    assert both.has("mask")
    assert all("mask" in both[index] for index in range(len(both)))


def test_what_several_sets_say_of_themselves() -> None:
    several = mixed((4, 0.8), (2, 0.2))
    assert len(several) == 10
    assert several.recipe_name == "0.8 toy + 0.2 toy"
    assert several.captions() == [["a0"], ["a1"], ["a2"], ["a3"], ["b0"], ["b1"]]
    assert several.sources() == {"a0", "a1", "a2", "a3", "b0", "b1"}
    assert several.groups() == ["a0", "a0", "a1", "a1", "a0", "a0", "a1", "a1", "b0", "b0"]
    assert several.sizes() == {(8, 4), (8, 2)}
    assert [each["pairs"] for each in several.on_record] == [4, 2]
    few = several.only([8, 1])
    assert [few[index]["id"] for index in range(len(few))] == ["b0", "a1"]
    digests = {mixed(*each).digest for each in ([(4, 0.8), (2, 0.2)], [(4, 0.7), (2, 0.3)])}
    assert len(digests | {several.digest}) == 2


def test_a_share_that_makes_an_endless_epoch_is_refused() -> None:
    with pytest.raises(UserError, match=r"^b: with a share of 1e-09 .* give it a larger one"):
        mixed((4, 1 - 1e-9), (2, 1e-9))
