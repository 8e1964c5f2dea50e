"""Where a backbone takes the prior in: at the entrance of each level of its decoders.

There the features of encoder and decoder have met, as eq. 6 has it. The backbones know nothing of
it: the prior comes in through hooks, for as long as one forward pass lasts.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from blurbench.models import build, model_class
from blurbench.models.base import Model
from blurbench.models.mprnet.network import ROWS, split
from blurbench.models.mprnet.unet import Decoder
from blurbench.models.mssnet import UNETS
from blurbench.models.sp.network import Levels, resized


@dataclass(frozen=True)
class Place:
    """A module of the backbone whose input the prior modulates."""

    module: nn.Module
    level: int  # of the prior: 0 is full size
    width: int  # channels of the input
    halves: bool = False  # works on upper and lower halves of the pictures, as one batch


def unet(model: Any) -> list[Place]:
    """The three finest levels of the decoder."""
    sides = zip(model.decoder, model.config.widths, strict=True)
    return [Place(module, i, width) for i, (module, width) in enumerate(sides)][:3]


def deepdeblur(model: Any) -> list[Place]:
    """No encoder and no decoder: midway through the residual blocks of each size."""
    c = model.config
    middle = 1 + c.blocks // 2  # 0 is the first convolution
    bodies = model.network.body_models
    return [Place(bodies[i].body[middle], i, c.width) for i in range(3)]


def mimo_unet(model: Any) -> list[Place]:
    """The decoder's levels; a convolution has made one map of encoder's and decoder's."""
    width = model.config.width
    coarse_to_fine = enumerate(reversed(model.network.Decoder))
    return [Place(module, i, width * 2**i) for i, module in coarse_to_fine]


def mprnet(model: Any) -> list[Place]:
    """The U-Nets of stage 1, whose decoder works on halves where there are patches, and 2."""
    c, network = model.config, model.network
    if c.network == "stage1":
        return decoder_places(network.stage1_decoder, c.width, c.step)
    first = decoder_places(network.stage1_decoder, c.width, c.step, halves=True)
    return first + decoder_places(network.stage2_decoder, c.width, c.step)


def mssnet(model: Any) -> list[Place]:
    """All six U-Nets, those of coarser scales too."""
    names = [f"D{scale}_{i + 1}" for scale, n in enumerate(UNETS, start=1) for i in range(n)]
    c = model.config
    found = [decoder_places(model.network.get_submodule(n), c.width, c.step) for n in names]
    return [place for places in found for place in places]


def decoder_places(
    decoder: Decoder | Any, width: int, step: int, halves: bool = False
) -> list[Place]:
    """The levels of a decoder of MPRNet's kind."""
    levels = (decoder.decoder_level1, decoder.decoder_level2, decoder.decoder_level3)
    return [Place(module, i, width + i * step, halves) for i, module in enumerate(levels)]


CHANNELS = ("widths", "width", "step")  # fields of backbones: of levels, or from one to the next


def backbone(name: str, preset: str, scale: float) -> Model:
    """Backbone `name` with `scale` times the channels of a preset, rounded; UserError for no such.

    So the backbone alone can be as large as with student and embeddings.
    """
    held = model_class(name).PRESETS.get(preset)
    settings = held.model_dump() if held and scale != 1 else {}
    return build(name, preset, **{f: scaled(settings[f], scale) for f in CHANNELS if f in settings})


def scaled(channels: Any, scale: float) -> Any:
    """One number of channels, or several, times `scale`; each at least 1."""
    if isinstance(channels, tuple):
        return tuple(scaled(each, scale) for each in channels)
    return max(1, round(channels * scale))


PLACES: dict[str, Callable[[Any], list[Place]]] = {
    "unet": unet,
    "deepdeblur": deepdeblur,
    "mprnet": mprnet,
    "mimo-unet": mimo_unet,
    "mimo-unet-plus": mimo_unet,
    "mssnet": mssnet,
}


def places(name: str, model: Model) -> list[Place]:
    """Where backbone `name` takes the prior in."""
    return PLACES[name](model)


@contextmanager
def embedded(
    found: Sequence[Place], embeddings: Sequence[nn.Module], priors: Levels
) -> Iterator[None]:
    """Within it, the inputs of the places pass through their embeddings with the priors."""

    def hook(place: Place, embedding: nn.Module) -> Callable[..., tuple[Tensor]]:
        def modulate(_module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
            return (embedding(inputs[0], local(priors, place, inputs[0])),)

        return modulate

    pairs = zip(found, embeddings, strict=True)
    handles = [p.module.register_forward_pre_hook(hook(p, embedding)) for p, embedding in pairs]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def local(priors: Levels, place: Place, x: Tensor) -> Tensor:
    """The prior of a place, cut and resized as its features are."""
    prior = priors[place.level]
    return resized(split(prior, ROWS) if place.halves else prior, x)
