"""The pairs that a training learns from, and those that judge it, from what the user named."""

from collections.abc import Sequence
from dataclasses import dataclass

from blurbench.datasets.dataset import BlurDataset, OnTheFlyDataset
from blurbench.datasets.pairs import Pairs
from blurbench.datasets.splits import held_out
from blurbench.errors import UserError
from blurbench.recipes.recipe import load_recipe
from blurbench.recipes.shares import shares_of
from blurbench.sources.open import open_for
from blurbench.stores.open import Place, base_name
from blurbench.training.data.several import SeveralSets, TrainingSet
from blurbench.words import counted


@dataclass(frozen=True)
class Weighted:
    """A data set among several, and its share of the samples; None: of what the others leave."""

    place: Place
    share: float | None = None

    def __str__(self) -> str:
        """As `train --data` takes it."""
        return str(self.place) if self.share is None else f"{self.place}={self.share!r}"


# One made data set; (recipe, source) to blur on the fly; or several data sets.
TrainingData = Place | tuple[str, str] | list[Weighted]
Opened = tuple[Pairs, Pairs | None]  # to learn from, and to judge by where there is such a split


def open_pairs(data: TrainingData, seed: int, hold_out: float | None = None) -> Opened:
    """The train split, and the val split where there is one, or what is held out for it."""
    if isinstance(data, list):
        return several(data, hold_out)
    pairs, validation = stored_pairs(data) if not isinstance(data, tuple) else fly(data, seed)
    if hold_out is None:
        return pairs, validation
    if validation is not None:
        raise UserError("--hold-out: this data has a val split, which judges; leave it out")
    return parted(pairs, hold_out)


def parted(pairs: Pairs, hold_out: float) -> Opened:
    """Without a share of the sources, and these alone."""
    held = held_out(pairs.groups(), hold_out)
    rest = [index for index in range(len(pairs)) if index not in held]
    return pairs.only(rest), pairs.only(sorted(held))


def stored_pairs(data: Place) -> Opened:
    """Of a made data set."""
    stored = BlurDataset(data, "train")
    return stored, stored.other("val") if "val" in stored.splits else None


def fly(data: tuple[str, str], seed: int) -> Opened:
    """Of a recipe and a source, blurred anew in every epoch."""
    recipe = load_recipe(data[0])
    source = open_for(recipe, data[1])
    pairs = OnTheFlyDataset(recipe, source, "train", seed)
    has_val = "val" in pairs.splits
    return pairs, OnTheFlyDataset(recipe, source, "val", seed) if has_val else None


def several(data: Sequence[Weighted], hold_out: float | None) -> Opened:
    """Of several sets; where some have no val split, `hold_out` is of these, or the others judge.

    UserError for shares that cannot be, and for one set twice.
    """
    try:
        shares = shares_of([each.share for each in data])
    except ValueError as error:
        raise UserError(f"--data {' --data '.join(map(str, data))}: {error}") from None
    opened = [stored_pairs(each.place) for each in data]
    _refuse_twins(data, opened)
    if hold_out is not None:
        if all(judging is not None for _, judging in opened):
            raise UserError("--hold-out: each of these has a val split, which judges; leave it out")
        opened = [each if each[1] is not None else parted(each[0], hold_out) for each in opened]
    names = [str(each.place) for each in data]
    learnt = [
        TrainingSet(name, pairs, share)
        for name, (pairs, _), share in zip(names, opened, shares, strict=True)
    ]
    judging = [
        TrainingSet(name, pairs, share)
        for name, (_, pairs), share in zip(names, opened, shares, strict=True)
        if pairs is not None
    ]
    return SeveralSets(learnt), _judges(judging)


def _judges(sets: Sequence[TrainingSet]) -> Pairs | None:
    """The val splits of several sets, by the shares that these have of the samples."""
    if len(sets) < 2:
        return sets[0].pairs if sets else None
    whole = sum(each.share for each in sets)
    return SeveralSets([TrainingSet(s.name, s.pairs, s.share / whole) for s in sets])


def _refuse_twins(data: Sequence[Weighted], opened: Sequence[Opened]) -> None:
    """UserError where two of the sets have the same pixels."""
    first: dict[str, Weighted] = {}
    for each, (pairs, _) in zip(data, opened, strict=True):
        other = first.setdefault(pairs.digest, each)
        if other is not each:
            raise UserError(
                f"--data {each.place}: has the same pairs as {other.place}; give it once, with its"
                " share"
            )


def told_of(pairs: Pairs, judging: Pairs | None, samples: int) -> list[str]:
    """A line for each of several sets, and on what a training of so many samples sees of them."""
    if not isinstance(pairs, SeveralSets):
        return []
    epochs = samples / len(pairs)
    lines = [
        f"{counted(len(pairs.sets), 'set')}: {samples:,} samples are {epochs:.3g} epochs of"
        f" {len(pairs):,}, in which every pair is seen"
    ]
    lines += [_line(each, slots) for each, slots in zip(pairs.sets, pairs.slots, strict=True)]
    for label in pairs.left_out:
        having = [base_name(each.name) for each in pairs.sets if each.pairs.has(label)]
        if having:
            lines.append(f"  {label}: of {' and '.join(having)} alone, and left out")
    if judging is not None and (twice := judging.sources() & pairs.sources()):
        lines.append(
            f"  warning: {counted(len(twice), 'sharp source')} of what judges is trained on, too:"
            " the best weights are chosen by pictures that they have learnt"
        )
    return lines


def _line(each: TrainingSet, slots: int) -> str:
    count = len(each.pairs)
    least = slots // count
    times = f"{least}" if slots % count == 0 else f"{least} or {least + 1}"
    judges = "" if "val" in each.pairs.splits else "; no val split"
    return (
        f"  {base_name(each.name)} (recipe {each.pairs.recipe_name}, {each.pairs.digest[:8]}):"
        f" {counted(count, 'pair')}, {each.share:.3g} of the samples, each"
        f" {'once' if times == '1' else f'{times} times'} an epoch{judges}"
    )
