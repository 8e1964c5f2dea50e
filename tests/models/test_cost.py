"""Multiply-accumulates as PyTorch's own counter has them."""

import subprocess
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from blurbench.models import MODELS, build
from blurbench.models.cost import gmacs


@pytest.mark.parametrize("name", MODELS)
def test_they_are_those_of_pytorchs_counter(name):
    with torch.device("meta"):
        model = build(name, preset="tiny")
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.compute(torch.zeros(1, 3, 256, 256))
        assert gmacs(model) == counter.get_total_flops() / 2 / 1e9 > 0


# 1.7 s of the start of a command that restores one picture.
NEEDLESS = """
import sys
from blurbench.models import build
from blurbench.models.cost import gmacs
assert gmacs(build("unet", preset="tiny"), 64, 64) > 0
sys.exit("torch._dynamo" in sys.modules)
"""


def test_neither_building_nor_counting_imports_the_compiler():
    subprocess.run([sys.executable, "-c", NEEDLESS], check=True)
