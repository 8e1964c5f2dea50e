"""Settings of S3E-Deblur."""

from typing import Literal

from pydantic import Field

from blurbench.models.captioners.base import CaptionConfig
from blurbench.models.captioners.models import SEEING
from blurbench.models.deblurgan import DeblurGAN, DeblurGANConfig
from blurbench.models.s3e.generator import Place


class TreeConfig(CaptionConfig):
    """The S3-tree, and how it is trained beside captions."""

    node_width: int = Field(128, gt=0, description="c', channels of each node")
    pretraining: float = Field(
        0.1, ge=0, lt=1, description="share of the steps in which the tree learns alone"
    )
    co_train: bool = Field(True, description="the tree goes on learning after them")
    caption_weight: float = Field(5e-3, gt=0, description="of the captions' loss, eq. 9")
    tree_weight: float = Field(10.0, gt=0, description="of the tree's loss, eq. 9")


class S3EConfig(DeblurGANConfig, TreeConfig):
    """DeblurGAN's and the tree's, and how the one is told of the other."""

    nodes: Literal["tree", "zero", "oracle", "shuffled"] = Field(
        "tree", description="what the generator is told; oracle: the captions' own labels"
    )
    embed_at: Place = Field("last_conv", description="where the nodes enter the generator")
    skips: bool = Field(False, description="add each scale's features on the way up")


# The paper's 300 epochs of our 11,000 training pairs one by one, and 30 for the tree alone.
PAPER = S3EConfig(steps=3_630_000, batch_size=1, crop_size=256, pretraining=1 / 11)
# DeblurGAN's `small`, for as many steps after a quarter of them for the tree; widths as of
# s3e-imc's `small`, from whose run the tree can be taken.
SMALL = S3EConfig(
    **DeblurGAN.PRESETS["small"].model_dump(exclude={"steps"}),
    **SEEING,
    steps=DeblurGAN.PRESETS["small"].steps * 5 // 4,
    pretraining=0.2,
    node_width=64,
)
TINY = S3EConfig(
    steps=1_000,
    batch_size=8,
    crop_size=64,
    precision="auto",
    width=16,
    blocks=3,
    dropout=0.0,
    test_dropout=False,
    critic_steps=1,
    perceptual_weight=0.0,
    l1_weight=100.0,
    rate=1e-3,
    resnet="resnet18",
    resnet_weights="random",
    side=128,
    words=1_000,
    word_count=2,
    entities=200,
    relations=60,
    node_width=64,
    language_width=64,
    beams=3,
    pretraining=0.4,
)
