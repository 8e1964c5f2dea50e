"""Objects behind a URL, through fsspec: each is written whole, and none is ever renamed."""

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from io import BytesIO
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from blurbench.errors import UserError, reason
from blurbench.files import json_document, jsonl_line, write_lines
from blurbench.stores.store import SizeOf

THREADS = 8  # a put takes some 50 ms, making a pair about 10
WAITING = 2 * THREADS  # pictures on their way: of 12 megapixels they may be 20 MB each


class Remote:
    """`Folder` for the files below a URL; picklable, connected again in every process.

    A missing file is a FileNotFoundError; whatever else a driver raises is a UserError.
    """

    is_here: ClassVar[bool] = False

    def __init__(self, url: str) -> None:
        """Makes no connection yet."""
        self.url = url.rstrip("/")
        self._opened: tuple[int, Any, str] | None = None  # process, file system, root

    def __getstate__(self) -> dict[str, Any]:
        """Another process connects by itself."""
        return {"url": self.url, "_opened": None}

    def where(self, name: str = "") -> str:
        """The URL of a file, for messages: without the password."""
        url = re.sub(r"://([^/@:]*):[^/@]*@", r"://\1:***@", self.url)
        return f"{url}/{name}" if name else url

    def absolute(self) -> "Remote":
        """Itself."""
        return self

    def inside(self, folder: str, name: str) -> str:
        """`folder/name` for a name read from a file; a UserError where it would leave `folder`."""
        if {"", ".", ".."} & set(name.split("/")):
            raise UserError(f"{self.where(folder)}: the path {name!r} leads out of this folder")
        return f"{folder}/{name}" if folder else name

    def names(self, folder: str = "") -> list[str]:
        """Every file below `folder`, hidden ones too, sorted."""
        return sorted(self._listed(folder))

    def _listed(self, folder: str) -> dict[str, int]:
        """The files below `folder`, with their sizes in bytes."""
        with self._telling(folder) as (files, path):
            files.invalidate_cache()  # other processes write here too
            try:
                found = files.find(path, detail=True)
            except FileNotFoundError:
                found = {}
        root = self._connect()[1] + "/"
        return {
            name.removeprefix(root): told["size"] or 0
            for name, told in found.items()
            # Some stores mark a folder by an empty object with its name.
            if name.startswith(f"{path}/") and not name.endswith("/")
        }

    def top(self) -> set[str]:
        """The first parts of all names."""
        return {name.split("/")[0] for name in self.names()}

    def exists(self, folder: str = "") -> bool:
        """Whether any file lies below `folder`: there are no empty folders here."""
        return bool(self.names(folder))

    def is_file(self, name: str) -> bool:
        """Whether there is such a file."""
        with self._telling(name) as (files, path):
            files.invalidate_cache()
            try:
                return bool(files.info(path)["type"] == "file")
            except FileNotFoundError:
                return False

    def sizes(self) -> SizeOf:
        """The sizes of many files, as of now: one listing, not a request for each."""
        return self._listed("").get

    def read(self, name: str) -> bytes:
        """All of a file."""
        with self._telling(name) as (files, path):
            return bytes(files.cat_file(path))

    def open(self, name: str) -> BytesIO:
        """A file to read line by line, from memory."""
        return BytesIO(self.read(name))

    def fetch(self, names: list[str], into: Path) -> list[Path]:
        """Copies of these files in `into`; one that is there is not fetched again."""
        copies = {name: into / PurePosixPath(name).name for name in names}
        lacking = [name for name, copy in copies.items() if not copy.exists()]
        with self._telling() as (files, root):
            files.get([f"{root}/{name}" for name in lacking], [str(copies[n]) for n in lacking])
        return list(copies.values())

    def write(self, name: str, data: bytes) -> None:
        """Write an object by one put."""
        with self._telling(name) as (files, path):
            self._write(files, path, lambda: files.pipe_file(path, data))

    def write_json(self, name: str, value: Any) -> None:
        """`write` for an indented JSON document."""
        self.write(name, json_document(value))

    def write_rows(self, name: str, rows: Iterable[dict[str, Any]]) -> str:
        """`write` for JSON lines, more than memory holds; gives the SHA-256 of the file."""
        return self.write_lines(name, map(jsonl_line, rows))

    def write_lines(self, name: str, lines: Iterable[bytes]) -> str:
        """`write_rows` of what is encoded."""
        with TemporaryDirectory() as folder:
            copy = Path(folder) / "lines.jsonl"
            digest = write_lines(copy, lines)
            with self._telling(name) as (files, path):
                self._write(files, path, lambda: files.put_file(str(copy), path))
        return digest

    def batch(self) -> "RemoteBatch":
        """To write many files faster than one by one."""
        return RemoteBatch(self.write, self._threads())

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self._telling(name) as (files, path):
            try:
                # Not `rm`, which takes the brackets of a name for a pattern.
                files.rm_file(path)
            except FileNotFoundError:
                return

    def clear(self, folder: str) -> None:
        """Remove the files below `folder`, in the order of their names."""
        names = self.names(folder)
        with ThreadPoolExecutor(self._threads()) as pool:
            list(pool.map(self.remove, names))
        files, root = self._connect()
        if _has_folders(root):
            # Empty ones are nothing here; who reads the same set as a folder would see them.
            # Inner ones first: only empty folders go.
            parents = {str(each) for name in names for each in PurePosixPath(name).parents}
            for parent in sorted(parents)[::-1]:
                if f"{parent}/".startswith(f"{folder}/"):
                    with suppress(Exception):
                        files.rmdir(f"{root}/{parent}")

    def locked(self, folder: str) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nothing: see docs/data-sets.md for what keeps two writers from harm."""
        # A store has no lock that dies with its process; one that times out keeps a restarted job
        # waiting.
        return nullcontext()

    def _write(self, files: Any, path: str, write: Callable[[], None]) -> None:
        # First without: objects need no folders, and most folders are there.
        with suppress(FileNotFoundError):
            return write()
        try:
            # Where there are no folders, makedirs would make a bucket of a misspelt name.
            if _has_folders(path):
                files.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
            return write()
        except FileNotFoundError:
            raise UserError(f"{self.where()}: no such bucket or folder; make it first") from None

    def _threads(self) -> int:
        # Some of the other drivers share one connection, which only one thread may use.
        with self._telling() as (files, _):
            return THREADS if files.async_impl else 1

    def _connect(self) -> tuple[Any, str]:
        # A driver with threads does not survive a fork, such as that of a DataLoader.
        if self._opened is None or self._opened[0] != os.getpid():
            from fsspec.core import url_to_fs

            files, root = url_to_fs(self.url)
            self._opened = os.getpid(), files, root.rstrip("/")
        return self._opened[1:]

    @contextmanager
    def _telling(self, name: str = "") -> Iterator[tuple[Any, str]]:
        """The file system and the path in it; what goes wrong in one line that names the mend."""
        try:
            files, root = self._connect()
            yield files, f"{root}/{name}" if name else root
        except UserError:
            raise
        except FileNotFoundError:
            words = os.strerror(errno.ENOENT)
            raise FileNotFoundError(errno.ENOENT, words, self.where(name)) from None
        except ImportError as error:
            raise UserError(f"{self.where()}: {error}; pip install that and try again") from None
        except Exception as error:  # drivers raise whatever their libraries do
            told = getattr(error, "strerror", None) or reason(error)
            mend = "check the address, your credentials and the connection"
            raise UserError(f"{self.where(name)}: {told}; {mend}") from None


def _has_folders(path: str) -> bool:
    # fsspec's paths begin with the name of a bucket, or with the slash of a root of folders.
    return path.startswith("/")


class RemoteBatch:
    """Many objects, several of them on their way at once."""

    def __init__(self, write: Callable[[str, bytes], None], threads: int) -> None:
        """`write` one whole, in any of the threads."""
        self._write = write
        self._pool = ThreadPoolExecutor(threads)
        self._sent: list[Future[None]] = []

    def put(self, name: str, data: bytes) -> None:
        """Send an object, once there is room; raises what an earlier one raised."""
        last = self._sent[-WAITING:]
        if len(last) == WAITING:
            last[0].result()
        self._sent.append(self._pool.submit(self._write, name, data))

    def seal(self, name: str, data: bytes) -> None:
        """Wait until all that were put so far are there, then write `name`."""
        sent = [*self._sent]
        wait(sent)
        for each in sent:
            each.result()
        del self._sent[: len(sent)]  # others may have been put since
        # By the pool: some drivers let only one thread use them.
        self._pool.submit(self._write, name, data).result()
