import hashlib
import pickle
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import fsspec
import numpy as np
import pytest
import tiny_data
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench.cli import cli
from blurbench.datasets import make
from blurbench.datasets.splits import choose
from blurbench.errors import UserError
from blurbench.images import BadImage
from blurbench.sources.open import open_for, open_source


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


def test_folders_that_look_like_splits_are_told(tmp_path):
    for name in ["Train/a.png", "valid/a.png"]:
        write_picture(tmp_path / name)
    (told,) = open_source(str(tmp_path)).notes
    assert told == (
        "2 folders that may be meant as a split (first: Train); splits are folders named train, "
        "val, test"
    )
    write_picture(tmp_path / "test" / "a.png")
    source = open_source(str(tmp_path))
    assert (ids(source), source.notes) == (["test/a.png"], [told])


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


def test_links_to_pictures_and_folders_are_followed(tmp_path):
    image = write_picture(tmp_path / "store" / "blobs" / "1a2b.png")
    write_picture(tmp_path / "in" / "a.png", seed=1)
    (tmp_path / "in" / "b.png").symlink_to("../store/blobs/1a2b.png")
    (tmp_path / "in" / "c.png").symlink_to("a.png")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "store")
    source = open_source(str(tmp_path / "in"))
    assert ids(source) == ["a.png", "b.png", "c.png", "folder/blobs/1a2b.png"]
    assert (source.notes, source.lacks) == (["3 files read through links (first: b.png)"], [])
    np.testing.assert_array_equal(source.items[1].load().image, image)
    assert source.items[3].file_hash() == source.items[1].file_hash()


def test_split_folders_may_be_links(tmp_path):
    write_picture(tmp_path / "elsewhere" / "a.png")
    write_picture(tmp_path / "in" / "test" / "b.png")
    (tmp_path / "in" / "train").symlink_to(tmp_path / "elsewhere")
    source = open_source(str(tmp_path / "in"))
    assert [(item.id, item.split) for item in source.items] == [
        ("test/b.png", "test"),
        ("train/a.png", "train"),
    ]


def test_face_labels_may_be_links(tmp_path):
    folder = tiny_data.write_faces(tmp_path / "in", 1) / "train" / "masks"
    folder.rename(tmp_path / "masks")
    folder.symlink_to(tmp_path / "masks")
    (item,) = open_source(str(tmp_path / "in"), masks=True).items
    assert item.load().mask.shape == (60, 72)


def test_links_to_nothing_and_in_rings_are_told(tmp_path):
    write_picture(tmp_path / "a.png")
    (tmp_path / "gone.png").symlink_to(".git/annex/objects/1")
    (tmp_path / "data").symlink_to("/nowhere/data")
    (tmp_path / "ring.png").symlink_to("ring.png")
    (tmp_path / "notes.txt").symlink_to("/nowhere/notes.txt")
    source = open_source(str(tmp_path))
    assert ids(source) == ["a.png"]
    assert source.lacks == [
        "3 links to nothing (first: data); get what is missing, as by git annex get or dvc pull"
    ]
    (tmp_path / "a.png").unlink()
    with pytest.raises(UserError, match=r"no pictures here .*; 3 links to nothing \(first: data"):
        open_source(str(tmp_path))


def test_source_with_links_keeps_the_pictures_and_tells_the_rest(tmp_path):
    tiny_data.write_photos(tmp_path / "in", 2)
    (tmp_path / "in" / "x.png").symlink_to("nowhere.png")
    recipe = tiny_data.flow_recipe()
    source = open_for(recipe, str(tmp_path / "in"))
    summary = make.synthesize(recipe, source, tmp_path / "out")
    assert (sum(summary.counts.values()) > 0, summary.complete) == (True, False)
    assert "1 link to nothing (first: x.png)" in str(summary)
    plan = make.plan(recipe, source)
    assert (plan.complete, "1 link to nothing" in str(plan)) == (False, True)
    write_picture(tmp_path / "in" / "large.png", (160, 160))  # for demo's border
    command = ["synthesize", "demo", "--source", str(tmp_path / "in"), "--plan"]
    told = CliRunner().invoke(cli, command, standalone_mode=False)
    assert (told.return_value, "1 link to nothing" in told.output) == (1, True)


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


@pytest.fixture
def remote():
    """A folder in memory and its URL, empty again afterwards."""
    files = fsspec.filesystem("memory")
    yield files, "memory://pictures"
    files.rm("/pictures", recursive=True)


