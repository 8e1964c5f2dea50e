"""Tables: on the terminal, as wide as it is; and as CSV that is safe in a spreadsheet."""

import csv
import io
import shutil
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

GAP = 2  # spaces between two columns
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run as one


def as_table(
    rows: Sequence[Mapping[str, str]], right: Collection[str] = (), heading: bool = True
) -> str:
    """The rows under their headings, wrapped at words; the columns named in `right` on the right.

    As wide as the terminal, or 100 characters where there is none. A word is broken only where the
    longest words of all columns do not fit beside each other. No rows are no text.
    """
    from rich.console import Console
    from rich.table import Table

    if not rows:
        return ""
    lines = [dict(zip(rows[0], rows[0], strict=True))] * heading + [*rows]
    columns = {name: [line[name] for line in lines] for name in rows[0]}
    terminal = shutil.get_terminal_size((100, 24)).columns
    widths = _widths(list(columns.values()), terminal - GAP * (len(columns) - 1))
    table = Table(box=None, show_header=heading, pad_edge=False, padding=(0, GAP, 0, 0))
    for name, width in zip(columns, widths, strict=True):
        side: Literal["right", "left"] = "right" if name in right else "left"
        table.add_column(name, justify=side, width=width, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    console = Console(
        file=io.StringIO(), width=max(terminal, 1), markup=False, emoji=False, highlight=False
    )
    with console.capture() as written:
        console.print(table)
    return "\n".join(line.rstrip() for line in written.get().splitlines())


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """Characters for each column, `room` in all; the widest gives way first, words last."""
    # Rich's own shrinking forgets its minimal widths, and cuts off what is then too much.
    whole = [max(map(len, column)) for column in columns]
    longest = [max(len(word) for text in column for word in text.split(" ")) for column in columns]
    while sum(whole) > max(room, len(columns)):
        place = max(range(len(whole)), key=lambda n: (whole[n] > longest[n], whole[n]))
        whole[place] -= 1
    return whole


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """A line each, under every column that any of them has; one that does not apply is empty."""
    text = io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def cell(value: Any) -> Any:
    """Six digits of a float; text that a spreadsheet would run as a formula gets an apostrophe."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if not isinstance(value, str):
        return value
    # Python 3.11 writes a lone carriage return without quotes, and readers begin a row behind it.
    text = value.replace("\r", "\n")
    return f"'{text}" if value.startswith(FORMULA) else text
