"""Links: followed, each real folder once; what is lost is told."""

import os

import pytest

from blurbench.images import find_files, image_files, tell_found

PNG = frozenset({".png"})
AGAIN = "linked folder read already, and not read twice"


@pytest.fixture
def touch(tmp_path):
    def write(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return write


def test_a_folder_keeps_its_own_path_whatever_links_to_it(touch):
    root = touch("z/1.png", "z/deep/2.png")
    (root / "a").symlink_to("z")
    (root / "b").symlink_to("z/deep")
    found = find_files(root, PNG)
    assert found.names == ["z/1.png", "z/deep/2.png"]
    assert tell_found([found]) == {"again": f"2 {AGAIN} (first: a)".replace("folder", "folders")}


def test_links_to_what_holds_them_are_not_entered(touch):
    root = touch("in/1.png", "in/deep/2.png", "beside.png", "other/3.png") / "in"
    for name, target in {"self": ".", "up": "..", "deep/up": "../..", "all": "/"}.items():
        (root / name).symlink_to(target)
    found = find_files(root, PNG)
    assert found.names == ["1.png", "deep/2.png"]
    assert found.lost == {"again": ["all", "deep/up", "self", "up"]}


def test_two_links_to_one_folder_are_one(touch):
    root = touch("store/1.png", "store/deep/2.png", "in/3.png")
    for name, target in {"a": "store/deep", "b": "store"}.items():
        (root / "in" / name).symlink_to(root / target)
    found = find_files(root / "in", PNG)
    assert found.names == ["3.png", "a/2.png", "b/1.png"]
    assert tell_found([found]) == {
        "linked": "2 files read through links (first: a/2.png)",
        "again": f"1 {AGAIN} (first: b/deep)",
    }


def test_only_the_folders_asked_for_are_read(touch):
    root = touch("train/1.png", "other/2.png", "store/3.png")
    (root / "test").symlink_to("store")
    assert find_files(root, PNG, ["train", "test"]).names == ["test/3.png", "train/1.png"]


def test_hidden_folders_are_read_by_way_of_links_alone(touch):
    root = touch(".git/annex/objects/1.png")
    (root / "a.png").symlink_to(".git/annex/objects/1.png")
    assert find_files(root, PNG).names == ["a.png"]


def test_a_folder_that_may_not_be_read_is_told(touch, monkeypatch):
    root, scandir = touch("closed/1.png", "2.png"), os.scandir

    def refusing(path):  # as to anybody but root
        if path == root / "closed":
            raise PermissionError
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = find_files(root, PNG)
    assert found.names == ["2.png"]
    assert tell_found([found]) == {
        "closed": "1 folder that may not be read (first: closed); mend the permissions"
    }


def test_folders_of_operating_systems_hold_no_pictures(touch):
    root = touch("a.png", "deep/@eaDir/a.png/thumb.png", "__MACOSX/a.png", "deep/b.png")
    found = find_files(root, PNG)
    assert found.names == ["a.png", "deep/b.png"]
    assert tell_found([found]) == {
        "system": "2 folders of an operating system, not read (first: __MACOSX)"
    }


def test_a_link_to_nothing_is_a_picture_that_cannot_be_read(touch):
    root = touch("1.png")
    (root / "2.png").symlink_to("gone.png")
    (root / "folder").symlink_to("gone")
    assert [path.name for path in image_files(root)] == ["1.png", "2.png"]
