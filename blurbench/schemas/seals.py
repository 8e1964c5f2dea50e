"""What a document says of itself: a part of its SHA-256, which tells any change since."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from blurbench.errors import UserError
from blurbench.progress import tell_once

SEAL = "check"  # the field; its value is of all the others
DIGITS = 16  # of 64: no accident gives the same ones


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its seal as the last field; it must be what JSON gives back."""
    rest = unsealed(document)
    return {**rest, SEAL: _seal(rest)}


def unsealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without its seal."""
    return {key: value for key, value in document.items() if key != SEAL}


def refuse_broken(document: Any, where: str, mend: str) -> None:
    """UserError where a document was changed since it was sealed.

    One without a seal, by an earlier version, is told once to be unchecked.
    """
    if not isinstance(document, dict):
        raise UserError(f"{where}: is no object; {mend}")
    if SEAL not in document:
        tell_once(f"{where}: written before there were checks: unchecked")
    elif sealed(document)[SEAL] != document[SEAL]:
        raise UserError(f"{where}: was changed since it was written; {mend}")


def refuse_unsealed(document: Any, where: str, mend: str) -> None:
    """`refuse_broken`, for what never was written without a seal."""
    if isinstance(document, dict) and SEAL not in document:
        raise UserError(f"{where}: has lost its check; {mend}")
    refuse_broken(document, where, mend)


def _seal(rest: dict[str, Any]) -> str:
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
