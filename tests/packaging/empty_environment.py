"""An environment that holds one wheel and what its metadata asks for, and nothing else.

The packages themselves are lent by this environment, one by one: PyTorch and its libraries are
7 GB, and what is only lent because the tests want it would hide that the metadata forgot it.
"""

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

Wanted = tuple[str, frozenset[str]]  # a package, and its extras


def make_empty(folder: Path, wheel: Path, lend: bool) -> Path:
    """The folder of programs of a new environment with the wheel in it.

    lend: the wheel's requirements come from this environment; else pip fetches them.
    """
    venv.create(folder, with_pip=not lend)
    programs = folder / "bin"
    if not lend:
        subprocess.run([programs / "python", "-m", "pip", "install", "-q", wheel], check=True)
        return programs
    to = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python")]
    subprocess.run([*pip, "install", "-q", "--no-deps", wheel], check=True)
    (found,) = to.glob("blurbench-*.dist-info")
    for package in required(Distribution.at(found)):
        link(package, to)
    return programs


def required(package: Distribution) -> list[Distribution]:
    """All that a package needs, however indirectly; SystemExit where something is missing."""
    seen: dict[Wanted, Distribution] = {}
    todo = list(wanted(package, frozenset()))
    while todo:
        requirement = todo.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key not in seen:
            seen[key] = fulfilled(requirement)
            todo += wanted(seen[key], key[1])
    return list({id(each): each for each in seen.values()}.values())


def wanted(package: Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    """What a package asks for on this machine."""
    for line in package.requires or []:
        requirement = Requirement(line)
        if not requirement.marker or any(
            requirement.marker.evaluate({"extra": extra}) for extra in {"", *extras}
        ):
            yield requirement


def fulfilled(requirement: Requirement) -> Distribution:
    """The installed package that a requirement means; SystemExit where none is."""
    try:
        found = distribution(requirement.name)
    except PackageNotFoundError:
        sys.exit(
            f"{requirement}: is required, and not installed here; remove .venv, run make again"
        )
    if not requirement.specifier.contains(found.version, prereleases=True):
        sys.exit(f"{requirement}: is required, and {found.version} is installed here")
    return found


def link(package: Distribution, to: Path) -> None:
    """Lend what a package has beside other packages: its modules and its metadata."""
    for top in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
        target = to / top
        if not target.exists():
            target.symlink_to(Path(str(package.locate_file(top))).resolve())
