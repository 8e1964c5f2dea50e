"""UMSN with the true masks in place of SN's maps: an oracle."""

from pathlib import Path

import numpy as np
import pytest
import tiny_data
import torch
from torch import nn

from blurbench.__main__ import run
from blurbench.datasets.make import synthesize
from blurbench.errors import UserError
from blurbench.files import read_json
from blurbench.models import build
from blurbench.models.base import Batch, parameter_count
from blurbench.models.cost import gmacs
from blurbench.models.umsn import UMSN
from blurbench.sources.open import open_source


def never(*_args: object) -> None:
    raise AssertionError("the segmentation network has nothing to do here")


def one_hot(labels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack([labels == part for part in range(4)])).float()


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> UMSN:
    torch.manual_seed(1)
    model = build("umsn", "tiny", maps="labels", identity_start=False)
    assert isinstance(model, UMSN)
    monkeypatch.setattr(model.segmentation, "forward", never)
    return model


@pytest.fixture
def batch() -> Batch:
    torch.manual_seed(2)
    labels = np.random.default_rng(0).integers(0, 4, (2, 32, 32))
    masks = torch.stack([one_hot(each) for each in labels]).to(torch.uint8)
    return {"sharp": torch.rand(2, 3, 32, 32), "blur": torch.rand(2, 3, 32, 32), "mask": masks}


def test_an_oracle_has_no_stage_of_sn_and_trains_all_that_restores(oracle, batch):
    stages = oracle.stages()
    assert [(s.name, s.beside) for s in stages] == [("f-nets", True), ("network", False)]
    for stage in stages:
        stage.updates[0].loss(batch)["loss"].backward()
    moved = {name for name, p in oracle.named_parameters() if p.grad is not None}
    assert moved == {name for name, _ in oracle.named_parameters() if name.startswith("network.")}


def test_all_maps_of_its_training_are_the_masks(oracle, batch, monkeypatch):
    seen = []
    for fnet in oracle.network.fnets():
        monkeypatch.setattr(fnet, "restore", lambda x, m: (seen.append(m), x)[1])
    confidence = oracle.network.confidence

    def spy(restored, sharp, maps):
        seen.append(maps)
        return confidence(restored, sharp, maps)

    monkeypatch.setattr(oracle.network, "confidence", spy)
    oracle.network.register_forward_hook(lambda _m, args, _out: seen.append(args[1]))
    for stage in oracle.stages():
        stage.updates[0].loss(batch)
    mask = batch["mask"].float()
    assert torch.equal(torch.cat(seen[:4], 1), mask)
    assert torch.equal(seen[4], mask)
    assert torch.equal(seen[5], mask)


def test_each_picture_is_restored_with_its_own_mask(oracle):
    torch.manual_seed(3)
    height, width = 21, 30
    blur = torch.rand(2, 3, height, width)
    labels = np.random.default_rng(1).integers(0, 4, (2, height, width))
    told = [{"id": str(i), "mask": one_hot(each)} for i, each in enumerate(labels)]
    restored = oracle.deblur(blur, told)
    for i in range(2):
        grown = [(0, 0), (0, -height % 8), (0, -width % 8)]
        picture, mask = (
            torch.from_numpy(np.pad(np.asarray(x), grown, mode="reflect"))[None]
            for x in (blur[i], one_hot(labels[i]))
        )
        wanted = (oracle.network(picture * 2 - 1, mask)[0] + 1) / 2
        assert torch.allclose(restored[i], wanted[0, :, :height, :width].clamp(0, 1), atol=1e-5)
    assert not torch.allclose(restored, oracle.deblur(blur, told[::-1]), atol=1e-3)


def test_without_masks_it_refuses_in_one_line(oracle):
    blur = torch.rand(1, 3, 16, 16)
    for call in (oracle.deblur, oracle.restore, oracle.explain):
        with pytest.raises(UserError, match="true mask of each picture, an oracle"):
            call(blur)
    with pytest.raises(UserError, match="maps=labels"):
        oracle.face_maps(blur)


def test_it_costs_what_umsn_costs_without_sn_and_starts_from_its_weights(oracle):
    torch.manual_seed(1)
    other = build("umsn", "tiny", identity_start=False)
    assert all(torch.equal(oracle.state_dict()[name], x) for name, x in other.state_dict().items())
    sn = parameter_count(other.segmentation)
    assert parameter_count(*oracle.inference_modules()) == (
        parameter_count(*other.inference_modules()) - sn
    )
    alone = nn.Module()
    alone.compute = lambda picture: other.segmentation.maps(picture)
    alone.weight = nn.Parameter(torch.zeros(1))
    assert gmacs(oracle, 64, 64) == pytest.approx(gmacs(other, 64, 64) - gmacs(alone, 64, 64))


def test_from_training_to_a_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces, oracle, result = (str(tmp_path / name) for name in ("set", "run", "result"))
    source = open_source(str(tiny_data.write_faces(tmp_path / "faces", 3)), masks=True)
    synthesize(tiny_data.face_recipe(), source, tmp_path / "set")
    settings = ("maps=labels", "crop_size=32", "batch_size=1")
    words = ["--preset", "tiny", "--steps", "2", *(w for s in settings for w in ("--set", s))]
    assert run(["train", "--model", "umsn", "--data", faces, "--out", oracle, *words]) == 0
    words = ["--split", "train", "--checkpoint", oracle]
    capsys.readouterr()
    assert run(["evaluate", "--data", faces, "--out", result, *words]) == 0
    assert "umsn restores with the true mask of each picture: an oracle" in capsys.readouterr().out
    summary = read_json(tmp_path / "result/summary.json")
    assert summary["provenance"]["restores_with"] == ["mask"]
    assert summary["images"] == 6
    out = str(tmp_path / "out")
    assert run(["deblur", f"{faces}/train/blur", "--checkpoint", oracle, "--out", out]) == 2
    assert "only `blurbench evaluate` on a data set" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    told = ["--metrics", "f-score-skin", "--using", f"segmenter={oracle}"]
    words = ["--split", "train", "--identity", *told]
    assert run(["evaluate", "--data", faces, "--out", result + "2", *words]) == 2
    assert "a run of umsn" in capsys.readouterr().err
