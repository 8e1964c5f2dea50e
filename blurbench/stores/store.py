"""What a data set asks of the place it lies in: whole files, under names such as "train/a.png"."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

SizeOf = Callable[[str], int | None]  # bytes of the file of this name; None where there is none


class FileBatch(Protocol):
    """Many files, written faster than one by one; a thread may seal while another puts."""

    def put(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all; it is safe only after `seal`."""

    def seal(self, name: str, data: bytes) -> None:
        """Make all that were put so far survive a crash, then write `name`, which tells of them.

        Raises what any of them raised; then there is no `name`.
        """


class Store(Protocol):
    """Files below one root, each written whole or not at all; picklable.

    A missing file is a FileNotFoundError; what else goes wrong is an OSError or a UserError.
    """

    @property
    def is_here(self) -> bool:
        """Whether it is a folder of this machine."""

    def where(self, name: str = "") -> str:
        """What to call a file in messages: never with a password."""

    def absolute(self) -> "Store":
        """The same for processes with another working directory."""

    def inside(self, folder: str, name: str) -> str:
        """`folder/name` for a name read from a file; a UserError where it would leave `folder`."""

    def names(self, folder: str = "") -> list[str]:
        """Every file below `folder`, hidden ones too, sorted."""

    def top(self) -> set[str]:
        """The names of the files and folders that lie in the root itself."""

    def exists(self, folder: str = "") -> bool:
        """Whether there is such a folder."""

    def is_file(self, name: str) -> bool:
        """Whether there is such a file."""

    def sizes(self) -> SizeOf:
        """The sizes of many files, as of now."""

    def read(self, name: str) -> bytes:
        """All of a file."""

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A file to read line by line."""

    def fetch(self, names: list[str], into: Path) -> list[Path]:
        """Files of this machine with the content of these, in the folder `into` if need be."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file, so that it survives a crash."""

    def write_json(self, name: str, value: Any) -> None:
        """`write` for an indented JSON document."""

    def write_rows(self, name: str, rows: Iterable[dict[str, Any]]) -> str:
        """`write` for JSON lines, more than memory holds; gives the SHA-256 of the file."""

    def write_lines(self, name: str, lines: Iterable[bytes]) -> str:
        """`write_rows` of what is encoded."""

    def batch(self) -> FileBatch:
        """To write many files faster than one by one."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def clear(self, folder: str) -> None:
        """Remove a folder, once all that was written beside it survives a crash."""

    def locked(self, folder: str) -> AbstractContextManager[None]:
        """Hold `folder` for one writer; UserError where another process holds it."""
