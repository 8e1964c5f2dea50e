"""What the leaderboard and a table made again share: CSV text, and pages without a network."""

import base64
import csv
import hashlib
import io
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from blurbench.evaluation import counted

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run as one


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
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def templates() -> Environment:
    """The templates of the pages: values are escaped, and a name that is missing is an error."""
    environment = Environment(
        loader=PackageLoader("blurbench.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["counted"] = counted
    return environment


def joined(environment: Environment, names: Sequence[str]) -> tuple[str, str]:
    """Some style sheets or scripts as one, and the hash that a content security policy lists."""
    assert environment.loader is not None
    text = "\n".join(environment.loader.get_source(environment, name)[0] for name in names)
    digest = hashlib.sha256(text.encode()).digest()
    return text, "sha256-" + base64.b64encode(digest).decode()
