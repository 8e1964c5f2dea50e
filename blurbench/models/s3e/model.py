"""S3E-Deblur: DeblurGAN told what a tree of a caption's words sees in the whole blurred picture.

Chen et al., Semantic-aware Image Deblurring, 2019; published without code.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from blurbench.captions.trees import NODES
from blurbench.errors import UserError
from blurbench.models.base import (
    Batch,
    Figures,
    Labels,
    Losses,
    Maps,
    Reader,
    Stage,
    Update,
    signed,
)
from blurbench.models.captioners.base import Captioned
from blurbench.models.captioners.decoders import Decoder, State
from blurbench.models.captioners.reading import CaptionReader
from blurbench.models.captioners.resnet import frozen_trunk, squared
from blurbench.models.deblurgan import DeblurGAN
from blurbench.models.parts.dropout import with_dropout
from blurbench.models.parts.pix2pix import initialise
from blurbench.models.s3e.captioner import LabelCaptioner
from blurbench.models.s3e.config import PAPER, SMALL, TINY, S3EConfig
from blurbench.models.s3e.explain import explained
from blurbench.models.s3e.generator import GuidedGenerator
from blurbench.models.s3e.labels import LabelledReader, LabelNodes, TrueLabels, labels_of
from blurbench.models.s3e.tree import Read, S3Tree, tree_losses
from blurbench.weights.places import Needed


class S3E(Captioned, DeblurGAN):
    """Frozen ResNet, tree, captioner, generator and critic."""

    Config = S3EConfig
    PRESETS: ClassVar = {
        "paper": PAPER,
        # Without co-training: the tree stays as its first stage leaves it.
        "frozen": PAPER.model_copy(update={"co_train": False}),
        "bottleneck": PAPER.model_copy(update={"embed_at": "bottleneck"}),
        "small": SMALL,
        "small-frozen": SMALL.model_copy(update={"co_train": False}),
        "tiny": TINY,
        "tiny-frozen": TINY.model_copy(update={"co_train": False}),
    }
    PAPER = "F. Chen et al., Semantic-aware Image Deblurring, arXiv, 2019"
    LICENCE: ClassVar[str] = (
        "no public code; written from the paper. Weights of the ResNet: torchvision's terms"
    )

    config: S3EConfig

    def __init__(self, config: S3EConfig) -> None:
        """Build all networks; the ResNet is filled when training begins."""
        super().__init__(config)
        c = config
        self.generator: GuidedGenerator = GuidedGenerator(
            len(NODES) * c.node_width, c.width, c.blocks, c.dropout, c.embed_at, c.skips
        )
        initialise(self.generator)
        self.resnet = frozen_trunk(c.resnet)
        channels = self.resnet.channels
        self.tree = S3Tree(channels, c.node_width, c.entities, c.relations)
        self.captioner = LabelCaptioner(
            c.words + 1, channels, c.entities, c.relations, c.language_width, c.language_dropout
        )
        # Last, so that all arms of a study begin with the same weights.
        self.label_nodes: LabelNodes | None = None
        if c.nodes in ("oracle", "shuffled"):
            self.label_nodes = LabelNodes(c.node_width, c.entities, c.relations)
            self.restore_labels = ("captions",)

    def init_parts(self) -> tuple[nn.Module, ...]:
        """A run of `s3e-imc` has the tree, under these names."""
        parts = {"resnet": self.resnet, "tree": self.tree, "writer": self.captioner}
        return (nn.ModuleDict(parts),)

    def learn_language(self, captions: Iterable[Sequence[str]]) -> None:
        """Take the vocabularies of a training split, and its labels where they are shuffled."""
        held = [list(each) for each in captions]
        super().learn_language(held)
        if self.config.nodes == "shuffled":
            language = self.known()
            pictures = tuple(labels_of(language, each) for each in held if each)
            self.language = replace(language, pictures=pictures)

    def load_language(self, path: Path) -> None:
        """Read them; UserError where they are missing, broken, or of a run that shuffled none."""
        super().load_language(path)
        if self.config.nodes == "shuffled" and not self.known().pictures:
            raise UserError(
                f"{path}: no labels of training pictures, which nodes=shuffled needs; begin such a"
                " run without --init"
            )

    def true_labels(self) -> TrueLabels:
        """How the labels of a picture are read."""
        c = self.config
        size = max(c.entities, c.relations)
        return TrueLabels(self.known(), size, c.nodes == "shuffled")

    @property
    def decoder(self) -> Decoder:
        """What writes."""
        return self.captioner.decoder

    def read(self, v: Tensor) -> Read:
        """What the tree makes of V."""
        read: Read = self.tree(v)
        return read

    def begin(self, v: Tensor, regions: Tensor | None = None) -> State:  # noqa: ARG002
        """Show V and the labels of the nodes."""
        return self.captioner.begin(v, self.read(v))

    def reader(self) -> Reader:
        """Pairs, the whole blurred picture, and a caption."""
        reader = super().reader()
        assert isinstance(reader, CaptionReader)
        reader = replace(reader, pairs=True)
        return LabelledReader(reader, self.true_labels()) if self.label_nodes else reader

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], sides multiples of 8: whole pictures -> the same shape."""
        return self.restore_told(blur)

    def restore_labelled(self, blur: Tensor, labels: Sequence[Labels]) -> tuple[Tensor, Figures]:
        """`restore`, told the labels of each picture's captions."""
        read = self.true_labels()
        pairs = zip(torch.split(blur, 1), labels, strict=True)
        restored = [self.restore_told(one, read(each)[None].to(one)) for one, each in pairs]
        return torch.cat(restored), {}

    def restore_told(self, blur: Tensor, shares: Tensor | None = None) -> Tensor:
        """`restore`; `shares` (N, 7, L) of labels where they take the place of the tree."""
        generate = partial(self.generate, shares=shares)
        if self.config.test_dropout:
            return with_dropout(self.generator, generate, blur)
        return generate(blur)

    def compute(self, picture: Tensor) -> None:
        """`restore`, told no label."""
        c, n = self.config, len(picture)
        self.restore_told(picture, picture.new_zeros(n, len(NODES), max(c.entities, c.relations)))

    def generate(self, blur: Tensor, shares: Tensor | None = None) -> Tensor:
        """The generator on whole pictures in [0, 1]."""
        maps = self.told(self.read(self.see(squared(blur, self.config.side))), shares)
        out: Tensor = (self.generator(signed(blur), maps) + 1) / 2
        return out

    def told(self, read: Read, shares: Tensor | None) -> Tensor:
        """What the generator hears of the nodes, (N, 7, c', h, w)."""
        if self.config.nodes == "zero":
            return torch.zeros_like(read.maps)
        if self.label_nodes is None:
            return read.maps
        maps: Tensor = self.label_nodes(shares, read.maps)
        return maps

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """What restores: the ResNet, the tree, the generator; and the labels of an oracle."""
        labels = (self.label_nodes,) if self.label_nodes else ()
        return (self.resnet, self.tree, self.generator, *labels)

    def prepare(self) -> None:
        """The ResNet's weights, and VGG19 of the content loss."""
        Captioned.prepare(self)
        DeblurGAN.prepare(self)

    def files(self) -> tuple[Needed, ...]:
        """The ResNet's, and VGG19's."""
        return (*Captioned.files(self), *DeblurGAN.files(self))

    def stages(self) -> tuple[Stage, ...]:
        """The tree alone; then steps of the critic, and one of all the others, on each batch."""
        c = self.config
        alone = Update("tree", (self.tree,), self.tree_losses, c.rate, (c.beta1, 0.999))
        (gan,) = super().stages()
        critic, generator = gan.updates
        # Without co-training the captioner still learns, beside the frozen tree.
        labels = [self.label_nodes] if self.label_nodes else []
        learning = [self.generator, self.captioner, *([self.tree] if c.co_train else []), *labels]
        both = replace(generator, modules=tuple(learning))
        restoring = Stage("gan", 1 - c.pretraining, (critic, both))
        if not c.pretraining:
            return (restoring,)
        return Stage("tree", c.pretraining, (alone,), beside=True), restoring

    def tree_losses(self, batch: Batch) -> Losses:
        """Of the nodes' classes, while the tree learns alone."""
        read = self.read(self.see(batch["whole"]))
        return {"loss": tree_losses(read.logits, batch["classes"]).mean()}

    def restored(self, batch: Batch) -> Tensor:
        """The generator's output in [-1, 1]."""
        return self.guided(batch, self.read(self.see(batch["whole"])))

    def guided(self, batch: Batch, read: Read) -> Tensor:
        """The generator on crops, told of the nodes of whole pictures; in [-1, 1]."""
        maps = self.told(read, batch.get("shares"))
        out: Tensor = self.generator(signed(batch["blur"]), maps, batch["place"])
        return out

    def generator_losses(self, batch: Batch) -> Losses:
        """Eq. 9: of the restored pictures, the captions and the nodes."""
        c, v = self.config, self.see(batch["whole"])
        read = self.read(v)
        found = self.image_losses(self.guided(batch, read), signed(batch["sharp"]))
        found["captions"] = self.caption_losses(batch, self.captioner.begin(v, read))
        found["tree"] = tree_losses(read.logits, batch["classes"]).mean()
        loss = found["loss"] + c.caption_weight * found["captions"]
        return {**found, "loss": loss + c.tree_weight * found["tree"]}

    @torch.no_grad()
    def explain(self, blur: Tensor) -> Maps:
        """What the nodes see, with their likeliest labels and a caption; and beside the ResNet."""
        v = self.see(squared(blur, self.config.side))
        return explained(self, self.read(v), v, blur)
