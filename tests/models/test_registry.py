"""Models by name, their presets, and what a user may get wrong."""

import subprocess
import sys

import pytest
import torch

from blurbench.errors import UserError
from blurbench.models import MODELS, build, model_class
from blurbench.models.base import Model, parameter_count

MINE = """
from blurbench.models.unet import UNet
class Mine(UNet):
    pass
"""
BARE = """
from blurbench.models.base import Model
class Mine(Model):
    pass
"""
UNSTATED = """
from blurbench.models.base import Model
class Mine(Model):
    def stages(self): return ()
    def restore(self, blur): return blur
    def inference_modules(self): return ()
"""


@pytest.mark.parametrize("name", MODELS)
def test_every_model_keeps_the_contract(name):
    kind = model_class(name)
    assert issubclass(kind, Model)
    assert {"paper", "tiny"} <= set(kind.PRESETS)
    assert kind.PAPER
    for preset in kind.PRESETS:
        with torch.device("meta"):
            model = build(name, preset)
        assert not model.training
        inference = parameter_count(*model.inference_modules())
        assert 0 < inference <= parameter_count(model)
        for module in model.inference_modules():
            assert module in set(model.modules())


def test_listing_names_needs_no_torch():
    code = "import sys, blurbench.models as m; print(*m.MODELS); assert 'torch' not in sys.modules"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == list(MODELS)


def test_overrides_reach_the_config():
    model = build("unet", "tiny", widths="8,16", blocks="1,2", ema="none", rate=0.5)
    assert model.config.widths == (8, 16)
    assert model.config.blocks == (1, 2)
    assert model.config.ema is None
    assert model.config.rate == 0.5
    assert build("unet", "tiny").config.widths != (8, 16)
    # As the command line reads `--set sample_at=3 --set crops=none`.
    model = build("unet", "small", sample_at=3, crops="none", batches="none")
    assert (model.config.sample_at, model.config.crops, model.config.batches) == ((3,), (), ())


@pytest.mark.parametrize(
    ("arguments", "overrides", "told"),
    [
        (("resnet",), {}, ["resnet", "umsn", "unet"]),
        (("umsn", "huge"), {}, ["huge", "paper", "code", "tiny"]),
        (("umsn",), {"depth": 3}, ["depth", "width"]),
        (("umsn",), {"width": "wide"}, ["width:", "(is 'wide')", "integer"]),
        (("umsn",), {"width": 9}, ["width:", "(is 9)", "multiple of 2"]),
        (("umsn",), {"sn_loss": "dice"}, ["sn_loss:", "(is 'dice')", "cross_entropy"]),
        (("umsn",), {"class_weights": "1,2,3"}, ["class_weights"]),
        (("unet",), {"widths": "8,x"}, ["widths.1:", "(is 'x')", "integer"]),
        (("unet",), {"widths": "8,16"}, ["blocks", "needs 2 numbers"]),
        (("unet",), {"batch_size": 0}, ["batch_size:", "(is 0)", "greater than 0"]),
        (("unet",), {"ema": 2}, ["ema:", "(is 2)", "less than 1"]),
        (("sp",), {"teacher": [1]}, ["teacher:", "(is [1])", "string"]),
        (("sp",), {"teacher_channels": None}, ["teacher_channels:", "(is None)", "tuple"]),
        (("unet",), {"crops": 0}, ["unet: crops: each of 1 to 4096 px"]),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, overrides, told):
    with pytest.raises(UserError) as error:
        build(*arguments, **overrides)
    message = str(error.value)
    assert "\n" not in message
    for part in told:
        assert part in message


def test_other_packages_add_models(install):
    install("mine", "blurbench.models", "mine = mine:Mine", MINE)
    assert build("mine", "tiny").config.widths == build("unet", "tiny").config.widths
    assert model_class("mine") is not model_class("unet")
    with pytest.raises(UserError, match=r"unknown model 'other'; known: .*unet.*, mine$"):
        model_class("other")


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("three", "Mine = 3", "is no subclass of blurbench.models.base.Model"),
        ("bare", BARE, "has no method inference_modules, restore, stages"),
        ("unstated", UNSTATED, "states no Config, PRESETS, PAPER"),
    ],
)
def test_what_is_no_model_is_told_when_it_is_named(install, name, code, told):
    install(f"{name}s", "blurbench.models", f"{name} = {name}s:Mine", code)
    with pytest.raises(UserError) as error:
        model_class(name)
    assert f"model {name!r} of {name}s 1 ({name}s:Mine): {told}" in str(error.value)
