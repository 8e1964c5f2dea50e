"""What a file that others read may tell of the machine that wrote it: names, and no folders."""

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from blurbench.files import json_document, load_json
from blurbench.schemas.seals import SEAL, sealed


def names_only(value: Any) -> Any:
    """A JSON value with the file's name for each absolute path, such as a teacher's weights."""
    if isinstance(value, dict):
        return {key: names_only(each) for key, each in value.items()}
    if isinstance(value, list):
        return [names_only(each) for each in value]
    for kind in (PurePosixPath, PureWindowsPath):
        if isinstance(value, str) and kind(value).is_absolute():
            return kind(value).name or value
    return value


def told_to_others(data: bytes) -> bytes:
    """`names_only` for a JSON document; sealed again where it was, else to the byte the same."""
    document = load_json(data)
    named = names_only(document)
    if named == document:
        return data
    return json_document(sealed(named) if SEAL in document else named)
