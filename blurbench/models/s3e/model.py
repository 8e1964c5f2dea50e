"""S3E-Deblur: DeblurGAN told what a tree of a caption's words sees in the whole blurred picture.

Chen et al., Semantic-aware Image Deblurring, 2019; published without code.
"""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from blurbench.captions.trees import NODES
from blurbench.models.base import Batch, Losses, Maps, Reader, Stage, Update, signed
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
from blurbench.models.s3e.tree import Read, S3Tree, tree_losses


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
        return replace(reader, pairs=True)

    def restore(self, blur: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], sides multiples of 8: whole pictures -> the same shape."""
        if self.config.test_dropout:
            return with_dropout(self.generator, self.generate, blur)
        return self.generate(blur)

    def generate(self, blur: Tensor) -> Tensor:
        """The generator on whole pictures in [0, 1]."""
        read = self.read(self.see(squared(blur, self.config.side)))
        out: Tensor = (self.generator(signed(blur), read.maps) + 1) / 2
        return out

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """What restores: the ResNet, the tree, the generator."""
        return (self.resnet, self.tree, self.generator)

    def prepare(self) -> None:
        """The ResNet's weights, and VGG19 of the content loss."""
        Captioned.prepare(self)
        DeblurGAN.prepare(self)

    def stages(self) -> tuple[Stage, ...]:
        """The tree alone; then steps of the critic, and one of all the others, on each batch."""
        c = self.config
        alone = Update("tree", (self.tree,), self.tree_losses, c.rate, (c.beta1, 0.999))
        (gan,) = super().stages()
        critic, generator = gan.updates
        # Without co-training the captioner still learns, beside the frozen tree.
        learning = [self.generator, self.captioner, *([self.tree] if c.co_train else [])]
        both = replace(generator, modules=tuple(learning))
        return (
            Stage("tree", c.pretraining, (alone,), beside=True),
            Stage("gan", 1 - c.pretraining, (critic, both)),
        )

    def tree_losses(self, batch: Batch) -> Losses:
        """Of the nodes' classes, while the tree learns alone."""
        read = self.read(self.see(batch["whole"]))
        return {"loss": tree_losses(read.logits, batch["classes"]).mean()}

    def restored(self, batch: Batch) -> Tensor:
        """The generator's output in [-1, 1]."""
        return self.guided(batch, self.read(self.see(batch["whole"])))

    def guided(self, batch: Batch, read: Read) -> Tensor:
        """The generator on crops, told what the tree read in whole pictures; in [-1, 1]."""
        out: Tensor = self.generator(signed(batch["blur"]), read.maps, batch["place"])
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
