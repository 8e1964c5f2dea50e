"""Caption files: COCO's and Karpathy's JSON, plain JSON dictionaries, CSV tables; and results."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NotRequired

from typing_extensions import TypedDict

from blurbench.captions.words import clean
from blurbench.errors import UserError
from blurbench.files import parse_json, read_regular
from blurbench.schemas import value_as
from blurbench.schemas.csv_rows import csv_rows

FORMATS = "COCO's or Karpathy's JSON, {image: [captions]}, or a CSV with columns image, caption"


MEND = f"wanted: {FORMATS}"
NAMES: tuple[Literal["cocoid", "imgid", "filename"], ...] = ("cocoid", "imgid", "filename")
# A backslash and what it goes with: first what is to stay, then half of a pair of surrogates.
HALVES = re.compile(
    rb"(\\(?:u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|u(?![dD][89a-fA-F])|[^u]))|\\u[dD]\w\w\w"
)
_Id = int | str


class _Annotation(TypedDict):
    """A caption of COCO's, or of a captioner."""

    image_id: _Id
    caption: str


class _CocoFile(TypedDict):
    """captions_val2017.json."""

    annotations: list[_Annotation]


class _Sentence(TypedDict):
    """A caption of Karpathy's."""

    raw: str


class _KarpathyImage(TypedDict):
    """An image, which has some of the three names."""

    cocoid: NotRequired[_Id]
    imgid: NotRequired[_Id]
    filename: NotRequired[str]
    split: str
    sentences: list[_Sentence]


class _KarpathyFile(TypedDict):
    """dataset_coco.json."""

    images: list[_KarpathyImage]


@dataclass(frozen=True)
class Caption:
    """One sentence about one image."""

    image: str  # COCO's image id; in a CSV or a dictionary whatever it calls the image
    text: str
    split: str | None = None


def read_captions(path: Path) -> list[Caption]:
    """All captions of a file, in its order; UserError names what is wrong with it."""
    try:
        data = read_regular(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    read = _of_table if path.suffix.lower() == ".csv" else _of_json
    captions = list(read(data, str(path)))
    if not captions:
        raise UserError(f"{path}: no captions; {MEND}")
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
    document = parse_json(with_whole_letters(data), name)
    if isinstance(document, list):
        return _of_annotations(value_as(list[_Annotation], document, name, MEND))
    if isinstance(document, dict) and "annotations" in document:
        return _of_annotations(value_as(_CocoFile, document, name, MEND)["annotations"])
    if isinstance(document, dict) and "images" in document:
        return _of_karpathy(value_as(_KarpathyFile, document, name, MEND)["images"], name)
    return _of_dictionary(value_as(dict[str, str | list[str]], document, name, MEND))


def _of_annotations(annotations: list[_Annotation]) -> Iterator[Caption]:
    for each in annotations:
        yield Caption(str(each["image_id"]), clean(each["caption"]))


def _of_karpathy(images: list[_KarpathyImage], name: str) -> Iterator[Caption]:
    for image in images:
        id = next((str(image[key]) for key in NAMES if key in image), None)
        if id is None:
            raise UserError(f"{name}: an image has none of {', '.join(NAMES)}; {MEND}")
        # The fourth split is the rest of COCO's val, which everybody trains on.
        split = {"restval": "train"}.get(image["split"], image["split"])
        for sentence in image["sentences"]:
            yield Caption(id, clean(sentence["raw"]), split)


def _of_dictionary(document: dict[str, str | list[str]]) -> Iterator[Caption]:
    for image, captions in document.items():
        for text in [captions] if isinstance(captions, str) else captions:
            yield Caption(image, clean(text))


def _of_table(data: bytes, name: str) -> Iterator[Caption]:
    columns, rows = csv_rows(data, name)
    if not {"image", "caption"} <= set(columns):
        raise UserError(f"{name}: needs the columns image and caption; {MEND}")
    for _, row in rows:
        yield Caption(row["image"], clean(row["caption"]), row.get("split") or None)


def with_whole_letters(data: bytes) -> bytes:
    """JSON with "?" for each half of an emoji, as cut captions have; it prints nowhere."""
    return HALVES.sub(lambda found: found[0] if found[1] else b"?", data)
