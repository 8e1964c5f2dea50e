"""True labels in place of the tree: what the generator gains by knowing what a picture shows.

Not in the paper, whose nodes are the tree's. An oracle bounds what the embedding can carry;
shuffled labels are as many and as common, and tell nothing of their picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from blurbench.captions.trees import ENTITIES, NODES
from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.models.base import Batch, Labels, Reader
from blurbench.models.captioners.language import Language, Trees


class LabelNodes(nn.Module):
    """A vector for each label of each node: the tree's classifiers turned around."""

    def __init__(self, width: int, entities: int, relations: int) -> None:
        """`width` c' of each node; classes with null."""
        super().__init__()
        sizes = [entities if node in ENTITIES else relations for node in range(len(NODES))]
        found = [nn.Linear(size, width, bias=False) for size in sizes]
        for vectors in found:
            nn.init.normal_(vectors.weight)  # as vectors of words
        self.vectors = nn.ModuleList(found)

    def forward(self, shares: Tensor, maps: Tensor) -> Tensor:
        """Shares of labels (N, 7, L) -> (N, 7, c', h, w) as the tree's `maps`, alike everywhere."""
        found = [fc(shares[:, node, : fc.in_features]) for node, fc in enumerate(self.vectors)]
        return torch.stack(found, 1)[..., None, None].expand_as(maps)


@dataclass(frozen=True)
class TrueLabels:
    """The labels of a picture's captions, or those of another picture, the same each time."""

    language: Language
    size: int  # L, the most labels of a node
    shuffled: bool = False

    def __call__(self, item: Labels) -> Tensor:
        """`id` and `captions` of a picture -> each label's share of its captions, (7, L).

        That is what the tree would say if it were never wrong: it learns from one caption an epoch.
        """
        trees = labels_of(self.language, item["captions"])
        if self.shuffled:
            trees = another(item["id"], trees, self.language.pictures)
        shares = torch.zeros(len(NODES), self.size)
        for tree in trees:
            shares[range(len(NODES)), tree] += 1 / len(trees)
        return shares


def labels_of(language: Language, captions: Sequence[str]) -> Trees:
    """The seven labels of each caption, in an order that is not theirs."""
    return tuple(sorted(tuple(language.classes(text).tolist()) for text in captions))


def another(id: str, own: Trees, pictures: Sequence[Trees]) -> Trees:
    """The labels of a training picture that a hash of `id` picks, never the same as its own."""
    first = int(sha256(id.encode())[:12], 16)
    for step in range(len(pictures)):
        found = pictures[(first + step) % len(pictures)]
        if set(found) != set(own):
            return found
    raise UserError("nodes=shuffled: the captions of the training split are all alike")


@dataclass(frozen=True)
class LabelledReader:
    """What another reader makes of a pair, with the shares of its labels."""

    reader: Reader
    labels: TrueLabels

    def __call__(
        self, sample: dict[str, Any], epoch: int, rng: np.random.Generator
    ) -> tuple[Batch, Batch]:
        """The pictures to crop, and the labels."""
        pictures, labels = self.reader(sample, epoch, rng)
        return pictures, {**labels, "shares": self.labels(sample)}
