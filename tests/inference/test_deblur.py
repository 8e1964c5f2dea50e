"""A finished run on anybody's pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from blurbench.errors import UserError
from blurbench.files import write_json
from blurbench.images import encode, read_image
from blurbench.inference.deblur import deblur_files, load_run, pick_device
from blurbench.models import build
from blurbench.models.weights import save_tensors


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run folder of an untrained tiny unet."""
    torch.manual_seed(0)
    model = build("unet", preset="tiny")
    run = tmp_path / "run"
    write_json(
        run / "config.json",
        {
            "model": "unet",
            "preset": "tiny",
            "config": model.config.model_dump(mode="json"),
            "steps": 1,
            "seed": 0,
            "data": {"digest": "0", "recipe": "none"},
        },
    )
    save_tensors(run / "model.safetensors", model.state_dict())
    save_tensors(run / "last.safetensors", model.state_dict())
    return run


def picture(path: Path, height: int, width: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        encode(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))
    )


def test_a_folder_keeps_names_sizes_and_goes_on_after_a_bad_file(
    finished: Path, tmp_path: Path
) -> None:
    picture(tmp_path / "in" / "a.png", 33, 50)
    picture(tmp_path / "in" / "sub" / "b.png", 16, 17)
    (tmp_path / "in" / "text.jpg").write_text("no picture")
    result = deblur_files(tmp_path / "in", finished, tmp_path / "out", "cpu")
    assert read_image(tmp_path / "out" / "a.png").shape == (33, 50, 3)
    assert read_image(tmp_path / "out" / "sub" / "b.png").shape == (16, 17, 3)
    assert len(result.made) == 2
    assert len(result.failed) == 1
    assert "text.jpg" in result.failed[0]


def test_one_picture_to_one_file(finished: Path, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 20, 20)
    deblur_files(tmp_path / "a.png", finished, tmp_path / "b.png", "cpu")
    assert read_image(tmp_path / "b.png").shape == (20, 20, 3)


def test_pictures_that_would_overwrite_each_other_are_refused(
    finished: Path, tmp_path: Path
) -> None:
    picture(tmp_path / "in" / "a.png", 16, 16)
    picture(tmp_path / "in" / "a.bmp", 16, 16)
    with pytest.raises(UserError, match="suffix"):
        deblur_files(tmp_path / "in", finished, tmp_path / "out", "cpu")


def test_weights_of_another_model_are_refused(finished: Path) -> None:
    save_tensors(finished / "model.safetensors", torch.nn.Linear(2, 2).state_dict())
    with pytest.raises(UserError, match="another model or preset"):
        load_run(finished, "cpu")


def test_an_unfinished_run_says_so(finished: Path) -> None:
    (finished / "last.safetensors").unlink()
    with pytest.raises(UserError, match="--resume"):
        load_run(finished, "cpu")


@pytest.mark.parametrize("content", ["{}", "[]", "{"])
def test_a_config_of_something_else_is_one_line(finished: Path, content: str) -> None:
    (finished / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json"):
        load_run(finished, "cpu")


def test_the_users_own_pictures_are_never_overwritten(finished: Path, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png", 16, 16)
    before = (tmp_path / "in" / "a.png").read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    for out in (tmp_path / "in", tmp_path / "link"):
        with pytest.raises(UserError, match="overwrite"):
            deblur_files(tmp_path / "in", finished, out, "cpu")
    with pytest.raises(UserError, match="overwrite"):
        deblur_files(tmp_path / "in" / "a.png", finished, tmp_path / "in" / "a.png", "cpu")
    assert (tmp_path / "in" / "a.png").read_bytes() == before


def test_another_suffix_than_png_is_refused(finished: Path, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 16, 16)
    with pytest.raises(UserError, match="PNG"):
        deblur_files(tmp_path / "a.png", finished, tmp_path / "b.jpg", "cpu")


@pytest.mark.parametrize("device", ["foo", "cuda:99"])
def test_a_device_that_is_not_there_is_one_line(device: str) -> None:
    with pytest.raises(UserError, match="--device"):
        pick_device(device)


def test_the_same_picture_gives_the_same_bytes(finished: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (24, 31, 3), np.uint8)
    model = load_run(finished, "cpu")
    assert np.array_equal(model(image), load_run(finished, "cpu")(image))
