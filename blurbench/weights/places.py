"""Where weights lie: in the folders in which PyTorch, pyiqa and others look for them."""

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from blurbench.errors import UserError
from blurbench.files import read_regular
from blurbench.weights.entries import Outside, Pypi
from blurbench.weights.registry import OUTSIDE
from blurbench.weights.shipped import SHIPPED, is_shipped, lies


def _hub() -> Path:
    """PyTorch's folder of downloads, without waiting for torch where nobody has imported it."""
    if torch := sys.modules.get("torch"):
        return Path(torch.hub.get_dir())
    home = os.environ.get("TORCH_HOME") or os.path.join(_cache(), "torch")  # noqa: PTH118
    return Path(home).expanduser() / "hub"


def _cache() -> str:
    return os.environ.get("XDG_CACHE_HOME") or "~/.cache"


def _hugging_face() -> Path:
    """Hugging Face's folder of downloads."""
    if found := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(found).expanduser()
    home = os.environ.get("HF_HOME") or os.path.join(_cache(), "huggingface")  # noqa: PTH118
    return Path(home).expanduser() / "hub"


def _spice() -> Path:
    """The jars of pycocoevalcap's SPICE."""
    return (_installed("pycocoevalcap") or Path("pycocoevalcap")) / "spice" / "lib"


# What looks there, and the folder.
PLACES: dict[str, tuple[str, Callable[[], Path]]] = {
    "torch": ("losses, teachers, trunks", lambda: _hub() / "checkpoints"),
    "own": ("--checkpoint NAME and --using TOOL=NAME", lambda: _hub() / "blurbench"),
    "pyiqa": ("perceptual metrics", lambda: _hub() / "pyiqa"),
    "hub": ("trunks of TOPIQ and MANIQA", _hugging_face),
    "spice": ("SPICE", _spice),
}


def folder_of(place: str) -> Path:
    """The folder of a place."""
    return PLACES[place][1]()


def paths_of(entry: Outside) -> list[Path]:
    """Where its files lie, or should: fetched, or else in an installed package."""
    fetched = [folder_of(entry.place) / file for file in entry.files]
    if isinstance(entry.origin, Pypi) and not all(path.is_file() for path in fetched):
        installed = [_package(entry.origin) / member for member in entry.members]
        if all(path.is_file() for path in installed):
            return installed
    return fetched


def _package(origin: Pypi) -> Path:
    """The folder of an installed package, or of one that is not there."""
    name = origin.requirement.partition("=")[0].replace("-", "_")
    return _installed(name) or Path(name)


def _installed(name: str) -> Path | None:
    spec = find_spec(name)
    roots = list((spec and spec.submodule_search_locations) or [])
    return Path(roots[0]) if roots else None


def present(entry: Outside) -> bool:
    """Whether all of its files are there."""
    # Hugging Face's own client keeps them below the name of a commit.
    return all(path.is_file() or _in_snapshots(entry, path) for path in paths_of(entry))


def state(entry: Outside) -> str:
    """Of its files together: `here`, `missing`, or `damaged`; to see that takes a second a GB."""
    if not present(entry):
        return "missing"
    return "damaged" if any(damaged(path) for path in paths_of(entry)) else "here"


def _in_snapshots(entry: Outside, path: Path) -> bool:
    return entry.place == "hub" and any(path.parents[1].glob(f"*/{path.name}"))


def sum_of(path: Path) -> Path:
    """The file beside a fetched one that says what it hashes to, as `sha256sum` writes it."""
    return path.with_name(f"{path.name}.sha256")


def damaged(path: Path) -> bool:
    """Whether a file is no longer what `weights fetch` put there; it is read once a process.

    A file that nobody fetched has nothing beside it, and is taken as it is.
    """
    beside = sum_of(path)
    if not (beside.is_file() and path.is_file()):
        return False
    told = re.match(rb"[0-9a-f]{64}\b", read_regular(beside))
    if not told:  # of another program
        return False
    about = path.stat()
    return told[0].decode() != _sha256(path, about.st_mtime_ns, about.st_size)


@cache
def _sha256(path: Path, _changed_ns: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def named(given: Path) -> Path:
    """`given`, or the file of the entry that it names where no such file or folder is.

    UserError where that was not fetched yet, or is damaged.
    """
    name = str(given)
    if name not in OUTSIDE or given.exists():
        return given
    entry = OUTSIDE[name]
    if not present(entry):
        raise UserError(f"{name}: not here yet; {how(name)}")
    refuse_damaged(name)
    return paths_of(entry)[0]


def refuse_damaged(name: str) -> None:
    """UserError where a file of an entry is no longer what was fetched."""
    for path in paths_of(OUTSIDE[name]):
        if damaged(path):
            raise UserError(Needed(name, path, name).line())


@dataclass(frozen=True)
class Needed:
    """A file that a job reads, and what is said where it is missing."""

    setting: str  # that asks for it, such as "perceptual_weights=imagenet"
    path: Path
    name: str = ""  # that it is fetched by; empty: a file of the user's own
    instead: str = ""  # what goes on without it

    def line(self) -> str:
        """That it is missing, or damaged, and the mend."""
        mends = [how(self.name)] if self.name else []
        mends += [self.instead] if self.instead else []
        what = "is missing"
        if damaged(self.path):
            what = "is no longer what was fetched"
            mends += [f"remove {sum_of(self.path).name} beside it, if it is a file of your own"]
        return f"{self.setting}: {self.path} {what}" + "; " * bool(mends) + ", or ".join(mends)

    def lacking(self) -> bool:
        """Whether it is missing, or damaged."""
        return not self.path.is_file() or damaged(self.path)

    def read_from(self) -> Path:
        """Its path; UserError where it is missing, or damaged."""
        if self.lacking():
            raise UserError(self.line())
        return self.path


def files_meant(told: str, value: str) -> list[Needed]:
    """The files that a name of weights or a path stands for; of a folder there, none.

    What a run folder lacks is told where it is opened.
    """
    path = Path(value)
    if path.exists():
        return [] if path.is_dir() else [Needed(told, path)]
    if is_shipped(path):
        return [Needed(told, lies(SHIPPED[value].file), instead="install blurbench anew")]
    if value in OUTSIDE:
        return [Needed(told, each, value) for each in paths_of(OUTSIDE[value])]
    return [Needed(told, path)]


def how(name: str) -> str:
    """The command that fetches it."""
    return f"run: blurbench weights fetch {name}"


def missing(needed: Iterable[Needed]) -> list[str]:
    """A line for each that is not there, or damaged."""
    return list(dict.fromkeys(each.line() for each in needed if each.lacking()))
