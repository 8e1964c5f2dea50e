"""What other installed packages add to our tables, through entry points: loaded when it is named.

One package with a fault costs one line, and only whoever names what it adds.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from blurbench.errors import PLACES, UserError, one_line
from blurbench.progress import tell_once
from blurbench.words import meant


@dataclass(frozen=True)
class PlugIns:
    """The entry points of a group; they add to a table of ours, and take no name of it."""

    group: str  # such as "blurbench.metrics"
    kind: str  # what one of them is, such as "metric"
    built_in: Collection[str]  # the names of ours
    fault: Callable[[str, Any], str]  # (name, what it loads) -> what is wrong with it; "": nothing
    # Scanning what is installed takes 11 ms, and a metric is looked up for each picture.
    _loaded: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def names(self) -> list[str]:
        """The names that packages add, sorted; nothing is loaded."""
        return sorted(self._found().keys() - set(self.built_in))

    def load(self, name: str) -> Any:
        """What a package adds by this name.

        UserError names the package, its entry point and the mend: where nobody adds the name, or
        two do, where it cannot be imported, and where it is not what the group asks for.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def origin(self, name: str) -> str | None:
        """The package and version that add a name, such as "fog 1.2"; None for a name of ours."""
        points = [] if name in self.built_in else self._found().get(name, [])
        return " and ".join(map(_package, points)) or None

    def origins(self, names: Iterable[str]) -> dict[str, str]:
        """Those of the names that packages add, with package and version."""
        return {name: origin for name in names if (origin := self.origin(name))}

    @contextmanager
    def blamed(self, name: str) -> Iterator[None]:
        """What a package's code raises, as a UserError that names the package."""
        try:
            yield
        except (UserError, OSError):
            raise
        except Exception as error:
            if not (origin := self.origin(name)):
                raise
            told = one_line(error, f"{self.kind} {name!r} of {origin}")
            raise UserError(f"{told}; mend or uninstall the package") from error

    def refused(self) -> list[str]:
        """A line for each entry point that is not used, for its name is ours; sorted."""
        found = self._found()
        return [
            f"{self._told(point)}: not used, for blurbench has a {self.kind} of that name; "
            "rename the entry point"
            for name in sorted(found.keys() & set(self.built_in))
            for point in found[name]
        ]

    def _found(self) -> dict[str, list[EntryPoint]]:
        found: dict[str, list[EntryPoint]] = {}
        for point in _entry_points(self.group):
            found.setdefault(point.name, []).append(point)
        return found

    def _load(self, name: str) -> Any:
        points = self._found().get(name, [])
        if not points:
            known = [*self.built_in, *self.names()]
            told = f"unknown {self.kind} {name!r}{meant(name, known)}"
            raise UserError(f"{told}; known: {', '.join(known)}")
        if len(points) > 1:
            both = " and ".join(map(_package, points))
            raise UserError(f"{self.kind} {name!r}: added by {both}; uninstall all but one")
        told = self._told(points[0])
        try:
            _note_place(points[0])
            loaded = points[0].load()
        # Whatever a module does when it is imported; sys.exit() too must not end ours.
        except (Exception, SystemExit) as error:
            raise UserError(f"{told}: {one_line(error)}; mend or uninstall the package") from None
        if fault := self.fault(name, loaded):
            raise UserError(f"{told}: {fault}; mend or uninstall the package")
        return loaded

    def _told(self, point: EntryPoint) -> str:
        return f"{self.kind} {point.name!r} of {_package(point)} ({point.value})"


def _note_place(point: EntryPoint) -> None:
    """Let faults in the package be told by its own file and line."""
    top = point.module.partition(".")[0]
    spec = find_spec(top) if top else None  # of a package at the top, which imports nothing yet
    if spec and spec.submodule_search_locations:
        PLACES.update(map(Path, spec.submodule_search_locations))
    elif spec and spec.origin:
        PLACES.add(Path(spec.origin))


def _package(point: EntryPoint) -> str:
    if not point.dist:
        return point.module
    try:
        return f"{point.dist.name} {point.dist.version}"
    except Exception as error:  # whatever Python's reader says of a damaged METADATA
        tell_once(f"an installed package's METADATA cannot be read ({one_line(error)})")
        return point.module


def _entry_points(group: str) -> Iterable[EntryPoint]:
    """Of all packages; one whose list of them is damaged costs a line, and what it adds."""
    try:
        return entry_points(group=group)
    except Exception:  # as above; one by one, to leave out only that
        return [point for each in distributions() for point in _points_of(each, group)]


def _points_of(package: Distribution, group: str) -> Iterable[EntryPoint]:
    try:
        return package.entry_points.select(group=group)
    except Exception as error:
        place = getattr(package, "_path", "of an installed package")
        tell_once(f"{place}: its entry points cannot be read ({one_line(error)}); left out")
        return []
