"""Several training sets as one, in epochs that show every pair and keep each set's share."""

import json
from bisect import bisect_right
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from torch.utils.data import Dataset

from blurbench.datasets.pairs import Pairs
from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.runs.folder import SetOfRun
from blurbench.sources.open import in_order

LABELS = ("mask", "captions")  # of an item, where its data set has them
MOST = 2**24  # pairs of an epoch: their order is drawn at once, which takes 8 bytes a pair


@dataclass(frozen=True)
class TrainingSet:
    """One of several sets, and its share of the samples."""

    name: str  # for messages
    pairs: Pairs
    share: float  # above 0, below 1


class SeveralSets(Dataset[dict[str, Any]]):
    """The pairs of several sets; an epoch shows every pair, and of each set as many as its share.

    A set that is too small for its share is gone through again within the epoch; where that ends
    in the middle, the next epoch goes on from there. So of one set no pair is ever shown more than
    once more than another. Labels that some set lacks are left out.
    """

    def __init__(self, sets: Sequence[TrainingSet]) -> None:
        """UserError where an epoch would be too long, for a share that is too small."""
        self.sets = tuple(sets)
        self.slots = slots_of([len(each.pairs) for each in sets], [each.share for each in sets])
        if sum(self.slots) > MOST:
            least = max(sets, key=lambda each: len(each.pairs) / each.share)
            raise UserError(
                f"{least.name}: with a share of {least.share:g} an epoch that shows all of its"
                f" {len(least.pairs):,} pairs has {sum(self.slots):,}; give it a larger one"
            )
        self.left_out = [label for label in LABELS if not self.has(label)]
        self._ends = list(accumulate(self.slots))
        self._chosen: Sequence[int] = range(self._ends[-1])

    @property
    def splits(self) -> Sequence[str]:
        """Every split that some set has."""
        return in_order({split for each in self.sets for split in each.pairs.splits})

    @property
    def digest(self) -> str:
        """Stands for the digests and shares of the sets, in their order."""
        told = [[each.pairs.digest, each.share] for each in self.sets]
        return "sets:" + sha256(json.dumps(told).encode())

    @property
    def recipe_name(self) -> str:
        """Those of the sets with their shares, such as "0.7 sev-gopro + 0.3 concert"."""
        return " + ".join(f"{each.share:g} {each.pairs.recipe_name}" for each in self.sets)

    @property
    def on_record(self) -> list[SetOfRun]:
        """What config.json tells of each set."""
        return [
            {
                "digest": each.pairs.digest,
                "recipe": each.pairs.recipe_name,
                "share": each.share,
                "pairs": len(each.pairs),
            }
            for each in self.sets
        ]

    def __len__(self) -> int:
        """Number of samples in one epoch: at least the pairs of all sets."""
        return len(self._chosen)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Item `index` as the first epoch shows it."""
        return self.sample(index, 0)

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        """Item `index` as this epoch shows it; a pass over a set is an epoch of that set."""
        number, turn, place = self.place(index, epoch)
        item = self.sets[number].pairs.sample(place, turn)
        return {name: value for name, value in item.items() if name not in self.left_out}

    def place(self, index: int, epoch: int) -> tuple[int, int, int]:
        """Which set item `index` is of, in which pass over that set, and which of its pairs."""
        slot = self._chosen[index]
        number = bisect_right(self._ends, slot)
        first = self._ends[number] - self.slots[number]
        shown = epoch * self.slots[number] + slot - first
        return number, *divmod(shown, len(self.sets[number].pairs))

    def has(self, label: str) -> bool:
        """Whether every pair of every set carries this label."""
        return all(each.pairs.has(label) for each in self.sets)

    def captions(self) -> list[list[str]]:
        """The sentences of each pair of each set, once each."""
        return [sentences for each in self.sets for sentences in each.pairs.captions()]

    def sources(self) -> set[str]:
        """SHA-256 of the file of each sharp picture of all sets."""
        return set[str]().union(*(each.pairs.sources() for each in self.sets))

    def groups(self) -> list[str]:
        """Of each item what it must not be parted from within its set."""
        of_set = [each.pairs.groups() for each in self.sets]
        places = (self.place(index, 0) for index in range(len(self)))
        return [of_set[number][place] for number, _, place in places]

    def only(self, indices: Sequence[int]) -> "SeveralSets":
        """These items alone, in this order."""
        other = copy(self)
        other._chosen = [self._chosen[index] for index in indices]
        return other

    def sizes(self) -> set[tuple[int, int]] | None:
        """(H, W) in px of the pairs; None where a set does not know."""
        found = [each.pairs.sizes() for each in self.sets]
        return None if None in found else set().union(*filter(None, found))


def slots_of(counts: Sequence[int], shares: Sequence[float]) -> tuple[int, ...]:
    """Samples of each set in the shortest epoch that has the shares and shows every pair."""
    length = max(count / share for count, share in zip(counts, shares, strict=True))
    # Its floats may round a product below the count that it came from.
    return tuple(
        max(count, round(length * share)) for count, share in zip(counts, shares, strict=True)
    )
