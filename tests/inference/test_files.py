"""`blurbench deblur`: files in, files out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from blurbench import engine
from blurbench.__main__ import run
from blurbench.engine import Done, Workers
from blurbench.errors import UserError
from blurbench.images import encode, read_image
from blurbench.inference import restoring
from blurbench.inference.files import deblur_files, output_paths
from blurbench.inference.record import RECORD
from blurbench.models.unet import UNet
from blurbench.runs.load import load_checkpoint, load_run
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
    told = r"in/a\.bmp and a\.png would become one a\.png; nothing was restored: rename all but one"
    with pytest.raises(UserError, match=told):
        deblur_files(tmp_path / "in", load_run(finished, "cpu"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_all_pictures_that_would_overwrite_each_other_are_told_at_once(tmp_path: Path) -> None:
    names = ["a.bmp", "a.jpg", "a.png", "b.png"]
    names += [f"{name}.{kind}" for name in "cdefg" for kind in ("jpg", "png")]
    with pytest.raises(UserError) as told:
        output_paths(tmp_path, [tmp_path / name for name in names], Path("out"))
    assert str(told.value).replace(str(tmp_path), "in") == (
        "in/a.bmp, in/a.jpg and a.png would become one a.png;"
        " in/c.jpg and c.png would become one c.png; in/d.jpg and d.png would become one d.png;"
        " and 3 more such names; nothing was restored: rename all but one of each, or move them to"
        " another folder"
    )


def test_pictures_of_kinds_that_are_not_read_are_counted(finished: Path, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png", 16, 16)
    for name in ("a.gif", "b.HEIC"):
        (tmp_path / "in" / name).touch()
    notes = deblur_files(tmp_path / "in", load_run(finished, "cpu"), tmp_path / "out").notes
    wanted = "2 pictures of kinds that are not read (first: a.gif); convert them, as to PNG"
    assert [note for note in notes if "not read" in note] == [wanted]
    one = deblur_files(tmp_path / "in/a.png", load_run(finished, "cpu"), tmp_path / "b.png")
    assert not any("not read" in note for note in one.notes)


def test_the_users_own_pictures_are_never_overwritten(finished: Path, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png", 16, 16)
    before = (tmp_path / "in" / "a.png").read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    for out in (tmp_path / "in", tmp_path / "link"):
        with pytest.raises(UserError, match="lies in the folder to restore"):
            deblur_files(tmp_path / "in", load_run(finished, "cpu"), out)
    with pytest.raises(UserError, match="overwrite"):
        deblur_files(
            tmp_path / "in" / "a.png", load_run(finished, "cpu"), tmp_path / "in" / "a.png"
        )
    assert (tmp_path / "in" / "a.png").read_bytes() == before


def test_what_others_wrote_is_never_overwritten_and_our_own_is(
    finished: Path, tmp_path: Path
) -> None:
    model = load_run(finished, "cpu")
    for name in "ab":
        picture(tmp_path / "in" / f"{name}.png", 16, 16)
    picture(tmp_path / "out" / "b.png", 8, 8)
    before = (tmp_path / "out" / "b.png").read_bytes()
    for source, out in (("in", "out"), ("in/b.png", "out"), ("in/b.png", "out/b.png")):
        with pytest.raises(UserError, match=r"b\.png: is there, and not made by this; move it"):
            deblur_files(tmp_path / source, model, tmp_path / out)
    assert (tmp_path / "out" / "b.png").read_bytes() == before
    assert not (tmp_path / "out" / "a.png").exists()
    (tmp_path / "out" / "b.png").unlink()
    deblur_files(tmp_path / "in", model, tmp_path / "out")
    # As a kill leaves it: written, and its line torn off.
    record = tmp_path / "out" / RECORD
    record.write_bytes(b"".join(record.read_bytes().splitlines(keepends=True)[:-1]))
    again = deblur_files(tmp_path / "in", model, tmp_path / "out", tta=True)
    assert (len(again.made), again.failed) == (2, [])


def test_pictures_are_not_restored_into_the_folder_they_lie_in(
    finished: Path, tmp_path: Path
) -> None:
    picture(tmp_path / "in" / "a.bmp", 16, 16)
    for out in ("in", "in/out"):
        with pytest.raises(UserError, match=r"lies in the folder to restore; give an --out outs"):
            deblur_files(tmp_path / "in", load_run(finished, "cpu"), tmp_path / out)


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


def test_a_picture_that_cannot_be_read_is_restored_into_no_file(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "note.txt").write_text("no picture")
    assert run(["deblur", str(tmp_path / "note.txt"), "--checkpoint", str(finished)]) == 1
    told = capsys.readouterr()
    assert told.out == "0 restored\n"
    assert "note.txt: not a readable image" in told.err
    assert [path.name for path in tmp_path.glob("note*")] == ["note.txt"]


def test_tiles_are_notes_beside_the_count_of_pictures() -> None:
    told = []
    tell = restoring.tell_tiles(lambda *words: told.append(words))
    for done in (1, 2, 3):
        tell(done, 3)
    assert told == [(0, "tile 1 of 3"), (0, "tile 2 of 3")]


def count_restored(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Heights of what is restored from now on."""
    restore, seen = TrainedModel.restore, []

    def counting(self, blur, *more):
        seen.append(blur.shape[0])
        return restore(self, blur, *more)

    monkeypatch.setattr(TrainedModel, "restore", counting)
    return seen


