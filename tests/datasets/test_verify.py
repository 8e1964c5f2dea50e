import json
import os
import shutil
from pathlib import Path

import cv2
import pytest
import tiny_data

from blurbench.datasets.make import synthesize
from blurbench.datasets.verify import verify
from blurbench.engine import Workers
from blurbench.errors import UserError
from blurbench.sources.open import open_source


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("verify")
    source = open_source(str(tiny_data.write_faces(root / "in", 2)), masks=True)
    synthesize(tiny_data.face_recipe(), source, root / "out")
    return root / "out"


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "out")


def only(problems: list[str]) -> str:
    assert len(problems) == 1, problems
    return problems[0]


def metadata(folder):
    return folder / "train" / "metadata.jsonl"


def test_a_set_as_it_was_made_has_no_problems(folder):
    assert verify(folder) == verify(folder, workers=Workers(2)) == []


@pytest.mark.parametrize("kind", ["blur", "sharp", "mask"])
def test_a_flipped_bit_names_the_file(folder, kind):
    path = sorted((folder / "train" / kind).iterdir())[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    told = only(verify(folder))
    assert str(path) in told
    assert told.endswith("; remove it, and run the same synthesize again")


def test_a_missing_and_an_extra_file_are_named(folder):
    path = next((folder / "train" / "sharp").iterdir())
    path.rename(path.with_name("stranger.png"))
    gone, extra = sorted(verify(folder), key=lambda line: "stranger" in line)
    assert str(path) in gone
    assert "cannot be read" in gone
    assert f"{path.with_name('stranger.png')}: a picture that no row" in extra


def test_other_pixels_under_a_mended_file_hash_are_found(folder):
    path = next((folder / "train" / "blur").iterdir())
    before = path.read_bytes()
    image = cv2.imread(str(path))
    image[0, 0] ^= 1
    cv2.imwrite(str(path), image)
    from blurbench.files import sha256

    text = metadata(folder).read_text()
    metadata(folder).write_text(text.replace(sha256(before), sha256(path.read_bytes())))
    problems = "\n".join(verify(folder))
    assert f"{path}: its pixels are not those" in problems
    assert "metadata.jsonl: changed" in problems


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/passwd"])
def test_paths_that_leave_the_folder_are_told_and_never_read(folder, name):
    shutil.copy(next((folder / "train" / "blur").iterdir()), folder.parent / "secret.png")
    first = json.loads(metadata(folder).read_text().splitlines()[0])
    text = metadata(folder).read_text()
    metadata(folder).write_text(text.replace(first["blur_file_name"], name, 1))
    assert any("leads out of this folder" in line and name in line for line in verify(folder))


def test_changed_rows_are_found(folder):
    text = metadata(folder).read_text()
    metadata(folder).write_text(text.replace('"noise_sigma": 0.02', '"noise_sigma": 0.03', 1))
    assert "metadata.jsonl: changed" in only(verify(folder))
    metadata(folder).write_text(text[: text.rindex('{"id"')])
    problems = "\n".join(verify(folder))
    assert "3 rows, 4 in dataset.json" in problems
    assert "digest is not that of the rows" in problems
    metadata(folder).write_text(text[:-30])
    assert any("line 4 is not valid JSON" in line for line in verify(folder))


@pytest.mark.parametrize("given", ["folder", "."])
def test_paths_are_told_as_they_were_given(folder, monkeypatch, given):
    lost = next(folder.glob("*/blur/*.png"))
    lost.unlink()
    monkeypatch.chdir(folder if given == "." else folder.parent)
    place = Path(given) if given == "." else Path(folder.name)
    name = str(place / lost.relative_to(folder))
    assert only(verify(place)).startswith(f"{name}: cannot be read")
    assert only(verify(place, fast=True)).startswith(f"{name}: no such file")


def test_unfinished_work_is_told(folder):
    (folder / ".blurbench").mkdir()
    assert "unfinished" in only(verify(folder))


def test_what_is_no_data_set_is_a_user_error(folder, tmp_path):
    with pytest.raises(UserError, match=r"no dataset.json here, so this is not a data set"):
        verify(tmp_path)
    info = json.loads((folder / "dataset.json").read_text())
    info.pop("sha256")
    (folder / "dataset.json").write_text(json.dumps({**info, "counts": {"../train": 4}}))
    with pytest.raises(UserError, match=r"dataset.json: counts...*train"):
        verify(folder)
    (folder / "dataset.json").write_text(json.dumps({**info, "seed": "zero"}))
    with pytest.raises(UserError, match=r"dataset.json: seed: "):
        verify(folder)
    (folder / "dataset.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        verify(folder)


@pytest.mark.parametrize("name", ["train/metadata.jsonl", "{sharp}"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(folder, name):
    name = name.format(sharp=next(folder.glob("train/sharp/*")).relative_to(folder))
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert f"{folder / name}: is a pipe; give a file" in verify(folder)
