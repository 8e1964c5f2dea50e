"""Settings of the Semantic Prior, and the presets of its tables."""

from typing import Any, Literal

from pydantic import Field, model_validator

from blurbench.models.base import ModelConfig
from blurbench.models.parts.small import PHOTOS

Backbone = Literal["unet", "deepdeblur", "mprnet", "mimo-unet", "mimo-unet-plus", "mssnet"]
Reading = Literal["mean", "printed", "reviewkd"]
# Teacher -> channels of its maps at strides 4, 8, 16.
CHANNELS: dict[str, tuple[int, ...]] = {
    "tresnet_l": (76, 152, 1216),
    "tf_efficientnet_lite0": (24, 40, 112),
    "resnet18": (64, 128, 256),
    "resnet50": (256, 512, 1024),
    "deeplabv3_resnet101": (256, 512, 1024),
}


class SPConfig(ModelConfig):
    """Backbone, student, teacher and losses; rate and schedule are those of the backbone."""

    # A quarter of an eighth, the coarsest thing that the prior's loss compares, must be a pixel.
    crop_size: int | None = Field(None, ge=32, le=4096, description="training crop in px")
    backbone: Backbone = "unet"
    backbone_preset: str = Field("paper", description="preset of the backbone, for its network")
    backbone_scale: float = Field(1.0, gt=0, le=8, description="times its channels")
    reconstruction: Literal["paper", "backbone"] = Field(
        "paper", description="L1 and the perceptual loss, or the backbone's own"
    )
    perceptual_weight: float = Field(0.01, ge=0, description="alpha of eq. 7; 0: no VGG19")
    perceptual_weights: str = Field("imagenet", description="imagenet, random, or a file")

    prior: Literal["features", "probabilities", "one-hot"] = Field(
        "features", description="of three levels, or one map of classes"
    )
    student_widths: tuple[int, int, int] = Field((64, 128, 256), description="of each level")
    student_blocks: int = Field(2, gt=0, description="residual blocks on each level")
    cross_level: bool = Field(True, description="CLC, eq. 3")
    aggregation: bool = Field(True, description="MLA, eq. 5")
    embedding: Literal["attention", "add", "concat", "off"] = Field(
        "attention", description="SAT, eq. 6, or less; off: the backbone alone"
    )

    prior_weight: float = Field(0.1, ge=0, description="beta of eq. 7; 0: no teacher")
    hcl: Reading = Field("mean", description="reading of the hierarchical context loss, eq. 2")
    teacher: str = Field("tresnet_l", description="a network of torchvision or timm")
    teacher_weights: str = Field("published", description="published, random, or a file")
    teacher_channels: tuple[int, ...] = Field(
        CHANNELS["tresnet_l"],
        description="of its maps at strides 4, 8, 16; or its number of classes",
    )

    @model_validator(mode="before")
    @classmethod
    def _channels_follow(cls, stated: Any) -> Any:
        # `--set teacher=` changes one field of a preset, whose channels are those of its own.
        known = CHANNELS.get(str(stated.get("teacher")))
        channels = stated.get("teacher_channels", CHANNELS["tresnet_l"])
        others = isinstance(channels, tuple | list) and tuple(channels) in CHANNELS.values()
        return {**stated, "teacher_channels": known} if known and others else stated

    @model_validator(mode="after")
    def _parts_fit(self) -> "SPConfig":
        if self.embedding == "off" and self.prior_weight:
            raise ValueError("embedding=off has no student to teach: it needs prior_weight=0")
        if self.prior == "features":
            if len(self.teacher_channels) != 3:
                raise ValueError("teacher_channels needs 3 numbers, one for each level")
            return self
        if self.cross_level or self.aggregation:
            raise ValueError(f"prior={self.prior} needs cross_level=false and aggregation=false")
        if len(self.teacher_channels) != 1 or not self.prior_weight:
            raise ValueError(
                f"prior={self.prior} needs teacher_channels=CLASSES, and a prior_weight above 0"
            )
        return self


# 700 epochs of GoPro's 2,103 training pairs in batches of 10.
PAPER = SPConfig(steps=147_210, batch_size=10, crop_size=256)


def changed(**fields: Any) -> SPConfig:
    """The paper's UNet with other fields."""
    return PAPER.model_copy(update=fields)


def plugged(backbone: Backbone, batch_size: int, preset: str = "paper", **fields: Any) -> SPConfig:
    """Another backbone, trained by its own recipe for the 700 epochs of this paper."""
    return changed(
        backbone=backbone,
        backbone_preset=preset,
        reconstruction="backbone",
        batch_size=batch_size,
        steps=round(700 * 2_103 / batch_size),
        **fields,
    )


SEGMENTATION = {"teacher": "deeplabv3_resnet101", "cross_level": False, "aggregation": False}
PRESETS = {
    "paper": PAPER,
    # The loss of DeepDeblur is on [0, 255]: so is the prior's share of it.
    "paper-deepdeblur": plugged("deepdeblur", 16, prior_weight=25.5),
    "paper-deepdeblur-rb6": plugged("deepdeblur", 16, "rb6", prior_weight=25.5),
    "paper-mprnet": plugged("mprnet", 16),
    "paper-mprnet-stage1": plugged("mprnet", 16, "stage1"),
    "paper-mimo-unet": plugged("mimo-unet", 4),
    "paper-mimo-unet-plus": plugged("mimo-unet-plus", 4),
    "paper-mssnet": plugged("mssnet", 16),
    # Table 4; net6 is the whole of it.
    "net0": changed(embedding="off", cross_level=False, aggregation=False, prior_weight=0.0),
    # As many parameters as net6, to 0.05 %: not in the paper, whose net0 has 41 % fewer.
    "net0wide": changed(
        embedding="off",
        cross_level=False,
        aggregation=False,
        prior_weight=0.0,
        backbone_scale=1.304,
    ),
    "net0star": changed(prior_weight=0.0),
    "net1": changed(embedding="add", cross_level=False, aggregation=False),
    "net2": changed(embedding="concat", cross_level=False, aggregation=False),
    "net3": changed(cross_level=False, aggregation=False),
    "net4": changed(aggregation=False),
    "net5": changed(cross_level=False),
    "net6": PAPER,
    # Fig. 7: a segmentation network as the teacher of one map, and of features.
    "prior-onehot": changed(prior="one-hot", teacher_channels=(21,), **SEGMENTATION),
    "prior-probabilities": changed(prior="probabilities", teacher_channels=(21,), **SEGMENTATION),
    "prior-segmentation": changed(teacher="deeplabv3_resnet101", teacher_channels=(256, 512, 1024)),
    "hcl-printed": changed(hcl="printed"),
    "hcl-reviewkd": changed(hcl="reviewkd"),
    # 20 minutes of one core, and no file of weights.
    "tiny": SPConfig(
        steps=2_000,
        batch_size=4,
        crop_size=128,
        precision="auto",
        ema=0.99,
        backbone_preset="tiny",
        perceptual_weight=0.0,
        student_widths=(8, 16, 32),
        student_blocks=1,
        teacher="resnet18",
        teacher_weights="random",
        teacher_channels=(64, 128, 256),
    ),
    # An hour and a half of one core. The student is as wide as the backbone's finest levels, as in
    # the paper. Its teacher is untrained, and needs no file, unless teacher_weights=published.
    "small": SPConfig(
        **PHOTOS,
        steps=5_000,
        backbone_preset="small",
        perceptual_weight=0.0,
        student_widths=(16, 32, 64),
        student_blocks=1,
        teacher="tf_efficientnet_lite0",
        teacher_weights="random",
    ),
}
