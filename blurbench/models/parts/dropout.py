"""Dropout after training: the noise of GANs that keep it on, drawn anew for each picture."""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# 2^32 over the golden ratio, odd: spreads draws over the 32 bits that the CPU generator reads.
GOLDEN = 0x9E3779B1


@dataclass
class Draw:
    """Which of a picture's noises is drawn, and whether any was."""

    number: int
    used: bool = False


_draw: ContextVar[Draw] = ContextVar("draw")


@contextmanager
def noise_number(number: int) -> Iterator[Draw]:
    """Draw the noise of this number inside; 0 is what is drawn outside of it."""
    draw = Draw(number)
    token = _draw.set(draw)
    try:
        yield draw
    finally:
        _draw.reset(token)


def with_dropout(network: nn.Module, run: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """`run` on (N, 3, H, W) in [0, 1], one by one, with the dropout of `network` on.

    A picture's noise is seeded by its pixels: it is the same in any batch and at any time.
    """
    restored = []
    for image in torch.split(images, 1):
        with seeded_dropout(network, image):
            restored.append(run(image))
    return torch.cat(restored)


@contextmanager
def seeded_dropout(network: nn.Module, image: Tensor) -> Iterator[None]:
    """Dropout of `network` on, its noise seeded by the pixels of (1, 3, H, W) in [0, 1]."""
    devices = [image.device] if image.is_cuda else []
    draw = _draw.get(Draw(0))
    draw.used |= any(m.p > 0 for m in network.modules() if isinstance(m, nn.Dropout))
    with dropout_on(network), torch.random.fork_rng(devices):
        torch.manual_seed(pixel_seed(image) ^ (draw.number * GOLDEN) % 2**32)
        yield


@contextmanager
def dropout_on(network: nn.Module) -> Iterator[None]:
    """Its dropout layers as in training; all is put back afterwards."""
    layers = {m: m.training for m in network.modules() if isinstance(m, nn.Dropout)}
    for layer in layers:
        layer.train()
    try:
        yield
    finally:
        for layer, mode in layers.items():
            layer.train(mode)


def pixel_seed(image: Tensor) -> int:
    """A seed from the grey levels of a picture in [0, 1]; 0 where only its shape is known."""
    if image.is_meta:
        return 0
    levels = (image.detach().float() * 255).round().to(torch.int16)
    return zlib.crc32(levels.cpu().contiguous().numpy().tobytes())
