"""The settings of UMSN, and its presets."""

from typing import Literal, Self

from pydantic import Field, model_validator

from blurbench.models.base import ModelConfig
from blurbench.models.parts.small import FACES

Four = tuple[float, float, float, float]

# `inner` of BN that brings it to the 7,615,342 parameters that UMSN's F-Nets and BN have.
INNER = {"bn": 212 / 64, "maps": 214 / 64, "nested": 214 / 64}
# The same of presets `small`: 434,982. At a sixteenth of the channels rounding leaves 0.1 to 0.5 %.
INNER_SMALL = {"bn": 3.16, "maps": 3.28, "nested": 3.28}


class BaseNetConfig(ModelConfig):
    """Width, losses and optimiser of BN, alone or in UMSN; the defaults are the released code's."""

    width: int = Field(64, ge=8, multiple_of=2, description="channels of BN")
    inner: float = Field(3, ge=1, description="channels inside BN's ResBlocks, over their outputs'")
    refine_width: int = Field(16, ge=1, description="channels that make residuals and maps")
    identity_start: bool = Field(True, description="begin by copying the input")

    half_scale_weight: float = Field(0.33, ge=0, description="weight of the half-size output")
    gradient_weights: tuple[float, float] = Field((0.15, 0.08), description="full and half size")
    loss_scale: float = Field(1.0, gt=0, description="factor on the whole loss")
    perceptual_weight: float = Field(1.0, ge=0, description="lambda_1 of eq. 6; 0: no VGG16")
    perceptual_norm: Literal["l1", "l2"] = Field("l2", description="l2 is squared, as in eq. 5")
    perceptual_layers: tuple[str, ...] = Field(("relu1_2",), min_length=1)
    perceptual_half_layers: tuple[str, ...] = Field((), description="for the half-size output")
    perceptual_weights: str = Field("imagenet", description="imagenet, random, or a file")

    rate: float = Field(2e-4, gt=0, description="but for SN's stages")
    beta1: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["constant", "cosine"] = "constant"
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")


class UmsnConfig(BaseNetConfig):
    """What UMSN has beside BN."""

    maps: Literal["segmentation", "labels"] = Field(
        "segmentation", description="class maps: SN's, or the true masks (an oracle)"
    )
    streams: bool = Field(True, description="four F-Nets in front of BN")
    nested: bool = Field(True, description="residuals of residuals (NRL)")
    confidence: bool = Field(True, description="eq. 4 with CN; false: L1")
    fnet_width: int = Field(16, ge=3, description="channels of each F-Net")
    fnet_out: int = Field(16, ge=1, description="channels each F-Net hands on to BN")
    sn_width: int = Field(64, ge=4, description="channels of the segmentation network")
    cn_width: int = Field(16, ge=1, description="channels of the confidence network")
    unused_tensors: bool = Field(False, description="hold the released files' unused tensors")

    sn_loss: Literal["cross_entropy", "bce"] = "cross_entropy"
    sn_batch_stats: bool = Field(
        False, description="SN normalises each picture by itself after training too"
    )
    class_weights: Four = Field((1.2, 1.2, 3.6, 1.2), description="weight of each class")
    confidence_lambda: float = Field(0.015, ge=0, description="lambda of eq. 4")
    shares: Four = Field(
        (60, 30, 50, 100),
        description="steps of SN on sharp and on blurred faces, F-Nets, whole network",
    )
    sn_rates: tuple[float, float] = Field((2e-4, 1e-5), description="on sharp, on blurred faces")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.unused_tensors and not (self.streams and self.nested and self.confidence):
            raise ValueError("unused_tensors are those of the whole UMSN")
        return self


# Section IV-A, eqs. 4-6 and appendix A: no class weights, nothing added to the loss.
PAPER = UmsnConfig(
    steps=240_000,
    batch_size=16,
    fnet_out=8,
    class_weights=(1, 1, 1, 1),
    confidence_lambda=0.01,
    half_scale_weight=0,
    gradient_weights=(0, 0),
)

# Table VI. The paper widens the networks without F-Nets to as many parameters as UMSN has, inside
# their ResBlocks, and prints no width.
NO_CONFIDENCE = PAPER.model_copy(update={"confidence": False})
NESTED = NO_CONFIDENCE.model_copy(
    update={
        "streams": False,
        "steps": 190_000,
        "shares": (60, 30, 0, 100),
        "inner": INNER["nested"],
    }
)
MAPS = NESTED.model_copy(update={"nested": False, "inner": INNER["maps"]})

# As released, but: batches of 16 and every gradient used (its zero_grad and step, both on even
# iterations only, throw every other batch away), constant rates (its epochs count an unreleased
# set), and ImageNet's VGG16 for VGG-Face. Its F-Net stage is never reached, so it has no share.
CODE = UmsnConfig(
    steps=190_000,
    batch_size=16,
    unused_tensors=True,
    identity_start=False,
    sn_loss="bce",
    sn_batch_stats=True,
    loss_scale=2.0,
    perceptual_weight=1.8e-4,
    perceptual_norm="l1",
    perceptual_layers=("relu1_2", "relu2_2", "relu5_3"),
    perceptual_half_layers=("relu1_2", "relu2_2"),
    shares=(60, 30, 0, 100),
    beta1=0.5,
    weight_decay=5e-5,
)

# 20 minutes of one core. At equal time, crops of 64 px in batches of 8 were 0.3 dB ahead of whole
# faces in batches of 4.
TINY = UmsnConfig(
    steps=2_150,
    batch_size=8,
    crop_size=64,
    precision="auto",
    ema=0.99,
    width=16,
    fnet_width=4,
    fnet_out=4,
    sn_width=8,
    refine_width=8,
    cn_width=4,
    confidence_lambda=0.01,
    perceptual_weight=0,
    shares=(200, 150, 100, 1700),
    sn_rates=(3e-3, 2e-3),
    rate=2e-3,
    schedule="cosine",
    clip=1.0,
)
# An hour of one core: the networks of `tiny`, on crops that end as whole faces.
SMALL = UmsnConfig(
    **FACES,
    steps=3_700,
    **TINY.model_dump(
        include={"width", "fnet_width", "fnet_out", "sn_width", "refine_width", "cn_width"}
    ),
    confidence_lambda=0.01,
    perceptual_weight=0,
    shares=(200, 150, 100, 1700),
    sn_rates=(2e-3, 1e-3),
    rate=1e-3,
    schedule="cosine",
    clip=1.0,
)
SMALL_NO_CONFIDENCE = SMALL.model_copy(update={"confidence": False})
SMALL_NESTED = SMALL_NO_CONFIDENCE.model_copy(
    update={"streams": False, "shares": (200, 150, 0, 1700), "inner": INNER_SMALL["nested"]}
)
SMALL_MAPS = SMALL_NESTED.model_copy(update={"nested": False, "inner": INNER_SMALL["maps"]})

PRESETS = {
    "paper": PAPER,
    "code": CODE,
    "maps": MAPS,
    "nested": NESTED,
    "no-confidence": NO_CONFIDENCE,
    "tiny": TINY,
    "small": SMALL,
    "small-maps": SMALL_MAPS,
    "small-nested": SMALL_NESTED,
    "small-no-confidence": SMALL_NO_CONFIDENCE,
}
