"""The S3-tree: seven nodes that part what a ResNet saw, each told apart by a class of its own.

Chen et al., Semantic-aware Image Deblurring, 2019, section 3.1.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.captions.trees import ENTITIES, NODES
from blurbench.captions.vocabulary import NULL

# Node <- its two children, in the order in which they can be computed. The condition of eq. 2 has 4
# combine 6 with 7, against Fig. 3, whose tree is this one.
RELATIONS = ((1, (0, 2)), (5, (4, 6)), (3, (1, 5)))


class Read(NamedTuple):
    """What the tree makes of a picture."""

    maps: Tensor  # H: (N, 7, c', h, w)
    logits: list[Tensor]  # of each node (N, entities) or (N, relations)

    def labels(self) -> list[Tensor]:
        """y: each node's distribution."""
        return [logits.softmax(1) for logits in self.logits]


class S3Tree(nn.Module):
    """Decoupling into four entities, combining into three relations, classifying all."""

    def __init__(
        self, channels: int, width: int, entities: int, relations: int, kernel: int = 3
    ) -> None:
        """`channels` of V, `width` c' of each node; classes with null."""
        super().__init__()

        def convolution(inner: int) -> nn.Module:
            return nn.Sequential(nn.Conv2d(inner, width, kernel, padding=kernel // 2), nn.ReLU())

        # One nonlinearity after the sum: eqs. 1 and 2 have one inside, for every pair of channels.
        self.decouple = nn.ModuleList(convolution(channels) for _ in ENTITIES)
        self.combine = nn.ModuleList(convolution(2 * width) for _ in RELATIONS)
        sizes = [entities if node in ENTITIES else relations for node in range(len(NODES))]
        self.classify = nn.ModuleList(nn.Linear(width, size) for size in sizes)

    def forward(self, v: Tensor) -> Read:
        """V (N, channels, h, w) -> maps of the seven nodes, and their logits."""
        # Places to fill: entities first, since relations are made of them.
        maps: list[Tensor] = [v] * len(NODES)
        for node, convolution in zip(ENTITIES, self.decouple, strict=True):
            maps[node] = convolution(v)
        for (node, (left, right)), convolution in zip(RELATIONS, self.combine, strict=True):
            maps[node] = convolution(torch.cat([maps[left], maps[right]], 1))
        pairs = zip(self.classify, maps, strict=True)
        return Read(torch.stack(maps, 1), [fc(h.mean((2, 3))) for fc, h in pairs])


def tree_losses(logits: list[Tensor], wanted: Tensor) -> Tensor:
    """Eq. 3: cross entropy summed over the nodes; `wanted` (N, 7) classes -> (N,)."""
    losses = [
        F.cross_entropy(each.float(), classes, reduction="none")
        for each, classes in zip(logits, wanted.unbind(1), strict=True)
    ]
    return torch.stack(losses).sum(0)


class Hits(NamedTuple):
    """Right answers and questions of one node."""

    right: int
    asked: int
    right_words: int  # of nodes whose label is a word, the likeliest word
    asked_words: int


def hits(logits: list[Tensor], wanted: Tensor) -> list[Hits]:
    """How many labels of `wanted` (N, 7) each node gets right, with null and among words alone."""
    found = []
    for each, classes in zip(logits, wanted.unbind(1), strict=True):
        words = classes != NULL
        right = each.argmax(1) == classes
        likeliest = each[:, NULL + 1 :].argmax(1) + NULL + 1
        right_words = (likeliest == classes) & words
        counts = (right.sum(), torch.tensor(len(classes)), right_words.sum(), words.sum())
        found.append(Hits(*(int(count) for count in counts)))
    return found
