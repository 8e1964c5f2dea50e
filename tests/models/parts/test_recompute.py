"""Blocks that are computed again: the same gradients, from less memory."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy import Toy, make_runner, weights

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.base import ModelConfig
from blurbench.models.parts.recompute import compute_again
from blurbench.training.checks import check_blocks

WITH_BLOCKS = ("unet", "nafnet", "mimo-unet", "deblurgan", "sp", "maxim")


class Block(nn.Module):
    """Batch norm and dropout inside: what a second pass could move, or draw anew."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.GELU())
        self.drop = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(self.inside(x))


class Deep(Toy):
    """Toy with a list of such blocks."""

    def __init__(self, config: ModelConfig, poison: float = 0.0) -> None:
        super().__init__(config, poison)
        blocks = nn.Sequential(*(Block() for _ in range(3)))
        self.generator = nn.Sequential(nn.Conv2d(3, 4, 1), blocks, nn.Conv2d(4, 3, 1))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_ends_with_the_same_bits(tmp_path: Path, precision: str) -> None:
    for again in (False, True):
        fields: dict[str, Any] = {"checkpointing": again, "precision": precision, "ema": 0.9}
        make_runner(tmp_path / str(again), 6, Deep, **fields).run()
    for name in ("last.safetensors", "model.safetensors"):
        assert weights(tmp_path / "True", name) == weights(tmp_path / "False", name)


class Saved(torch.autograd.graph.saved_tensors_hooks):
    """Counts the bytes that a forward pass keeps for the backward pass."""

    def __init__(self) -> None:
        self.bytes = 0
        super().__init__(self.pack, lambda value: value)

    def pack(self, value: Tensor) -> Tensor:
        self.bytes += value.nbytes
        return value


@pytest.mark.parametrize("name", WITH_BLOCKS)
def test_networks_keep_less_for_the_same_gradients(name: str) -> None:
    side = 32
    found: dict[bool, tuple[int, list[Tensor]]] = {}
    for again in (False, True):
        torch.manual_seed(0)
        model = build(name, preset="tiny")
        network = model.inference_modules()[0]
        if again:
            assert model.blocks()
            compute_again(model.blocks())
            compute_again(model.blocks())  # of a model that was made ready before
        for number, value in enumerate(model.parameters()):  # no branch begins as zero
            generator = torch.Generator().manual_seed(number)
            value.data += 0.02 * torch.randn(value.shape, generator=generator)
        model.train()
        torch.manual_seed(1)
        saved = Saved()
        with saved:
            loss = model.restore(torch.rand(1, 3, side, side)).square().mean()
        loss.backward()
        grads = [p.grad for p in network.parameters() if p.grad is not None]
        found[again] = (saved.bytes, grads)
    torch.testing.assert_close(found[True][1], found[False][1], rtol=0, atol=0)
    assert found[True][0] < 0.7 * found[False][0]


def test_a_model_without_blocks_says_so() -> None:
    model = Toy(ModelConfig(steps=1, batch_size=1, checkpointing=True))
    with pytest.raises(UserError, match=r"checkpointing=true: toy .*accumulate"):
        check_blocks("toy", model)
    check_blocks("deep", Deep(model.config))
