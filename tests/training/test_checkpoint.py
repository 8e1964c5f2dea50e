"""What is saved, and that nothing else is trusted."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import nn

from blurbench.errors import UserError
from blurbench.models.parts.weights import load_tensors, load_weights, save_tensors
from blurbench.training.averaging import evaluating, start_average, update_average
from blurbench.training.checkpoint import (
    Checkpoint,
    Progress,
    Rescue,
    check_optimisers,
    checkpoints,
    newest_whole,
    optimiser_tensors,
    restore_optimisers,
    save_checkpoint,
    standing,
)
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


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("g/0/exp_avg", torch.zeros(2, 3).long(), "of another type"),
        ("g/0/exp_avg", torch.zeros(3, 2), "of another shape"),
        ("g/7/exp_avg", torch.zeros(2, 3), "unexpected"),
        ("nonsense", torch.zeros(2, 3), "unexpected"),
        ("g/1/step", None, "missing"),
    ],
)
def test_an_optimiser_takes_no_state_of_another(
    name: str, value: torch.Tensor | None, told: str
) -> None:
    module = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(module.parameters())
    module(torch.rand(4, 3)).sum().backward()
    optimiser.step()
    tensors = optimiser_tensors({"g": optimiser})
    check_optimisers({"g": optimiser}, tensors)
    changed = {key: each for key, each in tensors.items() if key != name}
    with pytest.raises(UserError, match=told):
        check_optimisers({"g": optimiser}, changed if value is None else changed | {name: value})


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with checkpoints of steps 3 and 5, which differ in every file."""
    run = tmp_path_factory.mktemp("two")
    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.1)
    for step in range(1, 6):
        module(torch.rand(4, 3)).sum().backward()
        optimiser.step()
        if step in (3, 5):
            averaged = {name: value / 2 for name, value in module.state_dict().items()}
            save_checkpoint(run, Progress(step, 1, 20.5), module, averaged, {"g": optimiser})
    return run


FILES = ("model.safetensors", "averaged.safetensors", "optimisers.safetensors", "progress.json")
KINDS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "another's": lambda _, other: other,
    "cut": lambda data, _: data[:-9],
    "empty": lambda *_: b"",
}


def damaged(run: Path, file: str, change: Callable[[bytes, bytes], bytes]) -> None:
    older, newest = (folder / file for folder in checkpoints(run))
    newest.write_bytes(change(newest.read_bytes(), older.read_bytes()))


def takes_all(_found: object) -> None:
    pass


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", FILES)
def test_the_one_before_a_damaged_checkpoint_is_taken(
    two: Path, tmp_path: Path, file: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(two, tmp_path / "run")
    damaged(run, file, KINDS[kind])
    assert newest_whole(run, takes_all, first=True).progress.step == 3
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert str(run / "checkpoints/000000005") in told
    assert "goes on from step 3 instead" in told
    assert [path.name for path in checkpoints(run)] == ["000000003"]
    assert (run / "checkpoints/000000005.damaged").is_dir()
    damaged_again = checkpoints(run)[0] / file
    damaged_again.unlink()
    with pytest.raises(UserError, match="no other checkpoint of this run is whole"):
        newest_whole(run, takes_all, first=True)
    assert checkpoints(run)


def test_what_another_process_sets_aside_meanwhile_is_passed_over(
    two: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(two, tmp_path / "run")

    def set_aside(found: Checkpoint) -> None:
        if found.progress.step == 5:
            found.folder.rename(found.folder.with_suffix(".damaged"))
            (found.folder / FILES[0]).read_bytes()

    assert newest_whole(run, set_aside, first=False).progress.step == 3


@pytest.mark.parametrize("file", FILES)
def test_a_flipped_bit_of_any_byte_is_told(two: Path, tmp_path: Path, file: str) -> None:
    run = shutil.copytree(two, tmp_path / "run")
    path = checkpoints(run)[-1] / file
    data = path.read_bytes()
    said = json.loads(data) if path.suffix == ".json" else None
    for place in range(0, len(data), 1 if said else 5):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        if said and valid(flipped) == said:
            continue  # another space: nothing is said otherwise
        assert newest_whole(run, takes_all, first=False).progress.step == 3, place


def valid(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return None


def test_the_step_is_the_folders_own(two: Path, tmp_path: Path) -> None:
    run = shutil.copytree(two, tmp_path / "run")
    checkpoints(run)[-1].rename(run / "checkpoints" / "000000009")
    assert newest_whole(run, takes_all, first=False).progress.step == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step", 1_000_000), ("step", "5"), ("step", None), ("step", -5), ("step", 5.5),
        ("best_step", 7), ("looks_since", True), ("best_metric", "high"), ("newer", 1),
    ],
)  # fmt: skip
def test_a_step_without_a_checksum_is_still_checked(
    two: Path, tmp_path: Path, name: str, value: object
) -> None:
    run = shutil.copytree(two, tmp_path / "run")
    path = checkpoints(run)[-1] / "progress.json"
    path.write_text(json.dumps({**asdict(Progress(5, 1, 20.5)), name: value}))
    assert newest_whole(run, takes_all, first=False).progress.step == 3


def test_a_disturbed_write_leaves_what_was_there(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(two, tmp_path / "run")
    module = nn.Linear(3, 2)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("blurbench.training.checkpoint.write_json", full)
    with pytest.raises(OSError, match=r"No space left.*checkpoints/000000007"):
        save_checkpoint(run, Progress(7), module, None, {})
    names = {path.name for path in (run / "checkpoints").iterdir()}
    assert names == {"000000003", "000000005"}


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


def test_a_rescue_keeps_what_is_newer_and_finite(tmp_path: Path) -> None:
    model, rescue = nn.Linear(2, 1), Rescue()
    rescue.keep()  # nothing is held yet
    for step, value, kept in (
        (3, 1.0, [3]),
        (2, 1.0, [3]),
        (4, float("nan"), [3]),
        (5, 2.0, [3, 5]),
    ):
        nn.init.constant_(model.weight, value)
        rescue.hold(standing(tmp_path, Progress(step), model, None, {}))
        nn.init.zeros_(model.weight)  # what the step does is no part of it
        rescue.keep()
        assert [int(each.name) for each in checkpoints(tmp_path)] == kept
    saved = load_tensors(checkpoints(tmp_path)[-1] / "model.safetensors")
    assert saved["weight"].tolist() == [[2.0, 2.0]]
