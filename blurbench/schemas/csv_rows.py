"""The rows of CSV files, whoever wrote them."""

import csv
import io
from collections.abc import Iterator

from blurbench.errors import UserError
from blurbench.files import decode_text

CsvRow = dict[str, str]  # column -> text


def csv_rows(data: bytes, name: str) -> tuple[list[str], Iterator[tuple[int, CsvRow]]]:
    """The columns of a CSV file, and its rows with the number of their line.

    UserError names the file where it is none, or has a column twice; and, once they are asked for,
    the line that has another number of cells than the header.
    """
    text = decode_text(data, name)
    header = text.partition("\n")[0]
    # A spreadsheet in a country whose comma is a point's writes semicolons, or tabs.
    between = next((each for each in ",;\t" if each in header), ",")
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=between)
    try:
        columns = list(reader.fieldnames or ())
    except csv.Error as error:
        raise UserError(f"{name}: not a CSV file ({error})") from None
    if twice := [column for column in columns if columns.count(column) > 1]:
        raise UserError(f"{name}: has two columns called {twice[0]!r:.80}; keep one")
    return columns, _rows(reader, name)


def _rows(reader: "csv.DictReader[str]", name: str) -> Iterator[tuple[int, CsvRow]]:
    try:
        for row in reader:
            # A sentence with a comma that is not in quotes would lose its end.
            if None in row or None in row.values():
                mend = "put what holds a comma in double quotes"
                raise UserError(f"{name}: line {reader.line_num} does not fit the header; {mend}")
            yield reader.line_num, row
    except csv.Error as error:
        raise UserError(f"{name}: not a CSV file ({error})") from None
