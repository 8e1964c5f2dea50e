"""What is saved, and that nothing else is trusted."""

from pathlib import Path

import pytest
import torch
from torch import nn

from blurbench.errors import UserError
from blurbench.models.parts.weights import load_tensors, load_weights, save_tensors
from blurbench.training.averaging import evaluating, start_average, update_average
from blurbench.training.checkpoint import check_optimisers, optimiser_tensors, restore_optimisers
from blurbench.training.launch import child_arguments


def test_shared_tensors_are_stored_once_and_come_back(tmp_path: Path) -> None:
    weight = torch.rand(500, 10)
    save_tensors(tmp_path / "w.safetensors", {"a": weight, "b": weight, "c": weight + 1})
    assert (tmp_path / "w.safetensors").stat().st_size < 2.2 * weight.numel() * 4
    back = load_tensors(tmp_path / "w.safetensors")
    assert set(back) == {"a", "b", "c"}
    assert torch.equal(back["a"], weight)
    assert torch.equal(back["b"], weight)


def test_views_are_stored_contiguous(tmp_path: Path) -> None:
    weight = torch.rand(4, 6)
    save_tensors(tmp_path / "w.safetensors", {"a": weight.T, "b": weight[:, :3]})
    back = load_tensors(tmp_path / "w.safetensors")
    assert torch.equal(back["a"], weight.T)
    assert torch.equal(back["b"], weight[:, :3])


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\x80\x04}q\x00."])
def test_damaged_files_are_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"w\.safetensors"):
        load_tensors(tmp_path / "w.safetensors")


def test_weights_of_another_model_are_refused_with_the_difference(tmp_path: Path) -> None:
    save_tensors(tmp_path / "w.safetensors", nn.Conv2d(3, 4, 3).state_dict())
    with pytest.raises(UserError, match=r"2 of another shape \(bias"):
        load_weights(nn.Conv2d(3, 8, 3), tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="missing"):
        load_weights(nn.BatchNorm2d(4), tmp_path / "w.safetensors")


def test_optimiser_state_round_trips(tmp_path: Path) -> None:
    module = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.1)
    module(torch.rand(4, 3)).sum().backward()
    optimiser.step()
    save_tensors(tmp_path / "optimisers.safetensors", optimiser_tensors({"g": optimiser}))
    other = torch.optim.Adam(module.parameters(), lr=0.1)
    found = load_tensors(tmp_path / "optimisers.safetensors")
    check_optimisers({"g": other}, found)
    restore_optimisers({"g": other}, found)
    saved, loaded = optimiser_tensors({"g": optimiser}), optimiser_tensors({"g": other})
    assert saved.keys() == loaded.keys()
    assert all(torch.equal(saved[name], loaded[name]) for name in saved)


def test_average_lags_behind_and_evaluating_puts_all_back() -> None:
    module = nn.BatchNorm2d(2)
    averaged = start_average(module)
    with torch.no_grad():
        module.weight.fill_(3.0)
    update_average(averaged, module, decay=0.5, step=1000)
    assert torch.equal(averaged["weight"], torch.full((2,), 2.0))
    module.train()
    with evaluating(module, averaged):
        assert torch.equal(module.weight, averaged["weight"])
        assert not module.training
    assert torch.equal(module.weight, torch.full((2,), 3.0))
    assert module.training


def test_launched_processes_get_the_same_command_line() -> None:
    words = child_arguments(Path("d"), {"ema": None, "lr": 0.1}, model="unet", steps=None)
    assert words == ["--data", "d", "--model", "unet", "--set", "ema=null", "--set", "lr=0.1"]
    words = child_arguments(("demo", "builtin:photos"), {})
    assert words == ["--recipe", "demo", "--source", "builtin:photos"]
