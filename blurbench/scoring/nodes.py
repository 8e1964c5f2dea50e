"""How often the nodes of an S3-tree are right, beside always saying the commonest label."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from blurbench.captions.trees import NODES
from blurbench.captions.vocabulary import NULL
from blurbench.datasets.dataset import BlurDataset
from blurbench.errors import UserError
from blurbench.images import to_float
from blurbench.models.captioners.resnet import squared
from blurbench.models.s3e.tree import hits
from blurbench.runs.load import load_run
from blurbench.runs.trained import TrainedModel
from blurbench.stores.open import Place
from blurbench.tables import as_table


@runtime_checkable
class SeesTrees(Protocol):
    """A model that reads the labels of an S3-tree out of a picture, whoever wrote it."""

    INPUT: ClassVar[str]
    config: Any

    def see(self, picture: Tensor) -> Any:
        """What it makes of a picture, (N, 3, side, side) in [0, 1]."""

    def read(self, v: Any) -> Any:
        """What it says of that: `logits`, (N, labels) of each node."""

    def known(self) -> Any:
        """The words behind the labels."""


@dataclass(frozen=True)
class NodeAccuracy:
    """Shares of right labels of one node, 0 to 1, over all captions of a split."""

    node: str
    labels: int  # with null
    accuracy: float  # of the likeliest label
    majority: float  # of the training split's commonest label
    words: int  # labels that are not null
    word_accuracy: float | None  # among those, of the likeliest word
    word_majority: float | None  # of the training split's commonest word


def node_accuracy(model: TrainedModel, split: str, data: BlurDataset) -> list[NodeAccuracy]:
    """Of one split of a data set, against the commonest labels of `data`, its training split."""
    network = model.model
    assert isinstance(network, SeesTrees)
    tested = data if split == data.split else data.other(split)
    common = [Counter(column) for column in zip(*classes_of(network, data), strict=True)]
    counts = np.zeros((len(NODES), 4), np.int64)
    majority = np.zeros((len(NODES), 2), np.int64)
    for row in tested.rows:
        image = torch.from_numpy(to_float(tested.picture(row, network.INPUT)))[None]
        with torch.no_grad():
            v = network.see(squared(image.to(model.device), network.config.side))
            read = network.read(v)
        wanted = torch.stack([network.known().classes(text) for text in row["captions"]])
        # One look at the picture for all its captions.
        logits = [each.expand(len(wanted), -1).cpu() for each in read.logits]
        counts += np.array(hits(logits, wanted))
        for node, count in enumerate(common):
            majority[node] += said_always(count, wanted[:, node].tolist())
    return [
        NodeAccuracy(
            name,
            int(asked),
            right / asked,
            often[0] / asked,
            int(words),
            right_words / words if words else None,
            often[1] / words if words else None,
        )
        for name, (right, asked, right_words, words), often in zip(
            NODES, counts.tolist(), majority.tolist(), strict=True
        )
    ]


def of_run(
    run: Path, data: Place, split: str = "test", device: str | None = None
) -> list[NodeAccuracy]:
    """`node_accuracy` of a run; UserError where it has no tree, or the data set no captions."""
    model, training = load_run(run, device), BlurDataset(data, "train")
    if not isinstance(model.model, SeesTrees):
        raise UserError(f"{run}: {model.name} has no tree; s3e, s3e-imc and vp-tree have one")
    if not training.has("captions"):
        raise UserError(f"{training.place}: this data set has no captions")
    return node_accuracy(model, split, training)


def as_text(rows: list[NodeAccuracy]) -> str:
    """One line a node, in percent."""
    lines = [
        {
            "node": row.node,
            "labels": str(row.labels),
            "right": _percent(row.accuracy),
            "commonest": _percent(row.majority),
            "words": str(row.words),
            "words right": _percent(row.word_accuracy),
            "commonest word": _percent(row.word_majority),
        }
        for row in rows
    ]
    return as_table(lines, right=lines[0].keys() - {"node"})


def _percent(share: float | None) -> str:
    return "n/a" if share is None else f"{100 * share:.1f}"


def classes_of(network: SeesTrees, data: BlurDataset) -> list[list[int]]:
    """The seven labels of every caption."""
    return [network.known().classes(text).tolist() for each in data.captions() for text in each]


def said_always(count: Counter[int], wanted: list[int]) -> tuple[int, int]:
    """Right answers of the commonest label, and of the commonest word."""
    label = count.most_common(1)[0][0]
    words = [each for each, _ in count.most_common() if each != NULL][:1]
    return wanted.count(label), sum(wanted.count(word) for word in words)
