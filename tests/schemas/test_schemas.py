"""Documents as the type they should be, and what is wrong with others."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from typing_extensions import TypedDict  # before Python 3.12 pydantic takes no other

from blurbench.errors import UserError
from blurbench.schemas import SMALL, parse_as, read_as


class Model(BaseModel):
    width: int = Field(1, gt=0)
    format: str = "one"
    rest: Any = None


class Table(TypedDict):
    id: str
    sizes: tuple[int, int]


@dataclass
class Plain:
    name: str


def test_every_kind_of_type_is_read() -> None:
    assert parse_as(Model, b'{"width": 3}', "a") == Model(width=3)
    assert parse_as(Table, b'{"id": "a", "sizes": [1, 2]}', "a") == {"id": "a", "sizes": (1, 2)}
    assert parse_as(Plain, b'{"name": "b"}', "a") == Plain("b")
    assert parse_as(list[str], '["é"]'.encode("utf-16"), "a") == ["é"]
    assert parse_as(list[str], '["é"]'.encode("utf-8-sig"), "a") == ["é"]
    assert parse_as(dict[str, float], b'{"a": 1}', "a") == {"a": 1.0}


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        (Model, b'{"width": -3}', "a: width: should be greater than 0 (is -3); mend it"),
        (Model, b'{"width": "3"}', "a: width: should be a valid integer (is '3'); mend it"),
        (Model, b'{"width": true}', "a: width: should be a valid integer (is True); mend it"),
        (Model, b"[]", "a: the whole: should be an object (is []); mend it"),
        (Model, b'{"format": null}', "a: format: is none that this version of blurbench reads"),
        (Table, b'{"id": "a"}', "a: lacks the field sizes; mend it"),
        (list[Table], b'[{"id": "a", "sizes": [1, "2"]}]', "a: 0.sizes.1: should be a valid int"),
        (dict[str, int], b'{"a\\nb": null}', "a: a b: should be a valid integer (is None)"),
        (Model, b'{"width": ' + b"9" * 5000 + b"}", "a: not valid JSON (number out of range"),
        (Model, b'{"rest": ' + b"9" * 2000 + b"}", "a: not valid JSON (a number of 2,000 digits"),
        (Model, b'{"width": -' + b"9" * 2000 + b"}", "a: width: should be greater than 0 (is -99"),
        (Model, b'{"rest": NaN}', "a: not valid JSON (NaN is no number); mend it"),
        (Model, b'{"rest": [1e999]}', "a: not valid JSON (1e999 is too large); mend it"),
        (Model, b'{"rest": "\\ud800"}', "a: not valid JSON (unexpected end of hex escape"),
        (Model, b'{"rest": "\\u0000"}', "a: not valid JSON (text with half a character, or NUL)"),
        (Model, b'{"rest": ' + b"[" * 100_000, "a: not valid JSON (recursion limit exceeded"),
        (Model, b'{"rest": "\xff"}', "a: not valid JSON (invalid unicode code point"),
        (Model, b"", "a: not valid JSON (EOF while parsing"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_mend(kind: Any, text: bytes, told: str) -> None:
    with pytest.raises(UserError) as found:
        parse_as(kind, text, "a", "mend it")
    line = str(found.value)
    assert line.startswith(told)
    assert line.endswith("; mend it")
    assert "\n" not in line
    assert len(line) < 200


def test_a_file_of_any_size_has_no_nul(tmp_path: Path) -> None:
    text = json.dumps(["\0", "a" * SMALL])
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match="NUL"):
        read_as(list[str], tmp_path / "a.json")
    (tmp_path / "a.json").write_text(text.replace("\\u0000", ""))
    assert len(read_as(list[str], tmp_path / "a.json")) == 2
    with pytest.raises(UserError, match=r"b\.json: no such file; mend it"):
        read_as(list[str], tmp_path / "b.json", "mend it")


@settings(max_examples=200, deadline=None)
@given(
    st.binary() | st.text().map(str.encode) | st.text().map(lambda text: json.dumps(text).encode())
)
def test_no_bytes_end_in_another_error(data: bytes) -> None:
    for kind in (Model, list[str], str):
        with suppress(UserError):
            parse_as(kind, data, "a")
