"""Archives of pictures that strangers refer to: what they may write, and whose fault is told."""

import errno
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from blurbench.errors import UserError
from blurbench.files import CannotWrite
from blurbench.ranking.submissions import references
from blurbench.ranking.submissions.references import pictures_in

PICTURE = np.random.default_rng(0).integers(0, 256, 9_000, np.uint8).tobytes()


@pytest.fixture
def work(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def packed(path, names, packing=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, body in names:
            archive.writestr(name, body)
    return path


def written(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def test_pictures_are_unpacked_and_nothing_else(tmp_path, work):
    names = [("a/x.png", PICTURE), ("run.sh", b"rm"), ("y.png", b"y")]
    folder = pictures_in(packed(tmp_path / "a.zip", names), work)
    assert written(folder) == ["a/x.png", "y.png"]
    assert (folder / "a/x.png").read_bytes() == PICTURE
    assert not (folder / "run.sh").exists()


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/tmp/blurbench-x.png"])
def test_a_member_that_leads_elsewhere_is_refused(tmp_path, work, name):
    path = packed(tmp_path / "a.zip", [(name, b"x")])
    with pytest.raises(UserError, match="leads out of this folder"):
        pictures_in(path, work)
    assert written(tmp_path) == []


def test_a_link_is_a_file_of_its_own_words(tmp_path, work):
    """zipfile makes no links; a member below one is none that leads out either."""
    link = zipfile.ZipInfo("out.png")
    link.external_attr = 0o120777 << 16
    path = packed(tmp_path / "a.zip", [(link, str(tmp_path))])
    folder = pictures_in(path, work)
    assert not (folder / "out.png").is_symlink()
    assert (folder / "out.png").read_text() == str(tmp_path)


def test_more_bytes_than_may_be_are_refused_before_any_is_written(tmp_path, work, monkeypatch):
    monkeypatch.setattr(references, "MOST", 2**20)
    zeros = bytes(2**19 + 1)
    path = packed(tmp_path / "a.zip", [("a.png", zeros), ("b.png", zeros)])
    with pytest.raises(UserError, match="unpacks to more than"):
        pictures_in(path, work)
    assert written(work) == []


def test_one_picture_that_is_too_large_is_refused_unread(tmp_path, work, monkeypatch):
    monkeypatch.setattr(references, "LARGEST", 2**20)
    with pytest.raises(UserError, match=r"a\.png: is larger than 1 MiB"):
        pictures_in(packed(tmp_path / "a.zip", [("a.png", bytes(2**20 + 1))]), work)
    assert written(work) == []


def test_a_member_that_lies_about_its_size_writes_no_more_than_it_says(tmp_path, work):
    path = packed(tmp_path / "a.zip", [("a.png", bytes(10**6))])
    body = bytearray(path.read_bytes())
    place = body.rindex(b"PK\1\2") + 24  # of its size in the list of members
    body[place : place + 4] = (10).to_bytes(4, "little")
    path.write_bytes(body)
    with pytest.raises(UserError, match=r"a\.zip: no readable \.zip of pictures"):
        pictures_in(path, work)
    assert all(each.stat().st_size <= 10 for each in work.rglob("*.png"))


@pytest.mark.parametrize(
    "names", [("a.png", "a.png"), ("a.png", "a.png/b.png"), ("a" * 300 + ".png",)]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_no_folder_can_hold_are_the_archives_fault(tmp_path, work, names):
    with pytest.raises(UserError, match=r"a\.zip: no readable \.zip of pictures"):
        pictures_in(packed(tmp_path / "a.zip", [(name, b"x") for name in names]), work)


def test_a_damaged_archive_is_one_line(tmp_path, work):
    body = packed(tmp_path / "a.zip", [("a.png", PICTURE)]).read_bytes()
    for place in range(0, len(body), 499):
        damage = bytearray(body)
        damage[place : place + 8] = b"\xff" * 8
        (tmp_path / "b.zip").write_bytes(damage)
        (work / f"{place}").mkdir()
        with suppress(UserError):
            pictures_in(tmp_path / "b.zip", work / f"{place}")


def test_a_full_disk_is_not_the_archives_fault(tmp_path, work, monkeypatch):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.png").symlink_to("/dev/full")
    monkeypatch.setattr(references, "inside", lambda _folder, name: tmp_path / "full" / name)
    opened = references.filled
    monkeypatch.setattr(references, "filled", lambda path, _mode: opened(path))  # a link is there
    with pytest.raises(CannotWrite) as error:
        pictures_in(packed(tmp_path / "a.zip", [("a.png", PICTURE)]), work)
    assert error.value.errno == errno.ENOSPC
    assert error.value.filename == str(tmp_path / "full" / "a.png")
