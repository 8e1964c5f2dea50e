"""Captions from the nodes of a tree: S3E-Deblur's captioner by itself, and the VP-tree."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from blurbench.captions.trees import ENTITIES
from blurbench.models.base import Batch, Losses, Maps, Stage, Update
from blurbench.models.captioners.base import Captioner, CaptionerConfig
from blurbench.models.captioners.decoders import Decoder, NodeDecoder, State
from blurbench.models.captioners.models import SMALL, TINY
from blurbench.models.captioners.resnet import squared
from blurbench.models.parts.schedules import falling
from blurbench.models.s3e.config import TreeConfig
from blurbench.models.s3e.explain import explained
from blurbench.models.s3e.tree import Read, S3Tree, tree_losses


class LabelCaptioner(nn.Module):
    """ImC: an LSTM that attends to the nodes' distributions over their labels (section 3.3)."""

    def __init__(
        self, words: int, channels: int, entities: int, relations: int, width: int, dropout: float
    ) -> None:
        """`channels` of V."""
        super().__init__()
        self.entities = nn.Linear(entities, width, bias=False)
        self.relations = nn.Linear(relations, width, bias=False)
        # As the vectors of words. Linear's own is 16 times too quiet beside them: after 1,500 steps
        # on 50 pictures, CIDEr on these is 0.98 with it and 1.34 so.
        for vectors in (self.entities, self.relations):
            nn.init.normal_(vectors.weight)
        self.decoder = NodeDecoder(words, channels, width, dropout)

    def begin(self, v: Tensor, read: Read) -> State:
        """V and the nodes -> the decoder's state before the first word."""
        slots = [
            self.entities(y) if node in ENTITIES else self.relations(y)
            for node, y in enumerate(read.labels())
        ]
        return self.decoder.begin(v.mean((2, 3)), torch.stack(slots, 1))


class VectorCaptioner(nn.Module):
    """An LSTM that attends to the nodes themselves, each a vector."""

    def __init__(
        self, words: int, channels: int, node_width: int, width: int, dropout: float
    ) -> None:
        """`channels` of V."""
        super().__init__()
        self.nodes = nn.Linear(node_width, width)
        self.decoder = NodeDecoder(words, channels, width, dropout)

    def begin(self, v: Tensor, read: Read) -> State:
        """V and the nodes -> the decoder's state before the first word."""
        return self.decoder.begin(v.mean((2, 3)), self.nodes(read.maps.mean((3, 4))))


class TreeCaptionerConfig(CaptionerConfig, TreeConfig):
    """A captioner's, and the tree's."""


class TreeCaptioner(Captioner):
    """A tree and the captioner that attends to it."""

    Config = TreeCaptionerConfig
    config: TreeCaptionerConfig
    tree: S3Tree
    writer: LabelCaptioner | VectorCaptioner

    @property
    def decoder(self) -> Decoder:
        """What writes."""
        return self.writer.decoder

    def read(self, v: Tensor) -> Read:
        """What the tree makes of V."""
        read: Read = self.tree(v)
        return read

    def begin(self, v: Tensor, regions: Tensor | None = None) -> State:  # noqa: ARG002
        """Show V and the nodes."""
        return self.writer.begin(v, self.read(v))

    def stages(self) -> tuple[Stage, ...]:
        """The tree alone; then captions, with the tree or without."""
        c = self.config
        alone = Update("tree", (self.tree,), self.tree_losses, c.rate)
        learning = (self.writer, self.tree) if c.co_train else (self.writer,)
        captions = Update(
            "captions", learning, self.losses, c.rate, schedule=falling(0.5), clip=c.clip
        )
        writing = Stage("captions", 1 - c.pretraining, (captions,))
        if not c.pretraining:
            return (writing,)
        return Stage("tree", c.pretraining, (alone,), beside=True), writing

    def tree_losses(self, batch: Batch) -> Losses:
        """Of the nodes' classes."""
        read = self.read(self.see(batch["whole"]))
        return {"loss": tree_losses(read.logits, batch["classes"]).mean()}

    def losses(self, batch: Batch) -> Losses:
        """Of words and nodes, as in eq. 9."""
        c, v = self.config, self.see(batch["whole"])
        read = self.read(v)
        words = self.caption_losses(batch, self.writer.begin(v, read))
        nodes = tree_losses(read.logits, batch["classes"]).mean()
        loss = c.caption_weight * words + c.tree_weight * nodes
        return {"loss": loss, "captions": words, "tree": nodes}

    @torch.no_grad()
    def explain(self, blur: Tensor) -> Maps:
        """What the nodes see, with their likeliest labels and a caption; and beside the ResNet."""
        v = self.see(squared(blur, self.config.side))
        return explained(self, self.read(v), v, blur)


PAPER = {"steps": 3_630_000, "batch_size": 1, "rate": 1e-4, "pretraining": 1 / 11}
PRESETS: dict[str, dict[str, Any]] = {
    "paper": PAPER,
    # The tree's stage comes on top.
    "small": {**SMALL, "steps": 1_500, "pretraining": 0.2, "node_width": 64},
    "tiny": {**TINY, "entities": 200, "relations": 60, "node_width": 16, "pretraining": 0.4},
}
make = {name: TreeCaptionerConfig(**fields) for name, fields in PRESETS.items()}


class ImC(TreeCaptioner):
    """S3E-Deblur's captioner."""

    PRESETS: ClassVar = {
        **make,
        "frozen": make["paper"].model_copy(update={"co_train": False}),
    }
    PAPER = "F. Chen et al., Semantic-aware Image Deblurring, arXiv, 2019"

    def __init__(self, config: TreeCaptionerConfig) -> None:
        """The frozen ResNet, the S3-tree, the LSTM."""
        super().__init__(config)
        c, channels = config, self.resnet.channels
        self.tree = S3Tree(channels, c.node_width, c.entities, c.relations)
        self.writer = LabelCaptioner(
            c.words + 1, channels, c.entities, c.relations, c.language_width, c.language_dropout
        )


class VPTree(TreeCaptioner):
    """The tree with vectors for nodes: one place, the mean of V."""

    PRESETS: ClassVar = make
    PAPER = (
        "F. Chen et al., StructCap: Structured Semantic Embedding for Image Captioning, ACM"
        " Multimedia, 2017"
    )

    def __init__(self, config: TreeCaptionerConfig) -> None:
        """The frozen ResNet, a tree of fully connected layers, the LSTM."""
        super().__init__(config)
        c, channels = config, self.resnet.channels
        self.tree = S3Tree(channels, c.node_width, c.entities, c.relations, kernel=1)
        self.writer = VectorCaptioner(
            c.words + 1, channels, c.node_width, c.language_width, c.language_dropout
        )

    def read(self, v: Tensor) -> Read:
        """What the tree makes of the mean of V."""
        return super().read(v.mean((2, 3), keepdim=True))