def put(remote, folder: Path) -> str:
    files, url = remote
    for path in folder.rglob("*"):
        if path.is_file():
            files.pipe_file(f"/pictures/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return url


def test_url_offers_what_the_same_folder_does(tmp_path, remote):
    for name in ["train/b.png", "train/deep/a.JPG", "test/c.png", "other/d.png", "train/.x/e.png"]:
        write_picture(tmp_path / name)
    (tmp_path / "captions.csv").write_text("image,caption\nb.png,one\nc.png,one\n")
    (tmp_path / "train" / "text.png").write_text("no picture at all")
    recipe = tiny_data.flow_recipe(captions__count=1)
    here, there = open_for(recipe, str(tmp_path)), open_for(recipe, put(remote, tmp_path))
    assert (
        ids(there)
        == ids(here)
        == ["test/c.png", "train/b.png", "train/deep/a.JPG", "train/text.png"]
    )
    for name in ("labels_sha256", "captioned", "train", "test", "images"):
        assert there.description[name] == here.description[name]
    for one, other in zip(here.items, pickle.loads(pickle.dumps(there.items)), strict=True):
        assert (one.split, one.labels) == (other.split, other.labels)
        if one.id == "train/text.png" or not one.labels:
            with pytest.raises(BadImage, match=f"^{one.id}: "):
                other.load()
        else:
            assert one.load().sha256 == other.load().sha256
            np.testing.assert_array_equal(one.load().image, other.load().image)


def test_pictures_behind_a_url_that_have_labels_beside_them(tmp_path, remote):
    write_picture(tmp_path / "images" / "a.png")
    write_picture(tmp_path / "masks" / "a.png")
    assert ids(open_source(put(remote, tmp_path))) == ids(open_source(str(tmp_path)))
    with pytest.raises(UserError, match="face labels are read from folders of this machine only"):
        open_source(remote[1], masks=True)


def test_pictures_behind_a_url_that_are_not_read_are_told(tmp_path, remote):
    write_picture(tmp_path / "train" / "a.png")
    (tmp_path / "train" / "b.heic").touch()
    (tmp_path / "c.gif").touch()
    url = put(remote, tmp_path)
    assert open_source(url).notes == open_source(str(tmp_path)).notes != []


def test_url_without_pictures_or_whose_picture_vanished_is_one_line(tmp_path, remote):
    write_picture(tmp_path / "a.png")
    (item,) = open_source(put(remote, tmp_path)).items
    remote[0].pipe_file("/pictures/notes.txt", b"no picture")
    remote[0].rm("/pictures/a.png")
    with pytest.raises(BadImage, match=r"^a\.png: cannot be read"):
        item.load()
    with pytest.raises(UserError, match=r"^memory://pictures: no pictures here"):
        open_source(remote[1])


def test_only_pictures_of_the_pattern_are_used(tmp_path):
    for name in ["a/sharp/1.png", "a/blur/1.png"]:
        write_picture(tmp_path / name)
    (tmp_path / "captions.csv").write_text("image,caption\n1.png,one\n")
    recipe = tiny_data.flow_recipe(captions__count=1, pictures="*/sharp/*")
    (item,) = open_for(recipe, str(tmp_path)).items
    assert (item.id, item.labels) == ("a/sharp/1.png", {"captions": ["one"]})
    with pytest.raises(UserError, match=r"no pictures here named like \*/other/\*"):
        open_for(tiny_data.flow_recipe(pictures="*/other/*"), str(tmp_path))


NAMES = st.lists(st.from_regex("[a-z]{1,3}[.]png", fullmatch=True), unique=True)


@settings(deadline=None, max_examples=20)
@given(NAMES.filter(len), NAMES)
def test_more_pictures_move_no_other_to_another_split(some, more):
    with TemporaryDirectory() as folder:
        placed = []
        for names in (some, more):
            for name in names:
                Path(folder, name).touch()
            recipe = tiny_data.flow_recipe()
            chosen = choose(recipe, open_for(recipe, folder))
            placed.append({item.id: split for item, split in chosen})
    assert {name: placed[1][name] for name in some} == placed[0]


def test_photographs_of_a_split_folder(shared):
    source = open_source(str(shared / "data" / "photos"))
    assert {item.split for item in source.items} == {"train", "test"}
    assert not any(item.id.startswith("train_more") for item in source.items)
    assert source.items[0].load().image.dtype == np.uint8


def test_pictures_of_kinds_that_are_not_read_are_told(tmp_path):
    for name in ("b.heic", "a.GIF", ".hidden.gif"):
        (tmp_path / name).touch()
    told = r"2 pictures of kinds that are not read \(first: a\.GIF\); convert them, as to PNG"
    with pytest.raises(UserError, match=rf"no pictures here .*; {told}"):
        open_source(str(tmp_path))
    tiny_data.write_photos(tmp_path, 1)
    assert re.fullmatch(told, open_source(str(tmp_path)).description["unread"])
