"""`blurbench deblur`: files in, files out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from blurbench.__main__ import run
from blurbench.errors import UserError
from blurbench.images import encode, read_image
from blurbench.inference import restoring
from blurbench.inference.files import deblur_files
from blurbench.models.unet import UNet
from blurbench.runs.load import load_run
from blurbench.runs.trained import TrainedModel


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
    result = deblur_files(tmp_path / "in", load_run(finished, "cpu"), tmp_path / "out")
    assert read_image(tmp_path / "out" / "a.png").shape == (33, 50, 3)
    assert read_image(tmp_path / "out" / "sub" / "b.png").shape == (16, 17, 3)
    assert len(result.made) == 2
    assert len(result.failed) == 1
    assert "text.jpg" in result.failed[0]


def test_a_fault_while_restoring_costs_its_picture_and_is_told_with_its_place(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_model: UNet, _blur: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(UNet, "restore", broken)
    picture(tmp_path / "a.png", 20, 20)
    result = deblur_files(tmp_path / "a.png", load_run(finished, "cpu"), tmp_path / "b.png")
    [told] = result.failed
    assert told.startswith(f"{tmp_path / 'a.png'}: RuntimeError: shapes cannot be multiplied (")
    assert ".py:" in told


def test_one_picture_to_one_file(finished: Path, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 20, 20)
    deblur_files(tmp_path / "a.png", load_run(finished, "cpu"), tmp_path / "b.png")
    assert read_image(tmp_path / "b.png").shape == (20, 20, 3)


def test_pictures_that_would_overwrite_each_other_are_refused(
    finished: Path, tmp_path: Path
) -> None:
    picture(tmp_path / "in" / "a.png", 16, 16)
    picture(tmp_path / "in" / "a.bmp", 16, 16)
    with pytest.raises(UserError, match="suffix"):
        deblur_files(tmp_path / "in", load_run(finished, "cpu"), tmp_path / "out")


def test_the_users_own_pictures_are_never_overwritten(finished: Path, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png", 16, 16)
    before = (tmp_path / "in" / "a.png").read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    for out in (tmp_path / "in", tmp_path / "link"):
        with pytest.raises(UserError, match="overwrite"):
            deblur_files(tmp_path / "in", load_run(finished, "cpu"), out)
    with pytest.raises(UserError, match="overwrite"):
        deblur_files(
            tmp_path / "in" / "a.png", load_run(finished, "cpu"), tmp_path / "in" / "a.png"
        )
    assert (tmp_path / "in" / "a.png").read_bytes() == before


def test_another_suffix_than_png_is_refused(finished: Path, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 16, 16)
    with pytest.raises(UserError, match="PNG"):
        deblur_files(tmp_path / "a.png", load_run(finished, "cpu"), tmp_path / "b.jpg")


def test_tiles_are_told_in_one_line(finished: Path, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png", 80, 50)
    picture(tmp_path / "in" / "b.png", 40, 50)
    result = deblur_files(tmp_path / "in", load_run(finished, "cpu"), tmp_path / "out", tile=64)
    assert result.notes == ["1 of 2 restored in tiles of 64 px that share 32 px"]
    with pytest.raises(UserError, match="--tile 40: unet needs a multiple of 16"):
        deblur_files(tmp_path / "in", load_run(finished, "cpu"), tmp_path / "out", tile=40)


def test_a_model_without_maps_says_so(finished: Path, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 16, 16)
    explain = tmp_path / "maps"
    model = load_run(finished, "cpu")
    result = deblur_files(tmp_path / "a.png", model, tmp_path / "out", explain=explain)
    assert result.notes == [f"{explain}: nothing to show; unet makes no maps"]
    assert not explain.exists()


def test_maps_and_animations_are_written_below_the_names_of_the_pictures(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = torch.rand(3, 3, 9, 10, generator=torch.Generator().manual_seed(0))
    maps = {"where": frames[0], "loop": frames, "still": frames[:1]}
    monkeypatch.setattr(UNet, "explain", lambda *_: maps)
    picture(tmp_path / "in" / "sub" / "a.b.png", 16, 16)
    model, explain = load_run(finished, "cpu"), tmp_path / "maps"
    result = deblur_files(tmp_path / "in", model, tmp_path / "out", explain=explain)
    assert result.notes == [f"2 maps in {explain}"]
    levels = (frames * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    folder = explain / "sub" / "a.b"
    assert {path.name for path in folder.iterdir()} == {"where.png", "loop.webp"}
    assert np.array_equal(read_image(folder / "where.png"), levels[0])
    with Image.open(folder / "loop.webp") as moving:
        assert moving.n_frames == 3
        for index, frame in enumerate(levels):
            moving.seek(index)
            assert np.array_equal(np.asarray(moving.convert("RGB")), frame)
    with pytest.raises(UserError, match="--explain"):
        deblur_files(tmp_path / "in", model, tmp_path / "out", explain=tmp_path / "in")


def test_an_interrupt_keeps_what_was_finished(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore = TrainedModel.restore

    def interrupted(self, blur, *more):
        if blur.shape[0] == 24:
            raise KeyboardInterrupt
        return restore(self, blur, *more)

    monkeypatch.setattr(TrainedModel, "restore", interrupted)
    for name, height in (("a", 16), ("b", 24)):
        picture(tmp_path / "in" / f"{name}.png", height, 16)
    words = ["--checkpoint", str(finished), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert run(["deblur", str(tmp_path / "in"), *words]) == 130
    assert [path.name for path in (tmp_path / "out").glob("[!.]*")] == ["a.png"]


def test_several_bad_pictures_are_listed_and_the_exit_code_is_1(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(tmp_path / "in" / "b.png", 16, 16)
    for name in ("a.jpg", "c.png"):
        (tmp_path / "in" / name).write_text("no picture")
    words = ["--checkpoint", str(finished), "--out", str(tmp_path / "out"), "--tta"]
    assert run(["deblur", str(tmp_path / "in"), *words]) == 1
    told = capsys.readouterr()
    assert told.out == f"1 restored into {tmp_path / 'out'}\n"
    assert [line for line in told.err.splitlines() if line.startswith("failed: ")] == [
        f"failed: {tmp_path / 'in' / name}: not a readable image" for name in ("a.jpg", "c.png")
    ]


def test_tiles_are_notes_beside_the_count_of_pictures() -> None:
    told = []
    tell = restoring.tell_tiles(lambda *words: told.append(words))
    for done in (1, 2, 3):
        tell(done, 3)
    assert told == [(0, "tile 1 of 3"), (0, "tile 2 of 3")]
