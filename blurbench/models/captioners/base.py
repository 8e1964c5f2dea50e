"""What all captioners share: their words, their training, and how they write."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from blurbench.errors import UserError
from blurbench.files import read_json, write_json
from blurbench.models.base import Batch, Losses, Model, ModelConfig, Reader, Stage, Update
from blurbench.models.captioners.decoders import Decoder, State
from blurbench.models.captioners.decoding import caption_loss, write
from blurbench.models.captioners.language import Language, learn_language
from blurbench.models.captioners.reading import CaptionReader, Input, Regions
from blurbench.models.captioners.resnet import STRIDE, FrozenTrunk, frozen_trunk, squared
from blurbench.models.parts.schedules import stepped
from blurbench.weights.places import Needed

Trunk = Literal[
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "tf_efficientnet_lite0"
]
NO_PICTURES = "this model describes pictures and restores none: see `blurbench captions generate`"


class CaptionConfig(ModelConfig):
    """What looks at the picture, and how captions are read and written."""

    resnet: Trunk = Field("resnet152", description="the network V comes from; it never learns")
    resnet_weights: str = Field("imagenet", description="imagenet, random, or a file")
    side: int = Field(256, gt=0, multiple_of=STRIDE, description="px of the square V is made of")
    # As ImageCaptioning.pytorch: words found more than 5 times, captions cut at 16, 5 beams.
    words: int = Field(9_488, gt=1, description="most words that captions may be written with")
    word_count: int = Field(6, gt=0, description="a word needs to be known, in training captions")
    entities: int = Field(839, gt=1, description="most classes of entities, with null")
    relations: int = Field(247, gt=1, description="most classes of relations, with null")
    language_width: int = Field(512, gt=0, description="of words, memory and attention")
    language_dropout: float = Field(0.5, ge=0, lt=1)
    longest: int = Field(16, gt=0, description="words of a caption")
    beams: int = Field(5, gt=0, description="of the search for a caption; 1: greedy")
    sampling: float = Field(
        0.0, ge=0, le=1, description="most words that the decoder draws itself while it learns"
    )
    sampling_epochs: int = Field(1, gt=0, description="until that share is reached")


class Captioned(Model):
    """A model that says what is in a picture."""

    NEEDS = ("captions",)
    DESCRIBES = True

    config: Any
    resnet: FrozenTrunk
    language: Language | None = None

    @property
    @abstractmethod
    def decoder(self) -> Decoder:
        """What writes."""

    @abstractmethod
    def begin(self, v: Tensor, regions: Tensor | None = None) -> State:
        """The decoder's state before the first word; V (N, channels, h, w)."""

    def learn_language(self, captions: Iterable[Sequence[str]]) -> None:
        """Take the vocabularies of a training split: the sentences of each of its pictures."""
        c = self.config
        self.language = learn_language(captions, c.words, c.word_count, c.entities, c.relations)

    def save_language(self, path: Path) -> None:
        """Write the vocabularies; UserError before there are any."""
        write_json(path, self.known().to_json())

    def load_language(self, path: Path) -> None:
        """Read the vocabularies; UserError where they are missing or broken."""
        if not path.is_file():
            raise UserError(f"{path}: no such file; a captioner cannot do without its words")
        self.language = Language.from_json(read_json(path), str(path))

    def vocabulary_hash(self) -> str:
        """Of the words that it writes with; UserError before there are any."""
        return self.known().hash

    def known(self) -> Language:
        """The vocabularies; UserError before there are any."""
        if self.language is None:
            raise UserError("no vocabulary: train this model, or load a run")
        return self.language

    def prepare(self) -> None:
        """Fill the ResNet; UserError without its weights."""
        self.resnet.load(self.config.resnet_weights)

    def files(self) -> tuple[Needed, ...]:
        """The ResNet's."""
        return self.resnet.files(self.config.resnet_weights)

    def reader(self) -> Reader:
        """Whole pictures with a caption each."""
        c = self.config
        return CaptionReader(
            self.known(),
            c.side,
            c.longest,
            c.flip,
            input=self.INPUT,
            sampling=c.sampling,
            sampling_epochs=c.sampling_epochs,
            regions=self.regions(),
        )

    def regions(self) -> Regions | None:
        """Where features of regions are read, for a model that looks at those."""
        return None

    def see(self, whole: Tensor) -> Tensor:
        """V (N, channels, h, w) of whole pictures in [0, 1] as squares."""
        v: Tensor = self.resnet(whole)
        return v

    def caption_losses(self, batch: Batch, state: State) -> Tensor:
        """Eq. 8: negative log likelihood of each caption, summed over its words; the mean."""
        # A batch may begin in one epoch and end in the next: one share for all of it.
        mixing = float(batch["sampling"].max()) if self.config.sampling else 0.0
        return caption_loss(self.decoder, state, batch["words"], mixing).mean()

    @torch.no_grad()
    def caption(
        self, images: Tensor, ids: Sequence[str] | None = None, beams: int | None = None
    ) -> list[str]:
        """A sentence for each of (N, 3, H, W) in [0, 1], any size.

        `ids` are needed where features of regions are read from files; `beams` 1 is greedy.
        """
        language, regions = self.known(), self.regions()
        seen = None
        if regions:
            if ids is None:
                raise UserError("regions=: give the ids of the pictures, whose files are read")
            seen = torch.stack([regions.read(id) for id in ids]).to(images.device)
        state = self.begin(self.see(squared(images, self.config.side)), seen)
        allowed = language.allowed(self.config.words + 1).to(images.device)
        written = write(
            self.decoder, state, beams or self.config.beams, self.config.longest, allowed
        )
        return [language.text(caption) for caption in written]


