"""CSV files: what spreadsheets write, and what is none."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench.errors import UserError
from blurbench.schemas.csv_rows import csv_rows


def test_rows_come_with_their_lines():
    data = '\ufeffa,"b, c"\r\n1,"two\nlines"\r\n\r\n3,4\r\n'.encode()
    columns, rows = csv_rows(data, "t")
    assert columns == ["a", "b, c"]
    assert list(rows) == [(3, {"a": "1", "b, c": "two\nlines"}), (5, {"a": "3", "b, c": "4"})]
    assert csv_rows(b"", "t")[0] == []


@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_tables_as_windows_and_excel_save_them(between, encoding):
    text = between.join(["image", "caption"]) + "\r\n" + between.join(["ä.jpg", "a dog"]) + "\r\n"
    data = (b"\xff\xfe" if encoding == "utf-16-le" else b"") + text.encode(encoding)
    columns, rows = csv_rows(data, "t")
    assert columns == ["image", "caption"]
    assert list(rows) == [(2, {"image": "ä.jpg", "caption": "a dog"})]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a,b\n1\n", "t: line 2 does not fit the header; put what holds a comma in double"),
        (b"a,b\n1,2\n1,2,3\n", "t: line 3 does not fit the header"),
        (b"a,a\n1,2\n", "t: has two columns called 'a'; keep one"),
        (b'a,b\n1,"2\n', "t: not a CSV file (unexpected end of data)"),
        (b'"a', "t: not a CSV file (unexpected end of data)"),
        (b"a\n\xff\n", "t: not text in UTF-8 ('utf-8' codec"),
        (b"a\n\0\n", "t: not text in UTF-8 (holds NUL)"),
        (b"a\n" + b"x" * 200_000, "t: not a CSV file (field larger than"),
    ],
)
def test_what_is_wrong_is_one_line(data, told):
    with pytest.raises(UserError) as found:
        list(csv_rows(data, "t")[1])
    assert str(found.value).startswith(told)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text('ab,"\n\r é', max_size=40).map(str.encode))
def test_no_bytes_end_in_another_error(data):
    with suppress(UserError):
        for _, row in csv_rows(data, "t")[1]:
            assert all(isinstance(each, str) for pair in row.items() for each in pair)
