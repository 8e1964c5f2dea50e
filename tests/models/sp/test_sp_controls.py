"""Controls of the Semantic Prior: backbones as large as with it, teachers that weigh alike."""

import pytest
import torch
from small_training import real_pairs
from torch.nn import functional as F

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.base import parameter_count

OFF = {"embedding": "off", "cross_level": False, "aggregation": False, "prior_weight": 0.0}


@pytest.mark.parametrize("preset", ["net0wide", "tiny", "small"])
def test_the_backbone_alone_can_be_as_large_as_all_of_it(preset):
    scale = {"tiny": {"backbone_scale": 1.03}, "small": {"backbone_scale": 1.018}}
    fields = {**OFF, **scale[preset]} if preset in scale else {}
    with torch.device("meta"):
        whole = build("sp", "net6" if preset == "net0wide" else preset)
        wide = build("sp", preset, **fields)
    wanted = parameter_count(*whole.inference_modules())
    assert parameter_count(*wide.inference_modules()) == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize("backbone", ["unet", "deepdeblur", "mprnet", "mimo-unet", "mssnet"])
def test_every_backbone_can_be_widened(backbone):
    fields = {"backbone": backbone, "student_widths": (4, 6, 8), "prior_weight": 0.0}
    made = [build("sp", "tiny", **fields, backbone_scale=scale) for scale in (1.0, 1.5)]
    narrow, wide = (parameter_count(model.backbone) for model in made)
    assert 1.6 * narrow < wide < 2.6 * narrow  # 1.5 squared is 2.25
    blur = torch.rand(1, 3, 32, 32)
    assert made[1].deblur(blur).shape == blur.shape
    plain = build(backbone, "tiny").config
    assert made[0].backbone.config == plain


def test_the_scale_of_the_prior_is_the_loss_of_knowing_no_picture():
    tiny = build("sp", "tiny")
    tiny.prepare()
    sharp = real_pairs(64)["sharp"]
    found = []
    for level in tiny.loss_networks["teacher"](sharp):
        for factor in (1, 2, 4):
            pooled = F.avg_pool2d(level - level.mean((0, 2, 3), keepdim=True), factor)
            found.append(float(pooled.square().mean()))
    assert len(found) == 9
    assert tiny.prior_scale(sharp) == pytest.approx(sum(found) / 9, rel=1e-4)


def test_small_needs_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    build("sp", "small").prepare()
    with pytest.raises(UserError, match="weights fetch efficientnet-lite0"):
        build("sp", "small", teacher_weights="published").prepare()
