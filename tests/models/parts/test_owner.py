"""Whose weights a file holds: told by names and shapes, in every wrapping, or the reason."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn
from torch.optim.swa_utils import AveragedModel

from blurbench.cli import cli
from blurbench.errors import UserError
from blurbench.inference.export_model import AUTHORS, export_model
from blurbench.models import MODELS, build
from blurbench.models.parts.owner import SIGNS, owner_of
from blurbench.models.parts.weights import save_tensors
from blurbench.runs.load import load_checkpoint, owner_of_checkpoint
from blurbench.runs.trained import TrainedModel

# They write sentences, or restore with their help: the words lie in their runs.
WITH_WORDS = {"s3e", "s3e-imc", "vp-tree", "nic", "toronto", "topdown"}
OWN_SIZES = [
    ("nafnet", {"width": 12, "encoder": "1,2,1,3", "middle": 2, "decoder": "1,1,2,1"}),
    ("restormer", {"width": 16, "blocks": "1,1,1,2", "refinement": 2}),
    ("mprnet", {"width": 20, "step": 12, "original_step": 4, "original_blocks": 2}),
    ("mprnet", {"network": "stage1", "width": 20, "step": 12}),
    ("mimo-unet", {"width": 12, "blocks": 3}),
    ("mssnet", {"width": 14, "step": 6}),
    ("deepdeblur", {"width": 12, "blocks": 4}),
]


def shapes(name: str, preset: str, **fields) -> dict[str, torch.Tensor]:
    """Tensors of the shapes of a model; of no memory."""
    with torch.device("meta"):
        state = build(name, preset, **fields).state_dict()
    return {key: torch.zeros((), dtype=x.dtype).expand(x.shape) for key, x in state.items()}


def test_every_model_has_a_sign():
    assert SIGNS.keys() | WITH_WORDS == MODELS.keys()


@pytest.mark.parametrize("name", sorted(SIGNS.keys() - {"sp"}))  # as its own run, below
def test_presets_are_found(name):
    # The two MIMO-UNets differ by their blocks alone.
    preset = "paper" if name == "mimo-unet-plus" else "tiny"
    found = owner_of(shapes(name, preset), "w.pth")
    assert (found.model, found.preset, found.fields) == (name, preset, {})


@pytest.mark.parametrize(("name", "fields"), OWN_SIZES)
def test_sizes_are_read_off(name, fields):
    found = owner_of(shapes(name, "paper", **fields), "w.pth")
    assert found.model == name
    again = shapes(found.model, found.preset, **found.fields)
    wanted = shapes(name, "paper", **fields)
    assert {k: v.shape for k, v in again.items()} == {k: v.shape for k, v in wanted.items()}


def test_what_leaves_no_trace_is_told():
    """The norm of unet has no weights: its sizes alone are another model's, or nobody's."""
    with pytest.raises(UserError, match=r"w\.pth: a file of weights, .* of no model here; say"):
        owner_of(shapes("unet", "paper", widths="8,16", blocks="1,1"), "w.pth")
    assert "; norm as the preset has it" in str(owner_of(shapes("unet", "tiny"), ""))
    found = owner_of(shapes("deblurgan", "paper"), "")
    assert "repo would fit, too: --model and --preset" in str(found)
    assert owner_of(shapes("mimo-unet-plus", "tiny"), "").alike == ("mimo-unet-plus tiny",)
    with pytest.raises(UserError, match="tensors \\(none\\)"):
        owner_of({}, "w.pth")
    found = shapes("nafnet", "tiny")
    assert owner_of(found, "").model == "nafnet"
    del found["network.ending.bias"]
    with pytest.raises(UserError, match="of no model here"):
        owner_of(found, "w.pth")


def wrapped(kind: str, network: nn.Module) -> dict:
    """What people save of a network."""
    state = network.state_dict()
    doubled = {key: 2 * x for key, x in state.items()}
    return {
        "bare": state,
        "parallel": {f"module.{key}": x for key, x in state.items()},
        "averaged": AveragedModel(network).state_dict(),
        "params": {"params": state},
        "ema": {"params": doubled, "params_ema": state, "iter": 7},
        "lightning": {
            "state_dict": {
                **{f"net.{key}": x for key, x in state.items()},
                "lpips.lin0.weight": torch.zeros(1, 64, 1, 1),
                "train_psnr.total": torch.zeros(()),
            },
            "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
            "epoch": 3,
        },
    }[kind]


@pytest.mark.parametrize("kind", ["bare", "parallel", "averaged", "params", "ema", "lightning"])
def test_every_wrapping_restores_without_being_told(kind, tmp_path, capsys):
    torch.manual_seed(0)
    model = build("nafnet", "tiny", width=8, encoder="1,1,1,4")
    torch.save(wrapped(kind, model.network), tmp_path / "w.pth")
    loaded = load_checkpoint(tmp_path / "w.pth", "cpu")
    assert loaded.provenance["config"]["width"] == 8
    assert "by names and shapes of nafnet, preset tiny, width=8" in capsys.readouterr().err
    blur = torch.rand(1, 3, 40, 33)
    assert torch.equal(loaded.model.deblur(blur), model.deblur(blur))


@pytest.mark.parametrize("name", AUTHORS)
def test_what_is_exported_for_the_authors_is_known_again(name, tmp_path):
    ours = TrainedModel(name, build(name, "tiny"), torch.device("cpu"), {"model": name})
    export_model(ours, "authors", tmp_path / "w.pth")
    same = {"mimo-unet-plus": "mimo-unet"}.get(name, name)  # of as many blocks
    assert owner_of_checkpoint(tmp_path / "w.pth").model == same


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<!DOCTYPE html><html>", "a web page, not a checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
    ],
)
def test_the_reason_is_told_when_it_is_none(data, why, tmp_path):
    (tmp_path / "w.pth").write_bytes(data)
    with pytest.raises(UserError, match=why):
        load_checkpoint(tmp_path / "w.pth")


def test_a_pickled_class_is_named(tmp_path):
    torch.save(nn.Conv2d(1, 1, 1), tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"holds torch\.nn\.modules\.conv\.Conv2d, whose code"):
        load_checkpoint(tmp_path / "w.pth")


def test_own_weights_outside_of_their_run_are_known(tmp_path):
    model = build("sp", "tiny")
    save_tensors(tmp_path / "model.safetensors", model.state_dict())
    loaded = load_checkpoint(tmp_path / "model.safetensors", "cpu")
    assert (loaded.name, loaded.provenance["preset"]) == ("sp", "tiny")


def plan_of(*words: object) -> str:
    """What click says of a training that never begins: there is no data."""
    done = CliRunner().invoke(cli, ["train", "--data", "none", *map(str, words)])
    return f"{done.output}{done.exception}"


def test_training_takes_the_model_of_its_first_weights(tmp_path: Path):
    save_tensors(tmp_path / "w.safetensors", build("nafnet", "tiny", width=8).state_dict())
    told = plan_of("--init", tmp_path / "w.safetensors", "--out", tmp_path / "run")
    assert "nafnet, preset tiny, width=8" in told
    assert "Give --model" in plan_of("--out", tmp_path / "run")
    told = plan_of("--init", "w.pth", "--preset", "tiny", "--out", tmp_path / "run")
    assert "no --preset" in told
