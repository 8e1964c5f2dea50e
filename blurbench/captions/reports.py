"""Caption scores of two files, as a table, JSON or CSV."""

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blurbench.captions.files import by_image, read_captions, read_results
from blurbench.captions.scores import CaptionScores, score
from blurbench.errors import UserError
from blurbench.tables import cell


def score_files(results: Path, references: Path, **options: Any) -> CaptionScores:
    """`score` of a file of results against a caption file; UserError names the wrong one."""
    captions = read_results(results)
    people = by_image(read_captions(references))
    unknown = [image for image in captions if image not in people]
    if unknown:
        raise UserError(
            f"{results}: image {unknown[0]} is not in {references} ({len(unknown)} are not)"
        )
    return score(people, captions, **options)


def printed(found: CaptionScores, form: str) -> str:
    """A table for people, the whole as json, or one row an image as csv."""
    if form == "json":
        return json.dumps(asdict(found), indent=2, ensure_ascii=False, allow_nan=False)
    return _as_csv(found) if form == "csv" else _as_table(found)


def _as_table(found: CaptionScores) -> str:
    lines = []
    for name, value in found.scores.items():
        told = f"n/a ({found.missing[name]})" if value is None else f"{value:.4f}"
        lines.append(f"{name:<8} {told}")
    java = f", Java {found.java}" if found.java else ""
    count = "1 image" if found.images == 1 else f"{found.images} images"
    lines.append(f"{count}; words by tokenizer {found.tokenizer}{java}")
    return "\n".join([*lines, *found.notes])


def _as_csv(found: CaptionScores) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(found.rows[0])
    for row in found.rows:
        told = ("n/a" if value is None else value for value in row.values())
        # Ids and captions are anybody's text; scores keep all their digits.
        writer.writerow(cell(value) if isinstance(value, str) else value for value in told)
    return text.getvalue().rstrip("\n")
