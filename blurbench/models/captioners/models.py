"""The captioners that S3E-Deblur is compared with: NIC, Toronto and TopDown."""

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field
from torch import Tensor

from blurbench.models.captioners.base import Captioner, CaptionerConfig
from blurbench.models.captioners.decoders import NIC, Decoder, State, TopDown, Toronto
from blurbench.models.captioners.reading import Regions

# 30 epochs of 11,000 pictures with 5 captions each, 50 captions a step.
PAPER: dict[str, Any] = {
    "steps": 33_000,
    "batch_size": 50,
    "clip": 5.0,
    "sampling": 0.25,
    "sampling_epochs": 125,  # of one caption a picture, thus 25 of five
}
# A minute or two of one core, and no file of weights.
TINY: dict[str, Any] = {
    "steps": 400,
    "batch_size": 16,
    "precision": "auto",
    "resnet": "resnet18",
    "resnet_weights": "random",
    "side": 128,
    "words": 1_000,
    "word_count": 2,
    "language_width": 64,
    "beams": 3,
    "rate": 5e-3,
    "clip": 5.0,
}
# What looks and what writes in presets `small`. The trunk is untrained, and needs no file, unless
# resnet_weights=imagenet; it is the cheapest there is with weights that an ordinary package brings.
SEEING: dict[str, Any] = {
    "resnet": "tf_efficientnet_lite0",
    "resnet_weights": "random",
    "side": 224,
    "words": 4_000,
    "word_count": 3,
    "language_width": 256,
}
# Half an hour of one core.
SMALL: dict[str, Any] = {
    **SEEING,
    "steps": 1_200,
    "batch_size": 50,
    "precision": "auto",
    "rate": 1e-3,
    "clip": 5.0,
}


class PlainCaptioner(Captioner):
    """A decoder on V."""

    Config = CaptionerConfig
    PRESETS: ClassVar = {
        "paper": CaptionerConfig(**PAPER),
        "small": CaptionerConfig(**SMALL),
        "tiny": CaptionerConfig(**TINY),
    }
    DECODER: ClassVar[type[NIC] | type[Toronto] | type[TopDown]]

    def __init__(self, config: CaptionerConfig) -> None:
        """The frozen ResNet and the decoder."""
        super().__init__(config)
        c = config
        self.writer = self.DECODER(
            c.words + 1, self.resnet.channels, c.language_width, dropout=c.language_dropout
        )

    @property
    def decoder(self) -> Decoder:
        """What writes."""
        return self.writer

    def begin(self, v: Tensor, regions: Tensor | None = None) -> State:
        """Look at V as a whole, and at its places or the regions."""
        slots = v.flatten(2).transpose(1, 2) if regions is None else regions
        return self.writer.begin(v.mean((2, 3)), slots)


class NICCaptioner(PlainCaptioner):
    """NIC."""

    PAPER = "O. Vinyals et al., Show and Tell: A Neural Image Caption Generator, CVPR, 2015"
    DECODER = NIC


class TorontoCaptioner(PlainCaptioner):
    """Show, Attend and Tell."""

    PAPER = "K. Xu et al., Show, Attend and Tell: Neural Image Caption Generation, ICML, 2015"
    DECODER = Toronto


class TopDownConfig(CaptionerConfig):
    """TopDown's, and where its regions come from."""

    regions: str | None = Field(
        None, description="folder of ID.npy (regions, channels); none: the places of V"
    )
    region_count: int = Field(36, gt=0, description="most regions of a picture")


class TopDownCaptioner(PlainCaptioner):
    """Bottom-up and top-down attention."""

    Config = TopDownConfig
    PRESETS: ClassVar = {
        "paper": TopDownConfig(**PAPER, language_width=1_000),
        "small": TopDownConfig(**SMALL),
        "tiny": TopDownConfig(**TINY),
    }
    PAPER = (
        "P. Anderson et al., Bottom-Up and Top-Down Attention for Image Captioning and Visual"
        " Question Answering, CVPR, 2018"
    )
    DECODER = TopDown

    config: TopDownConfig

    def regions(self) -> Regions | None:
        """The folder of features, if one is named."""
        c = self.config
        if c.regions is None:
            return None
        return Regions(Path(c.regions), self.resnet.channels, c.region_count)