class CaptionerConfig(CaptionConfig):
    """A captioner and its optimiser."""

    input: Input = Field("blur", description="the pictures it learns from and is scored on")
    rate: float = Field(5e-4, gt=0)
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")


class Captioner(Captioned):
    """A captioner that restores nothing."""

    config: CaptionerConfig
    RESTORES = False
    LICENCE: ClassVar[str] = "written from the paper; weights of the ResNet: torchvision's terms"

    def __init__(self, config: CaptionerConfig) -> None:
        """The frozen ResNet; a subclass adds what learns."""
        super().__init__(config)
        self.INPUT = config.input
        self.resnet = frozen_trunk(config.resnet)

    def restore(self, blur: Tensor) -> Tensor:  # noqa: ARG002
        """UserError."""
        raise UserError(NO_PICTURES)

    def compute(self, picture: Tensor) -> None:
        """A greedy caption of all the words that it may have."""
        v = self.see(squared(picture, self.config.side))
        state = self.begin(v, v.flatten(2).transpose(1, 2))
        word = torch.zeros(len(picture), dtype=torch.long, device=picture.device)
        for _ in range(self.config.longest + 1):
            logits, state = self.decoder.step(word, state)
            word = logits.argmax(1)

    def inference_modules(self) -> tuple[nn.Module, ...]:
        """All."""
        return (self,)

    def trained(self) -> tuple[nn.Module, ...]:
        """What learns."""
        return tuple(child for child in self.children() if child is not self.resnet)

    def stages(self) -> tuple[Stage, ...]:
        """One."""
        c = self.config
        # As ImageCaptioning.pytorch trains: 0.8 of the rate after each tenth of 30 epochs.
        update = Update(
            "captions", self.trained(), self.losses, c.rate, schedule=stepped(0.8, 10), clip=c.clip
        )
        return (Stage("captions", 1.0, (update,)),)

    def losses(self, batch: Batch) -> Losses:
        """Of the words."""
        state = self.begin(self.see(batch["whole"]), batch.get("regions"))
        return {"loss": self.caption_losses(batch, state)}
