"""Tables on the terminal, and as CSV."""

import csv
import io

import pytest

from blurbench.tables import as_table, csv_text

ROWS = [
    {"name": "a-long-name", "count": "3", "note": "some words and then some more words"},
    {"name": "b", "count": "12", "note": "[red]brackets[/red] :smile:"},
]


@pytest.mark.parametrize("columns", [40, 52, 200])
def test_rows_wrap_at_words_and_lose_nothing(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    written = as_table(ROWS, right=["count"])
    assert max(map(len, written.splitlines())) <= columns
    words = [word for row in ROWS for text in row.values() for word in text.split()]
    assert set(words) <= set(written.split())


def test_a_row_is_a_line_where_there_is_room(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert as_table(ROWS, right=["count"]).splitlines() == [
        "name         count  note",
        "a-long-name      3  some words and then some more words",
        "b               12  [red]brackets[/red] :smile:",
    ]
    assert as_table(ROWS, heading=False).splitlines()[1].split() == [
        "b",
        "12",
        "[red]brackets[/red]",
        ":smile:",
    ]
    assert as_table([]) == ""


def test_words_break_only_where_they_do_not_fit_beside_each_other(monkeypatch):
    monkeypatch.setenv("COLUMNS", "12")
    lines = as_table([{"a": "abcdefghij", "b": "abcdefghij"}], heading=False).splitlines()
    assert lines == ["abcde  abcde", "fghij  fghij"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "=cmd|' /C'!A0"])
def test_no_text_of_a_table_is_a_formula_of_a_spreadsheet(text):
    table = io.StringIO(csv_text([{"model": text, "psnr": -1.5}]), newline="")
    lines = list(csv.DictReader(table))
    assert lines == [{"model": f"'{text}".replace("\r", "\n"), "psnr": "-1.5"}]
