import hashlib
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from blurbench.data.sources import open_source
from blurbench.errors import UserError
from blurbench.images import BadImage


def write_picture(path: Path, size: tuple[int, int] = (20, 30), seed: int = 0) -> np.ndarray:
    """A picture of random blocks of colour; gives its RGB pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    # A .pgm holds grey only.
    cv2.imwrite(str(path), image[..., 0] if path.suffix == ".pgm" else image[..., ::-1])
    return image


def ids(source) -> list[str]:
    return [item.id for item in source.items]


def test_folder_lists_pictures_recursively_and_sorted(tmp_path):
    names = ["b.png", "a/Straße 1.PNG", "a/z.bmp", "c.jpeg", "c.tif", "d.webp", "e.pgm", "f.ppm"]
    for name in names:
        write_picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    write_picture(tmp_path / ".hidden" / "g.png")
    source = open_source(str(tmp_path))
    assert ids(source) == sorted(names)
    assert {item.split for item in source.items} == {None}
    assert source.description["images"] == "8"


def test_load_gives_pixels_and_hash_of_the_file(tmp_path):
    image = write_picture(tmp_path / "a.png")
    (item,) = open_source(str(tmp_path)).items
    sharp = item.load()
    np.testing.assert_array_equal(sharp.image, image)
    assert sharp.mask is None
    assert sharp.sha256 == hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()


def test_items_travel_to_other_processes_and_folders(tmp_path, monkeypatch):
    write_picture(tmp_path / "in" / "a.png")
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps(open_source("in").items)
    monkeypatch.chdir("/")
    (item,) = pickle.loads(data)
    assert len(data) < 2000
    assert item.load().image.shape == (20, 30, 3)


def test_split_folders_are_the_splits_and_nothing_else_is_read(tmp_path):
    for name in ["train/a.png", "test/deep/a.png", "train_more/b.png", "c.png"]:
        write_picture(tmp_path / name)
    source = open_source(str(tmp_path))
    assert [(item.id, item.split) for item in source.items] == [
        ("test/deep/a.png", "test"),
        ("train/a.png", "train"),
    ]
    assert (source.description["train"], source.description["test"]) == ("1", "1")


def test_names_that_differ_in_suffix_or_case_stay_apart(tmp_path):
    for name in ["a.png", "a.jpg", "A.png"]:
        write_picture(tmp_path / name)
    assert ids(open_source(str(tmp_path))) == ["A.png", "a.jpg", "a.png"]


def test_root_may_be_a_link(tmp_path):
    write_picture(tmp_path / "real" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    source = open_source(str(tmp_path / "link"))
    assert ids(source) == ["a.png"]
    assert source.items[0].load().image.shape == (20, 30, 3)


def test_links_out_of_the_root_are_skipped_and_counted(tmp_path):
    write_picture(tmp_path / "outside" / "secret.png")
    write_picture(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").symlink_to(tmp_path / "outside" / "secret.png")
    (tmp_path / "in" / "c.png").symlink_to(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "outside")
    source = open_source(str(tmp_path / "in"))
    assert ids(source) == ["a.png", "c.png"]
    assert source.description["links_skipped"] == "1"


def test_split_folder_that_leads_out_is_refused(tmp_path):
    write_picture(tmp_path / "outside" / "a.png")
    write_picture(tmp_path / "in" / "test" / "b.png")
    (tmp_path / "in" / "train").symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="train: a link that leads out"):
        open_source(str(tmp_path / "in"))


def test_text_named_jpg_fails_only_when_loaded(tmp_path):
    write_picture(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_text("no picture at all")
    good, bad = open_source(str(tmp_path)).items
    assert good.load().image.shape == (20, 30, 3)
    with pytest.raises(BadImage, match=r"b\.jpg: not a readable image"):
        bad.load()


def test_file_that_vanished_is_named(tmp_path):
    write_picture(tmp_path / "a.png")
    (item,) = open_source(str(tmp_path)).items
    (tmp_path / "a.png").unlink()
    with pytest.raises(BadImage, match=r"a\.png: cannot be read"):
        item.load()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("missing", "no such folder"),
        ("file.png", "not a folder"),
        ("empty", "no pictures here"),
        ("empty_split", "no pictures here"),
        ("builtin:cats", "no such built-in source; there are builtin:photos"),
    ],
)
def test_unusable_source_is_one_readable_line(tmp_path, monkeypatch, spec, message):
    monkeypatch.chdir(tmp_path)
    write_picture(tmp_path / "file.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty_split" / "train").mkdir(parents=True)
    write_picture(tmp_path / "empty_split" / "elsewhere" / "a.png")
    with pytest.raises(UserError) as error:
        open_source(spec)
    assert str(error.value).startswith(f"{spec}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_name_that_is_not_utf8_is_refused(tmp_path):
    try:
        write_picture(tmp_path / "a.png")
        (tmp_path / "a.png").rename(tmp_path / "caf\udce9.png")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(UserError, match="not UTF-8; rename it"):
        open_source(str(tmp_path))


def test_photographs_of_a_split_folder(shared):
    source = open_source(str(shared / "data" / "photos"))
    assert {item.split for item in source.items} == {"train", "test"}
    assert not any(item.id.startswith("train_more") for item in source.items)
    assert source.items[0].load().image.dtype == np.uint8
