"""Which files of a folder are pictures, and what is in the place of one is refused at once."""

import os
import socket

import numpy as np
import odd_pictures
import pytest

from blurbench.images import BadImage, image_files, read_image

PICTURE = np.zeros((8, 8, 3), np.uint8)


def test_jfif_is_jpeg(tmp_path):
    (tmp_path / "a.jfif").write_bytes(odd_pictures.saved(PICTURE, "JPEG"))
    assert [path.name for path in image_files(tmp_path)] == ["a.jfif"]
    assert read_image(tmp_path / "a.jfif").shape == (8, 8, 3)


def test_what_is_no_file_is_listed_and_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    os.mkfifo("pipe.png")
    socket.socket(socket.AF_UNIX).bind("socket.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "nowhere.png").symlink_to("missing.png")
    found = image_files(tmp_path)
    assert [path.name for path in found] == ["nowhere.png", "pipe.png", "socket.png", "zero.png"]
    for path in (*found[1:], tmp_path / "folder.png"):
        with pytest.raises(BadImage, match=rf"{path.name}: is a (pipe|device|folder); give a file"):
            read_image(path)
    with pytest.raises(BadImage, match=r"nowhere\.png: cannot be read \(No such file"):
        read_image(tmp_path / "nowhere.png")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "a Git LFS pointer, not the picture; fetch it",
        ),
        (b"\n<!DOCTYPE HTML>\n", "a web page, not a picture; download it again"),
        (b"II*\0 and no more", "a TIFF of a kind that is not read; save it as PNG"),
    ],
)
def test_what_stands_in_the_place_of_a_picture_is_named(tmp_path, data, told):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(BadImage, match=rf"a\.png: not a readable image: {told}"):
        read_image(tmp_path / "a.png")
