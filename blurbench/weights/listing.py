"""`blurbench weights list`: everything there is of weights, a row each."""

from collections.abc import Sequence
from typing import Any

from blurbench.files import read_regular, sha256
from blurbench.weights.entries import Outside
from blurbench.weights.places import PLACES, folder_of, paths_of, state
from blurbench.weights.registry import OUTSIDE, find
from blurbench.weights.shipped import DATA, LICENCE, SHIPPED

SHORT = 8  # digits of a SHA-256 in a table
UNTRIED = "*"
FOOTNOTE = "* address as published, tried by nobody here. All of one: blurbench weights list NAME"
NOT_TRIED = " (as its makers publish it; not tried)"


def rows(names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Our own first; or those of some names. UserError for an unknown one."""
    ours = [
        {
            "name": name,
            "what": entry.title,
            "state": state_of_ours(name),
            "megabytes": size(name),
            "licence": f"ours, {LICENCE}: {DATA / LICENCE}",
            "sha256": entry.sha256,
            "from": "the wheel",
            "tried": True,
            "files": [str(DATA / entry.file)],
            "use": f"deblur PHOTO --checkpoint {name}",
        }
        for name, entry in SHIPPED.items()
    ]
    if not names:
        return [*ours, *(described(name, entry) for name, entry in OUTSIDE.items())]
    known = {row["name"]: row for row in ours}
    return [known.get(name) or described(name, find(name)) for name in names]


def state_of_ours(name: str) -> str:
    """As `state`, of shipped weights."""
    path, told = DATA / SHIPPED[name].file, SHIPPED[name].sha256
    if not (told and path.is_file()):
        return "missing"
    return "here" if sha256(read_regular(path)) == told else "damaged"


def size(name: str) -> float:
    """Of shipped weights, in MB; 0 where they are not here."""
    path = DATA / SHIPPED[name].file
    return path.stat().st_size / 1e6 if path.is_file() else 0


def described(name: str, entry: Outside) -> dict[str, Any]:
    """All of an entry, for programs."""
    return {
        "name": name,
        "what": entry.what,
        "state": state(entry),
        "megabytes": entry.megabytes,
        "licence": entry.licence,
        "sha256": entry.sha256,
        "from": str(entry.origin),
        "tried": entry.tried,
        "files": [str(path) for path in paths_of(entry)],
        "use": entry.use,
    }


def shown(row: dict[str, Any]) -> dict[str, str]:
    """What people see of a row: enough for a line or two."""
    kind = "https" if row["from"].startswith("http") else row["from"].partition(":")[0]
    return {
        "name": row["name"],
        "here": {"here": "yes", "missing": "no"}.get(row["state"], row["state"]),
        "MB": f"{row['megabytes']:,.1f}" if row["megabytes"] else "?",
        "SHA-256": row["sha256"][:SHORT] or "?",
        "from": kind + ("" if row["tried"] else UNTRIED),
        "terms": row["licence"].partition(": /")[0],
        "for": row["what"],
    }


def all_of(row: dict[str, Any]) -> str:
    """Everything of a row, a line each."""
    told = {
        "for": row["what"],
        "terms": row["licence"],
        "from": row["from"] + ("" if row["tried"] else NOT_TRIED),
        "SHA-256": row["sha256"] or "not known",
        "first file": row["files"][0],
        "use": row["use"],
        "state": row["state"],
    }
    lines = [f"  {name:<10}  {text}" for name, text in told.items() if text]
    return "\n".join([row["name"], *lines])


def where() -> list[dict[str, str]]:
    """The folders, and who looks there."""
    ours = {"folder": str(DATA), "for": "what ships: " + ", ".join(SHIPPED)}
    return [
        ours,
        *({"folder": str(folder_of(place)), "for": what} for place, (what, _) in PLACES.items()),
    ]