def test_a_second_call_restores_only_what_is_not_there_as_it_was_made(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, out = load_run(finished, "cpu"), tmp_path / "out"
    for name, height in (("a", 16), ("b", 18), ("sub/c", 20), ("d", 22)):
        picture(tmp_path / "in" / f"{name}.png", height, 16)
    seen = count_restored(monkeypatch)

    def again(**options) -> list[int]:
        seen.clear()
        done = deblur_files(tmp_path / "in", model, out, **options)
        assert [path.relative_to(out).as_posix() for path in done.made] == [
            "a.png",
            "b.png",
            "d.png",
            "sub/c.png",
        ]
        return sorted(seen)

    assert again() == [16, 18, 20, 22]
    with (out / ".deblur.jsonl").open("ab") as file:
        file.write(b'{"name": "d.png", "how')  # as a kill leaves it
    whole = (out / "a.png").read_bytes()
    (out / "a.png").write_bytes(whole[:-1])
    (out / "b.png").unlink()
    picture(tmp_path / "in" / "sub" / "c.png", 24, 16)
    assert again() == [16, 18, 24]
    assert (out / "a.png").read_bytes() == whole
    assert again() == []
    assert again(tta=True) == [16, 18, 22, 24]
    assert again(explain=tmp_path / "maps") == [16, 18, 22, 24]


def test_one_picture_is_restored_whenever_it_is_asked_for(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "a.png", 20, 20)
    seen = count_restored(monkeypatch)
    for _ in range(2):
        deblur_files(tmp_path / "a.png", load_run(finished, "cpu"), tmp_path / "out")
    assert len(seen) == 2
    # The record tells only that the picture is ours, to be overwritten.
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [RECORD, "a.png"]


@pytest.mark.slow
def test_two_workers_write_the_same_files(
    finished: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        picture(tmp_path / "in" / f"{number}.png", 40 + number, 50)
    (tmp_path / "in" / "text.jpg").write_text("no picture")
    words = ["deblur", str(tmp_path / "in"), "--checkpoint", str(finished), "--device", "cpu"]
    words += ["--tile", "32"]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert run([*words, "--out", str(tmp_path / "here")]) == 1
    torch.set_num_threads(threads)
    here = capfd.readouterr()
    assert run([*words, "--out", str(tmp_path / "two"), "--workers", "2"]) == 1
    two = capfd.readouterr()
    files = [sorted((tmp_path / name).glob("*.png")) for name in ("here", "two")]
    here_bytes, two_bytes = ([each.read_bytes() for each in of] for of in files)
    assert here_bytes == two_bytes
    assert len(files[1]) == 6
    assert two.out == here.out.replace("here", "two")
    assert two.out.endswith("6 of 7 restored in tiles of 32 px that share 16 px\n")
    assert "failed:" in two.err


def test_a_picture_that_kills_its_workers_costs_only_itself(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deadly(function, shards, _workers):
        for shard in shards:
            killed = any(each.path.stem == "b" for each in shard)
            yield Done(shard, None if killed else function(shard), killed)

    monkeypatch.setattr(engine, "run_shards", deadly)
    monkeypatch.setattr(engine, "_held", {})
    monkeypatch.setattr(restoring, "one_thread", lambda: None)
    for name in "abc":
        picture(tmp_path / "in" / f"{name}.png", 16, 16)
    model = load_checkpoint(finished, "cpu")
    done = deblur_files(tmp_path / "in", model, tmp_path / "out", workers=Workers(2))
    assert [path.stem for path in done.made] == ["a", "c"]
    assert done.failed[0].startswith(f"{tmp_path / 'in' / 'b.png'}: each worker that took it died")
    with pytest.raises(UserError, match="only this process can restore with it"):
        deblur_files(tmp_path / "in", load_run(finished, "cpu"), tmp_path / "x", workers=Workers(2))
