"""A finished run on anybody's pictures."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.parts.weights import load_tensors, save_tensors
from blurbench.runs import trained as module
from blurbench.runs.devices import pick_device
from blurbench.runs.load import load_checkpoint, load_run
from blurbench.runs.trained import TrainedModel


def test_weights_of_another_model_are_refused(finished: Path) -> None:
    save_tensors(finished / "model.safetensors", torch.nn.Linear(2, 2).state_dict())
    with pytest.raises(UserError, match="another model or preset"):
        load_run(finished, "cpu")


def test_an_unfinished_run_says_so(finished: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (24, 31, 3), np.uint8)
    wanted = load_run(finished, "cpu")(image)
    (finished / "last.safetensors").unlink()
    with pytest.raises(UserError, match="--resume, or ") as told:
        load_run(finished, "cpu")
    # What it names works, for a run that cannot go on.
    words = str(told.value).partition("--checkpoint ")[2].split()
    assert words[1::2] == ["--model", "--preset"]
    assert np.array_equal(load_checkpoint(Path(words[0]), "cpu", *words[2::2])(image), wanted)
    (finished / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"--resume$"):
        load_run(finished, "cpu")


@pytest.mark.parametrize("content", ["{}", "[]", "{"])
def test_a_config_of_something_else_is_one_line(finished: Path, content: str) -> None:
    (finished / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json"):
        load_run(finished, "cpu")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"steps": 0}, "steps: should be greater than 0"),
        ({"seed": "0"}, "seed"),
        ({"data": {"digest": "0"}}, "lacks the field data.recipe"),
        ({"newer": 1}, "newer"),
        ({"preset": "none"}, "config.json: unet has no preset 'none'"),
        ({"config": {"preset": "tiny"}}, "config.json: unet has no field 'preset'"),
        ({"config": {"widths": [10**6, 8], "blocks": [1, 1]}}, "config.json: unet with .* GB"),
        ({"check": "0" * 16}, "config.json: was changed since it was written; take another"),
    ],
)
def test_a_config_that_was_changed_is_one_line(
    finished: Path, changed: dict[str, Any], told: str
) -> None:
    config = json.loads((finished / "config.json").read_bytes())
    (finished / "config.json").write_text(json.dumps(config | changed))
    with pytest.raises(UserError, match=told):
        load_run(finished, "cpu")


@pytest.mark.parametrize("odd", [float("nan"), 3])
def test_weights_that_are_none_are_refused(finished: Path, odd: float) -> None:
    tensors = load_tensors(finished / "model.safetensors")
    name = next(iter(tensors))
    tensors[name] = torch.full(tensors[name].shape, odd)  # of integers for an integer
    save_tensors(finished / "model.safetensors", tensors)
    with pytest.raises(UserError, match=r"model\.safetensors: .*(NaN|another type)"):
        load_run(finished, "cpu")


@pytest.mark.parametrize("device", ["foo", "meta", "mps", "cuda:99"])
def test_a_device_that_is_not_there_is_one_line(device: str) -> None:
    with pytest.raises(UserError, match="--device"):
        pick_device(device)


def test_the_same_picture_gives_the_same_bytes(finished: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (24, 31, 3), np.uint8)
    model = load_run(finished, "cpu")
    assert np.array_equal(model(image), load_run(finished, "cpu")(image))


def sampled(model: TrainedModel, most: int, seen: list[int]) -> TrainedModel:
    """A model that says it has no memory for more than `most` pixels."""

    def deblur(blur: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
        seen.append(blur.shape[-1] * blur.shape[-2])
        if seen[-1] > most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return blur, {"pictures": 1.0}

    model.model.deblur_counted = deblur  # type: ignore[method-assign]
    return model


def test_tiles_get_smaller_until_the_memory_suffices(finished: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (300, 400, 3), np.uint8)
    seen: list[int] = []
    restored = sampled(load_run(finished, "cpu"), 150**2, seen).restore(image)
    assert seen[:2] == [300 * 400, 256 * 256]
    assert restored.tile == 128
    assert restored.figures == {"pictures": len(seen) - 2}
    assert np.array_equal(restored.image, image)


def test_what_fits_into_no_tile_is_told_as_it_is(finished: Path) -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    with pytest.raises(RuntimeError, match="allocate"):
        sampled(load_run(finished, "cpu"), 10, []).restore(image)


def test_another_error_than_of_memory_is_not_tried_again(finished: Path) -> None:
    model, seen = load_run(finished, "cpu"), []

    def broken(blur: torch.Tensor) -> None:
        seen.append(blur)
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    model.model.deblur_counted = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(RuntimeError, match="mat1"):
        model.restore(np.zeros((300, 400, 3), np.uint8))
    assert len(seen) == 1


def test_on_the_cpu_tiles_are_chosen_by_what_a_pixel_takes(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_run(finished, "cpu")
    assert 200 < model.bytes_per_pixel < 2000
    for pixels, sides in (
        (4000 * 3000, [4000, 1024, 512, 256, 128]),
        (4000 * 3000 - 1, [1024, 512, 256, 128]),
        (512 * 512, [512, 256, 128]),
        (10, [128]),
    ):
        monkeypatch.setattr(module, "allowance", lambda n=pixels: n * model.bytes_per_pixel)
        assert model.sides(3000, 4000) == sides
    assert model.sides(300, 400) == [400, 256, 128]


def test_weights_of_a_public_file_restore(finished: Path, tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (24, 31, 3), np.uint8)
    wanted = load_run(finished, "cpu")
    weights = tmp_path / "public.pth"
    torch.save({"params": wanted.model.state_dict()}, weights)
    assert np.array_equal(load_checkpoint(weights, "cpu")(image), wanted(image))
    torch.save({"weight": torch.zeros(1)}, tmp_path / "others.pth")
    with pytest.raises(UserError, match="--model NAME"):
        load_checkpoint(tmp_path / "others.pth", "cpu")
    with pytest.raises(UserError, match="leave out --model"):
        load_checkpoint(weights.parent, "cpu", "unet")
    found = load_checkpoint(weights, "cpu", "unet", "tiny")
    assert np.array_equal(found(image), wanted(image))
    assert found.provenance["preset"] == "tiny"
    with pytest.raises(UserError, match="not weights of unet, preset paper"):
        load_checkpoint(weights, "cpu", "unet")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".npz", ".json"])
def test_what_lies_in_the_place_of_a_checkpoint_is_named(
    finished: Path, tmp_path: Path, suffix: str
) -> None:
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"device{suffix}").symlink_to("/dev/zero")
    (tmp_path / f"empty{suffix}").touch()
    told = {"pipe": "is a pipe; give a file", "device": "is a device", "empty": "the file is empty"}
    for name, words in told.items():
        with pytest.raises(UserError, match=f"{name}{suffix}: {words}"):
            load_checkpoint(tmp_path / f"{name}{suffix}")
    (finished / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    for path in (finished, finished / "model.safetensors"):
        with pytest.raises(UserError, match=r"model\.safetensors: a Git LFS pointer"):
            load_checkpoint(path)


def test_a_part_of_a_model_is_not_taken_for_all_of_it(tmp_path: Path) -> None:
    model = build("umsn", preset="tiny")
    networks = dict(model.named_children())
    part = next(n for n in networks.values() if n in model.inference_modules())
    torch.save(part.state_dict(), tmp_path / "part.pth")
    with pytest.raises(UserError, match="only a part of umsn"):
        load_checkpoint(tmp_path / "part.pth", "cpu", "umsn", "tiny")


def test_every_preset_is_built_again_from_what_a_run_keeps_of_it() -> None:
    with torch.device("meta"):
        for preset in ("paper", "tiny"):
            model = build("unet", preset=preset)
            kept = json.loads(model.config.model_dump_json())
            assert build("unet", preset=preset, **kept).config == model.config
    assert build("unet", preset="tiny", norm="none").config.norm == "none"


def test_bfloat16_is_off_by_little() -> None:
    torch.manual_seed(0)
    model = build("maxim", "tiny").eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    blur = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    exact, fast = (
        TrainedModel("maxim", model, torch.device("cpu"), {}, bf16=bf16)(blur).astype(int)
        for bf16 in (False, True)
    )
    assert (exact != blur).mean() > 0.5
    assert 0 < np.abs(exact - fast).max() <= 4
    assert np.abs(exact - fast).mean() < 0.5
