"""SN alone, UMSN's pictures, and its confidences along a run."""

import json

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.parts.maps import coloured
from blurbench.models.umsn import UMSN
from blurbench.models.umsn.explain import CLASS_NAMES, COLOURS, around_grey, residual_pictures
from blurbench.reproduce.confidences import confidence_picture, confidence_table


@pytest.fixture
def tiny() -> UMSN:
    torch.manual_seed(0)
    model = build("umsn", "tiny")
    model.network.refine3.weight.data.normal_()
    return model


def test_sn_segments_a_picture_of_any_size_by_itself(tiny):
    image = torch.rand(2, 3, 33, 50)
    maps = tiny.face_maps(image)
    assert maps.shape == (2, 4, 33, 50)
    assert torch.allclose(maps.sum(1), torch.ones(2, 33, 50))
    whole = image[..., :32, :48]
    assert torch.equal(tiny.face_maps(whole), tiny.segmentation.maps(whole * 2 - 1).detach())


def test_pictures_show_maps_residuals_and_the_half_size(tiny):
    blur = torch.rand(1, 3, 33, 50)
    maps = tiny.explain(blur)
    full = {f"{kind}_{name}" for kind in ("map", "residual", "fnet") for name in CLASS_NAMES}
    assert set(maps) == {*full, "map_classes", "residual", "residual_half", "restored_half"}
    for name, picture in maps.items():
        half = name.endswith("half")
        assert picture.shape == ((3, 17, 25) if half else (3, 33, 50)), name
        assert picture.min() >= 0
        assert picture.max() <= 1
    found = tiny.face_maps(blur)[0]
    assert torch.allclose(maps["map_hair"][0], found[3], atol=1e-5)
    largest = torch.tensor(COLOURS)[found.argmax(0)].permute(2, 0, 1)
    assert (maps["map_classes"] != largest).float().mean() < 0.01
    padded = nn.functional.pad(blur, (0, 6, 0, 7), mode="reflect")
    skin = tiny.segmentation.maps(padded * 2 - 1)[:, 1:2]
    with torch.no_grad():
        alone = (tiny.network.deblur_class2.restore(padded * 2 - 1, skin) + 1) / 2
    assert torch.allclose(maps["fnet_skin"], alone[0, :, :33, :50].clamp(0, 1), atol=1e-5)


def test_without_fnets_they_are_left_out():
    model = build("umsn", "tiny", streams=False, nested=False, confidence=False)
    names = set(model.explain(torch.rand(1, 3, 32, 40)))
    assert "residual_hair" in names
    assert not any(name.startswith("fnet") for name in names)


def test_a_class_is_shown_by_the_feature_that_is_most_of_it():
    torch.manual_seed(0)
    maps = torch.zeros(4, 8, 8)
    for part in range(4):
        maps[part, :, 2 * part : 2 * part + 2] = 1
    # Feature 4 is hair's, of either sign, feature 0 skin's; others are everywhere.
    features = torch.rand(6, 8, 8) + 1
    features[4] = -9 * maps[3] - 0.1
    features[0] = 5 * maps[1] + 0.1
    shown = residual_pictures(torch.rand(3, 8, 8) - 0.5, features, maps)
    for name, number in (("hair", 4), ("skin", 0)):
        assert torch.equal(shown[f"residual_{name}"], coloured(features[number].abs()))


def test_the_residual_is_what_the_network_takes_away(tiny):
    x = torch.rand(1, 3, 32, 40) * 2 - 1
    with torch.no_grad():
        maps = tiny.segmentation.maps(x)
        r, r_half = tiny.network.residuals(x, maps)
        restored, half = tiny.network(x, maps)
        assert torch.equal(restored, tiny.network.clean(x - r))
        assert torch.equal(half, tiny.network.clean(x[..., ::2, ::2] - r_half))


def test_signs_show_around_grey():
    picture = around_grey(torch.tensor([[[-0.2, 0.0, 0.1]]]))
    assert picture.flatten().tolist() == pytest.approx([0, 0.5, 0.75])
    assert around_grey(torch.zeros(3, 2, 2)).unique().tolist() == [0.5]


def test_one_confidence_a_class(tiny):
    sharp = torch.rand(2, 3, 33, 40)
    found = tiny.face_confidence(sharp, sharp)
    assert found.shape == (2, 4)
    assert ((found > 0) & (found < 1)).all()


def test_nothing_at_test_needs_the_confidence_network(tiny):
    blur = torch.rand(1, 3, 32, 40)
    wanted, pictures = tiny.deblur(blur), tiny.explain(blur)
    del tiny.network.conf_ker
    assert torch.equal(tiny.deblur(blur), wanted)
    assert tiny.explain(blur).keys() == pictures.keys()


@pytest.fixture
def run(tmp_path):
    rows = [{"step": 5, "stage": "sn-sharp", "loss": 1.0}, {"step": 9, "stage": "f-nets"}]
    for step in (12, 20, 29):
        values = {f"confidence_{i}": step / 30 - i / 100 for i in (1, 2, 3, 4)}
        rows.append({"step": step, "stage": "network", **values})
        rows.append({"step": step, "stage": "validation", "psnr": 20.0})
        of_one = dict.fromkeys(values, 0.5)
        rows.append({"step": step, "stage": "sample", "id": "face", **of_one})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "log.jsonl").write_text(lines)
    return tmp_path


def test_the_table_counts_iterations_of_the_network(run):
    table = confidence_table(run)
    assert table.index.tolist() == [3, 11, 20]
    assert table.columns.tolist() == [f"confidence_{i}" for i in (1, 2, 3, 4)]
    assert table.loc[11, "confidence_3"] == pytest.approx(20 / 30 - 0.03)
    assert confidence_table(run, (1, 3, 15, 99)).index.tolist() == [3, 11, 20]


def test_a_line_a_class(run):
    picture = confidence_picture(confidence_table(run))
    assert picture.shape == (360, 640, 3)
    for colour in COLOURS:
        rgb = np.array([round(255 * value) for value in colour])
        assert (np.abs(picture[60:300].astype(int) - rgb).sum(-1) < 12).any()
    assert cv2.imencode(".png", picture)[0]


def test_a_run_without_confidences_is_told(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 1, "stage": "unet", "loss": 1.0}\n')
    with pytest.raises(UserError, match="no confidences"):
        confidence_table(tmp_path)
