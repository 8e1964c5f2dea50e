"""scripts/first_stage.py: the first stage alone restores what it restored among the others."""

import pytest
import torch
from by_path import module_at

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.maxim import MAXIM
from blurbench.models.parts.released import load_released
from blurbench.models.parts.weights import save_tensors

script = module_at("scripts/first_stage.py")


def test_alone_it_restores_the_same_pictures(tmp_path):
    torch.manual_seed(0)
    model = build("maxim", "tiny", stages=2)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    save_tensors(tmp_path / "all.safetensors", model.state_dict())
    script.cut(tmp_path / "all.safetensors", tmp_path / "one.safetensors", model.config)
    one = build("maxim", "tiny", stages=1)
    load_released(one, tmp_path / "one.safetensors")
    blur = torch.rand(1, 3, one.multiple, 2 * one.multiple)
    assert isinstance(model, MAXIM)
    assert isinstance(one, MAXIM)
    with torch.inference_mode():
        for ours, theirs in zip(one.network(blur)[0], model.network(blur)[0], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_weights_of_another_model_are_refused(tmp_path):
    save_tensors(tmp_path / "unet.safetensors", build("unet", "tiny").state_dict())
    with pytest.raises(UserError, match="weights of another model or preset"):
        script.cut(tmp_path / "unet.safetensors", tmp_path / "x", build("maxim", "tiny").config)
    assert not (tmp_path / "x").exists()
