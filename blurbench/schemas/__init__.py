"""Whatever is read from a file as the type it should be; what is wrong with it in one line."""

import json
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from blurbench.errors import UserError
from blurbench.files import load_json, read_regular

T = TypeVar("T")
SHOWN = 60  # characters of a wrong value
SMALL = 2**20  # bytes


def parse_as(kind: type[T], data: bytes, where: str, mend: str = "") -> T:
    """JSON as `kind`: a model, TypedDict (of typing_extensions), dataclass, or a `list[str]`.

    Strict: no number for a text, no NaN. UserError names `where`, the first wrong field, and the
    mend.
    """
    try:
        encoding = json.detect_encoding(data)
        text = data if encoding == "utf-8" else data.decode(encoding)
        found: T = _adapter(cast(Any, kind)).validate_json(text, strict=True)
        # For what stands where any value may. Not in hundreds of MB, of which each field that is
        # read has its type.
        if len(data) < SMALL or b"\\u0000" in data:
            load_json(data)
    except ValidationError as error:
        raise UserError(_ending(f"{where}: {complaint(error)}", mend)) from None
    except (ValueError, RecursionError) as error:
        raise UserError(_ending(f"{where}: not valid JSON ({error})", mend)) from None
    return found


def value_as(kind: type[T], value: Any, where: str, mend: str = "") -> T:
    """`parse_as` for what was read by other means, and holds no tuples."""
    try:
        found: T = _adapter(cast(Any, kind)).validate_python(value, strict=True)
    except ValidationError as error:
        raise UserError(_ending(f"{where}: {complaint(error)}", mend)) from None
    return found


def read_as(kind: type[T], path: Path, mend: str = "") -> T:
    """`parse_as` of a file; UserError where there is none too."""
    try:
        data = read_regular(path)
    except FileNotFoundError:
        raise UserError(_ending(f"{path}: no such file", mend)) from None
    return parse_as(kind, data, str(path), mend)


def complaint(error: ValidationError) -> str:
    """What is wrong first, such as "width: should be greater than 0 (is -3)"."""
    return fault(error.errors()[0])


def fault(first: ErrorDetails) -> str:
    """One of a ValidationError's `errors()` in words."""
    # A key may hold a line break.
    field = " ".join(".".join(map(str, first["loc"])).split())
    if first["type"] == "json_invalid":
        return f"not valid JSON ({first['msg'].removeprefix('Invalid JSON: ')})"
    if first["type"] == "missing":
        return f"lacks the field {field}"
    told = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if field == "format":
        told = "is none that this version of blurbench reads"
    if not first["loc"] and first["type"] == "value_error":  # of several fields together
        return told
    return f"{field or 'the whole'}: {told}{_shown(first['input'])}"


def _shown(value: Any) -> str:
    """A wrong value behind what it should be; nothing where it is a whole table or a long list."""
    if isinstance(value, dict) or (isinstance(value, list | tuple) and len(value) > 4):
        return ""
    try:
        return f" (is {value!r:.{SHOWN}})"
    except ValueError:  # Python prints no number of over 4,300 digits
        return ""


def _ending(told: str, mend: str) -> str:
    return f"{told}; {mend}" if mend else told


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
