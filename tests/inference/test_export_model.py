"""A trained model as a file: read by others, it restores as here."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from blurbench.cli import cli
from blurbench.errors import UserError
from blurbench.inference import export_model as module
from blurbench.inference.export_model import export_model, picture
from blurbench.models import build
from blurbench.runs.trained import TrainedModel


def trained(name, preset="tiny"):
    torch.manual_seed(0)
    model = build(name, preset=preset).eval()
    return TrainedModel(name, model, torch.device("cpu"), {"model": name})


def restored(model, blur):
    with torch.no_grad():
        return model.restore(blur).clamp(0, 1)


@pytest.mark.slow
def test_a_program_restores_any_size(tmp_path):
    nafnet = trained("nafnet")
    told = export_model(nafnet, "torch", tmp_path / "nafnet.pt2")
    assert "sides divisible by 16" in told
    program = torch.export.load(tmp_path / "nafnet.pt2").module()
    for sides in ((32, 32), (80, 144)):
        blur = picture(nafnet.model, sides)
        assert torch.allclose(program(blur), restored(nafnet.model, blur), atol=1e-6)


@pytest.mark.slow
def test_onnx_restores_any_size(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    unet = trained("nafnet")
    export_model(unet, "onnx", tmp_path / "nafnet.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "nafnet.onnx")
    for sides in ((32, 32), (80, 144)):
        blur = picture(unet.model, sides)
        (found,) = session.run(None, {"blur": blur.numpy()})
        assert np.abs(found - restored(unet.model, blur).numpy()).max() < 1e-5


@pytest.mark.parametrize(
    ("name", "architecture", "needs"),
    [
        ("nafnet", "NAFNet", "spandrel"),
        ("restormer", "Restormer", "spandrel_extra_arches"),
        ("mprnet", "MPRNet", "spandrel_extra_arches"),
    ],
)
def test_programs_that_know_the_authors_networks_load_it(name, architecture, needs, tmp_path):
    spandrel = pytest.importorskip("spandrel", reason="spandrel is not installed")
    extra = pytest.importorskip(needs, reason=f"{needs} is not installed")
    if needs != "spandrel":
        extra.install(ignore_duplicates=True)
    ours = trained(name)
    export_model(ours, "authors", tmp_path / "weights.pth")
    loaded = spandrel.ModelLoader("cpu").load_from_file(tmp_path / "weights.pth")
    assert loaded.architecture.name == architecture
    blur = picture(ours.model, (64, 96))
    with torch.no_grad():
        assert torch.allclose(loaded(blur), restored(ours.model, blur), atol=1e-5)


@pytest.mark.parametrize("name", module.AUTHORS)
def test_what_is_written_for_the_authors_loads_here_again(name, tmp_path):
    ours = trained(name)
    export_model(ours, "authors", tmp_path / "weights.pth")
    held = torch.load(tmp_path / "weights.pth", weights_only=True)
    assert list(held) == [module.AUTHORS[name]]
    words = ["export-model", str(tmp_path / "weights.pth"), "--model", name, "--preset", "tiny"]
    out = tmp_path / "again.pth"
    done = CliRunner().invoke(cli, [*words, "--to", "authors", "--out", str(out)])
    assert done.exit_code == 0, done.output
    again = torch.load(out, weights_only=True)[module.AUTHORS[name]]
    assert again.keys() == ours.model.network.state_dict().keys()
    assert all(torch.equal(again[key], held[module.AUTHORS[name]][key]) for key in again)


def test_a_file_that_would_restore_otherwise_is_not_written(tmp_path, monkeypatch):
    def wrong(_trained, restoring):
        return b"wrong", lambda blur: restoring(blur) + 0.01

    monkeypatch.setitem(module.KINDS, "torch", wrong)
    with pytest.raises(UserError, match="would restore otherwise than the model, by up to"):
        export_model(trained("unet"), "torch", tmp_path / "unet.pt2")
    assert not (tmp_path / "unet.pt2").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [("unet", "no released code takes it"), ("nic", "restores no picture by itself")],
)
def test_what_cannot_be_written_is_told(name, why, tmp_path):
    with pytest.raises(UserError, match=why):
        export_model(trained(name), "authors", tmp_path / "x")
