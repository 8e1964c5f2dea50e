"""Which files of a folder are pictures; links are followed, and nothing is lost in silence."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import splitext

from blurbench.words import counted

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".pgm", ".ppm"}
)

# Pictures too, which are told and not read.
UNREAD_SUFFIXES = frozenset(
    {".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".exr", ".hdr", ".dng", ".nef", ".cr2"}
)

# Thumbnails and bins that systems leave in folders of pictures, in small letters.
SYSTEM = frozenset({"@eadir", "__macosx", "#recycle", "$recycle.bin", "lost+found"})

# What may keep files from being found: the kind -> what it is, and the mend.
LOST = {
    "broken": ("link", "to nothing", "get what is missing, as by git annex get or dvc pull"),
    "again": ("linked folder", "read already, and not read twice", ""),
    "system": ("folder", "of an operating system, not read", ""),
    "closed": ("folder", "that may not be read", "mend the permissions"),
}


@dataclass(frozen=True)
class FoundFiles:
    """Files below a folder, by their paths relative to it, with "/"."""

    names: list[str]  # sorted
    linked: list[str]  # those of them that lie elsewhere, sorted
    lost: dict[str, list[str]] = field(default_factory=dict)  # by the kinds of `LOST`, sorted


def tell_found(searched: Sequence[FoundFiles]) -> dict[str, str]:
    """A line for each kind of what some searches lost, by its kind, and one for what is linked.

    Such as "2 links to nothing (first: a.png); get what is missing".
    """
    told: dict[str, str] = {}
    # To be told: a folder got from others may link to anything.
    if linked := sorted({name for each in searched for name in each.linked}):
        told["linked"] = f"{counted(len(linked), 'file')} read through links (first: {linked[0]})"
    for kind, (noun, what, mend) in LOST.items():
        names = sorted({name for each in searched for name in each.lost.get(kind, ())})
        if names:
            end = mend and f"; {mend}"
            told[kind] = f"{counted(len(names), noun)} {what} (first: {names[0]}){end}"
    return told


def find_files(root: Path, suffixes: frozenset[str], below: Sequence[str] = ("",)) -> FoundFiles:
    """Every file of `root`, or of some folders `below` it, with one of these suffixes.

    Hidden ones aside; pipes and devices too: whoever reads them tells that they are none. Linked
    folders are entered, each real folder once, and by its own path where that is below `root`.
    """
    search = _Search(root, suffixes)
    search.enter(below)
    # Links after all that is really there: a link to a folder beside it must not rename that.
    while search.links:
        search.follow(search.links.pop(0))
    lost = {kind: sorted(names) for kind, names in search.lost.items() if names}
    return FoundFiles(sorted(search.names), sorted(search.linked), lost)


class _Search:
    def __init__(self, root: Path, suffixes: frozenset[str]) -> None:
        self.root, self.suffixes = root, suffixes
        self.entered: set[str] = set()
        self.names: list[str] = []
        self.linked: list[str] = []
        self.links: list[str] = []  # to folders, to be followed
        self.following = False
        self.lost: dict[str, list[str]] = {kind: [] for kind in LOST}

    def enter(self, folders: Iterable[str]) -> None:
        """Take the files of folders and of the folders in them; keep links for later."""
        left = list(folders)
        while left:
            at = left.pop()
            real = os.path.realpath(self.root / at)
            if real in self.entered:
                self.lost["again"].append(at)
            else:
                self.entered.add(real)
                left += self._take(at)

    def follow(self, link: str) -> None:
        """Enter a linked folder, unless it holds the link itself."""
        real = os.path.realpath(self.root / link)
        if Path(os.path.realpath((self.root / link).parent)).is_relative_to(real):
            self.lost["again"].append(link)
        else:
            self.following = True
            self.enter([link])

    def _take(self, at: str) -> Iterator[str]:
        """Take the files of one folder; gives the folders in it."""
        try:
            with os.scandir(self.root / at) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            self.lost["closed"].append(at or ".")
            return
        for entry in found:
            name = f"{at}/{entry.name}" if at else entry.name
            if entry.name.startswith("."):
                continue
            if entry.name.lower() in SYSTEM and _is_folder(entry):
                self.lost["system"].append(name)
            elif not _is_folder(entry):
                self._keep(entry, name)
            elif entry.is_symlink():
                self.links.append(name)
            else:
                yield name

    def _keep(self, entry: "os.DirEntry[str]", name: str) -> None:
        suffix = splitext(entry.name)[1].lower()
        there = not entry.is_symlink() or Path(entry.path).exists()
        if there and suffix in self.suffixes:
            self.names.append(name)
            if entry.is_symlink() or self.following:
                self.linked.append(name)
        elif not there and (suffix in self.suffixes or not suffix):  # of a folder, perhaps
            self.lost["broken"].append(name)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a ring
        return False


def image_files(folder: Path, suffixes: frozenset[str] = IMAGE_SUFFIXES) -> list[Path]:
    """Every picture below `folder`, as `find_files`, sorted by its relative path.

    Links to nothing too: whoever reads them tells it.
    """
    found = find_files(folder, suffixes)
    broken = (n for n in found.lost.get("broken", ()) if splitext(n)[1].lower() in suffixes)
    return [folder / name for name in sorted([*found.names, *broken])]
