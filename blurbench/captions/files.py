"""Caption files: COCO's and Karpathy's JSON, plain JSON dictionaries, CSV tables; and results."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blurbench.captions.words import clean
from blurbench.errors import UserError
from blurbench.files import parse_json

FORMATS = "COCO's or Karpathy's JSON, {image: [captions]}, or a CSV with columns image, caption"


@dataclass(frozen=True)
class Caption:
    """One sentence about one image."""

    image: str  # COCO's image id; in a CSV or a dictionary whatever it calls the image
    text: str
    split: str | None = None


def read_captions(path: Path) -> list[Caption]:
    """All captions of a file, in its order; UserError names what is wrong with it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    read = _of_table if path.suffix.lower() == ".csv" else _of_json
    try:
        captions = list(read(data, str(path)))
    except (LookupError, TypeError, AttributeError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: no caption file ({_told(error)}); wanted: {FORMATS}") from None
    if not captions:
        raise UserError(f"{path}: no captions; wanted: {FORMATS}")
    return captions


def by_image(captions: Iterable[Caption]) -> dict[str, list[str]]:
    """The references of each image."""
    found: dict[str, list[str]] = {}
    for caption in captions:
        found.setdefault(caption.image, []).append(caption.text)
    return found


def read_results(path: Path) -> dict[str, str]:
    """One caption an image, as a captioner wrote them; a second one is a UserError."""
    found = by_image(read_captions(path))
    twice = next((image for image, several in found.items() if len(several) > 1), None)
    if twice is not None:
        raise UserError(f"{path}: image {twice} has {len(found[twice])} captions; results have one")
    return {image: several[0] for image, several in found.items()}


def _of_json(data: bytes, name: str) -> Iterator[Caption]:
    document = parse_json(data, name)
    if isinstance(document, list):
        return _of_annotations(document)
    if "annotations" in document:
        return _of_annotations(document["annotations"])
    if "images" in document:
        return _of_karpathy(document["images"])
    return _of_dictionary(document)


def _of_annotations(annotations: list[dict[str, Any]]) -> Iterator[Caption]:
    for each in annotations:
        yield Caption(str(each["image_id"]), _text(each["caption"], each["image_id"]))


def _of_karpathy(images: list[dict[str, Any]]) -> Iterator[Caption]:
    for image in images:
        id = str(image.get("cocoid", image.get("imgid", image.get("filename"))))
        # The fourth split is the rest of COCO's val, which everybody trains on.
        split = {"restval": "train"}.get(image["split"], image["split"])
        for sentence in image["sentences"]:
            yield Caption(id, _text(sentence["raw"], id), split)


def _of_dictionary(document: dict[str, Any]) -> Iterator[Caption]:
    for image, captions in document.items():
        for text in [captions] if isinstance(captions, str) else captions:
            yield Caption(image, _text(text, image))


def _of_table(data: bytes, name: str) -> Iterator[Caption]:
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
    for row in rows:
        if None in row or None in row.values():
            mend = "put what holds a comma in double quotes"
            raise UserError(f"{name}: line {rows.line_num} does not fit the header; {mend}")
        yield Caption(row["image"], clean(row["caption"]), row.get("split") or None)


def _text(value: Any, image: Any) -> str:
    if not isinstance(value, str):
        raise _NoText(f"image {image}: {value!r} is no text")
    return clean(value)


class _NoText(ValueError):
    """A caption that is none."""


def _told(error: Exception) -> str:
    """What is wrong with a file, for people."""
    if isinstance(error, KeyError):
        return f"an entry has no {error}"
    if isinstance(error, UnicodeDecodeError):
        return "its text is not UTF-8"
    return str(error) if isinstance(error, _NoText | csv.Error) else "its entries have another form"
