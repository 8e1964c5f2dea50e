"""Whole writes, and paths that stay inside."""

import errno
import json
import os
from pathlib import Path

import pytest

from blurbench.errors import UserError
from blurbench.files import (
    CannotWrite,
    inside,
    open_regular,
    parse_json,
    read_json,
    read_jsonl,
    read_regular,
    replacing,
    write_bytes,
    write_json,
    write_jsonl,
)


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.bin"
    write_bytes(target, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match="No space") as found:
        write_bytes(target, b"new")
    assert found.value.filename == str(target)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_json_round_trips_and_refuses_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"é": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json") == {"é": [1, 2.5, None]}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


def test_jsonl_names_the_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"a": 1}, {"a": 2}])
    assert list(read_jsonl(path)) == [{"a": 1}, {"a": 2}]
    for torn in ('{"a"', "[1]", '{"a": NaN}', '{"a": ' + "9" * 5000 + "}"):
        path.write_text('{"a": 1}\n' + torn, encoding="utf-8")
        with pytest.raises(UserError, match="line 2"):
            list(read_jsonl(path))


@pytest.mark.parametrize(
    "content",
    [
        *(b"{", b"\xff\xfe", b"", b"[" * 100_000, b"\xed\xa0\x80"),
        *(b"9" * 5000, b"9" * 400, b"NaN", b"[-Infinity]", b"1e999"),
        *(b'"\\ud800"', b'{"\\uDFFF": 1}', b'[["\\u0000"]]'),
    ],
)
def test_bad_json_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match="not valid JSON"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("text", ['"\\\\u0000"', '"\\ud83d\\ude00"', "9" * 39, "1e300", '"NaN"'])
def test_what_only_looks_odd_is_read(text: str) -> None:
    assert parse_json(text.encode(), "a") == json.loads(text)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_new_files_are_as_open_as_the_umask_lets_them(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_bytes(tmp_path / "in" / "a.bin", b"a")
    finally:
        os.umask(before)
    assert (tmp_path / "in" / "a.bin").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "in").stat().st_mode & 0o777 == 0o777 & ~umask


@pytest.mark.parametrize("place", ["file/a", "file", "folder"])
def test_what_cannot_be_written_names_the_file(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    target = tmp_path / place if place != "file" else tmp_path / "file" / "b" / "c"
    with pytest.raises(CannotWrite) as found:
        write_bytes(target, b"new")
    assert found.value.filename == str(target)
    assert {path.name for path in tmp_path.rglob("*")} == {"file", "folder", "inner"}


def test_what_cannot_be_read_on_the_way_keeps_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as found, replacing(tmp_path / "a"):
        (tmp_path / "other").read_bytes()
    assert found.value.filename == str(tmp_path / "other")


def test_only_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "loop").symlink_to(tmp_path / "pipe")
    assert read_regular(tmp_path / "link") == b"abc"
    for path, kind in {
        tmp_path / "pipe": "pipe",
        tmp_path / "loop": "pipe",
        tmp_path: "folder",
        Path("/dev/zero"): "device",
    }.items():
        with pytest.raises(UserError, match=rf"{path}: is a {kind}; give a file"):
            read_regular(path)
    with pytest.raises(UserError, match=r"a: 0 MB, more than the 0 it may have"):
        read_regular(tmp_path / "a", most=2)
    with pytest.raises(UserError, match="no such file"):
        read_regular(Path("a\0b"))
    with pytest.raises(FileNotFoundError, match="missing"):
        read_regular(tmp_path / "missing")


def test_an_error_of_the_disk_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    with pytest.raises(OSError, match="Input/output") as found, open_regular(tmp_path / "a"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert found.value.filename == str(tmp_path / "a")


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "b/../../a", "link/a", "a\0", "ring/a"])
def test_paths_from_files_cannot_leave_their_root(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    (root / "ring").symlink_to(root / "ring")
    with pytest.raises(UserError, match="out of this folder"):
        inside(root, name)


def test_the_root_itself_may_be_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert inside(tmp_path / "link", "a/b.png") == tmp_path / "link" / "a" / "b.png"
