"""Is this folder mine? Whatever goes on in a folder that holds something first asks here."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from blurbench.errors import UserError
from blurbench.stores.store import Store


@dataclass(frozen=True)
class Claim:
    """How a folder states what it holds."""

    kind: str  # with its article, "a data set"
    files: tuple[str, ...]  # JSON documents; the first that is there says what is held
    # What else may lie in a folder that holds nothing yet, hidden names aside.
    idle: frozenset[str] = frozenset()

    def find(self, store: Store) -> str | None:
        """The file that says what the store holds; None where it holds nothing yet.

        UserError where it is a file, or holds anything else than `kind`.
        """
        for name in self.files:
            if store.is_file(name):
                return name
        if store.is_file(""):
            raise UserError(f"{store.where()}: is a file; give a folder as --out")
        # A killed run leaves its lock and torn files, and is to go on in the same folder; other
        # hidden names are of the system, or of an editor.
        names = store.top() - self.idle if store.exists() else set()
        if any(not name.startswith(".") for name in names):
            raise UserError(f"{store.where()}: not empty, and not {self.kind}; give another --out")
        return None

    def refuse_other(self, store: Store, changed: Sequence[str]) -> None:
        """UserError that names what has `changed` since the folder was begun; none for nothing."""
        if changed:
            refuse(store, f"holds {self.kind} of another {', '.join(changed)}")


def refuse_overwriting(
    paths: Iterable[Path], ours: Callable[[Path], bool], inputs: Iterable[Path] = ()
) -> None:
    """UserError where one of the `paths` to write is an input, or is there and not `ours`."""
    read = {path.resolve() for path in inputs}
    for path in paths:
        if path.resolve() in read:
            raise UserError(f"{path}: would overwrite what is read; give another --out")
        # A link to nothing too is somebody's.
        if os.path.lexists(path) and not (path.is_file() and ours(path)):
            raise UserError(
                f"{path}: is there, and not made by this; move it, or give another --out"
            )


def refuse(store: Store, why: str) -> NoReturn:
    """UserError: the store holds something else, and `why` says what differs."""
    raise UserError(f"{store.where()}: {why}; give another --out")


def changed(there: Any, wanted: Mapping[str, Any]) -> list[str]:
    """What is `wanted` and stands otherwise `there`, as "steps (10 there, 20 asked for)"."""
    known = there if isinstance(there, dict) else {}
    return [
        f"{name} ({_from_to(known.get(name), value)})"
        for name, value in wanted.items()
        if known.get(name) != value
    ]


def _from_to(old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        inner = next(key for key in {**old, **new} if old.get(key) != new.get(key))
        return f"{inner}: {_from_to(old.get(inner), new.get(inner))}"
    return f"{_short(old)} there, {_short(new)} asked for"


def _short(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return "nothing" if value is None else text[:24]
