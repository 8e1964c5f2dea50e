"""Sentences about the pictures of a source: Karpathy's list, COCO's caption files, or a CSV."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, NotRequired

from pydantic import BeforeValidator
from typing_extensions import TypedDict

from blurbench.captions.files import with_whole_letters
from blurbench.errors import UserError
from blurbench.files import parse_json
from blurbench.schemas import value_as
from blurbench.sources.labels.files import KnownLabels, LabelFiles, match, read_table
from blurbench.words import counted, meant

FOLDERS = (".", "annotations")  # COCO's own name
TABLE, TABLES = "captions.csv", ("captions.csv", "captions.tsv")
TEXTS = (".jsonl", ".txt", ".parquet", ".tsv", ".csv", ".xlsx", ".token")  # of other captions
LOOKED_FOR = f"dataset_coco.json, COCO's captions_*.json or {TABLE}, here or in annotations/"
# Karpathy's fourth split is the rest of COCO's val, which everybody trains on.
SPLIT_OF = {"train": "train", "restval": "train", "val": "val", "test": "test"}
MEND = "wanted: COCO's or Karpathy's captions"


def _number(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():  # as pandas writes them
        return int(value)
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


_Number = Annotated[int, BeforeValidator(_number)]  # or its digits as a text
_Id = Annotated[int | str, BeforeValidator(_number)]


class _Raw(TypedDict):
    raw: str
    sentid: _Number


class _KarpathyImage(TypedDict):
    filepath: NotRequired[str]
    filename: str
    split: str
    sentences: list[_Raw]


class _KarpathyFile(TypedDict):
    images: list[_KarpathyImage]


class _Image(TypedDict):
    id: _Id
    file_name: str


class _Annotation(TypedDict):
    id: _Number
    image_id: _Id
    caption: NotRequired[str]


class _CocoFile(TypedDict):
    images: NotRequired[list[_Image]]
    annotations: NotRequired[list[_Annotation]]


@dataclass(frozen=True)
class Sentence:
    """One caption as a file has it."""

    picture: str  # as the file names it; "" where it names none
    key: tuple[str, int]  # the same for a sentence that several files hold; decides the order
    text: str
    split: str | None = None


@dataclass(frozen=True)
class CaptionFiles:
    """What the caption files say."""

    told: dict[str, KnownLabels]  # of every picture, by its id
    files: list[str]  # those that name a picture of this source
    strange: list[str]  # what is told of those that name none
    lost: list[str]  # what is told of sentences that are left out


class _Collected:
    """What is known after some of the files."""

    def __init__(self) -> None:
        self.sentences: dict[str, dict[tuple[str, int], str]] = defaultdict(dict)
        self.splits: dict[str, str] = {}
        self.unclear: dict[str, str] = {}
        self.files: list[str] = []
        self.strange: list[str] = []
        self.doubled: list[str] = []
        self.orphans: list[str] = []

    def add(self, name: str, sentences: Sequence[Sentence], ids: Sequence[str]) -> None:
        matches = match((each.picture for each in sentences), ids)
        for each in sentences:
            id = matches.ids.get(each.picture)
            if id is None:
                continue
            if each.text and self.sentences[id].setdefault(each.key, each.text) != each.text:
                self.doubled.append(f"{name}: {each.key[1]} of {each.picture}")
            stated = self.splits.setdefault(id, each.split) if each.split else None
            if stated != each.split:
                raise UserError(
                    f"{name}: {each.picture} is listed in {stated} and in {each.split}; keep one"
                )
        self.unclear |= {id: f"in {name}, {why}" for id, why in matches.unclear.items()}
        if matches.ids or matches.unclear:
            self.files.append(name)
        elif sentences:
            told = f"names none of these pictures (it has {sentences[0].picture}, here is {ids[0]})"
            self.strange.append(f"{name} {told}")

    def lost(self) -> list[str]:
        """A line for each kind of sentences that are left out."""
        kinds = {
            "whose number another one of the same picture has": self.doubled,
            "of images that their file does not list": self.orphans,
        }
        return [
            f"{counted(len(each), 'caption')} {kind}, left out (first: {each[0]})"
            for kind, each in kinds.items()
            if each
        ]

    def tell(self, id: str, count: int) -> KnownLabels:
        """The first `count` sentences, in the order of their numbers, and the split."""
        texts = [text for _, text in sorted(self.sentences[id].items())]
        if len(texts) >= count:
            return KnownLabels({"captions": texts[:count]}, self.splits.get(id))
        reason = self.unclear.get(id, ", ".join(self.files))
        problem = f"{len(texts)} captions, {count} are needed ({reason})"
        return KnownLabels({}, self.splits.get(id), problem=problem)


def read_captions(files: LabelFiles, ids: Sequence[str], count: int) -> CaptionFiles:
    """The first `count` sentences of each picture; of none where no file names one of them.

    A sentence of the same number in several files counts once. UserError names a broken file.
    """
    collected = _Collected()
    for name in files.names:
        path = PurePosixPath(name)
        if str(path.parent) not in FOLDERS:
            continue
        if path.suffix.lower() == ".json":
            found = _of_json(files, name)
            collected.add(name, [each for each in found if each.picture], ids)
            collected.orphans += [f"{name}: {e.key[1]}" for e in found if not e.picture]
        elif path.name in TABLES:
            collected.add(name, list(_of_table(files, name)), ids)
        elif "caption" in path.name.lower() and path.suffix.lower() in TEXTS:
            collected.strange.append(
                f"{name} is of a kind that is not read, looked for {LOOKED_FOR}"
            )
    told = {id: collected.tell(id, count) for id in ids} if collected.files else {}
    return CaptionFiles(told, collected.files, collected.strange, collected.lost())


def _of_json(files: LabelFiles, name: str) -> list[Sentence]:
    data = files.read(name)
    # Parsing COCO's object masks, 450 MB, would take a minute and 4 GB only to find no caption.
    if not (_promising(name) or (b'"caption"' in data and b'"annotations"' in data)):
        return []
    document = parse_json(with_whole_letters(data), name)
    # A list holds what a captioner wrote, no references.
    if not isinstance(document, dict):
        return []
    images = document.get("images")
    first = images[0] if isinstance(images, list) and images else None
    karpathy = isinstance(first, dict) and "sentences" in first
    return list((_of_karpathy if karpathy else _of_coco)(name, document))


def _promising(name: str) -> bool:
    file_name = PurePosixPath(name).name.lower()
    return "caption" in file_name or file_name.startswith("dataset_")


def _of_karpathy(name: str, document: Any) -> Iterator[Sentence]:
    for image in value_as(_KarpathyFile, document, name, MEND)["images"]:
        picture = "/".join(filter(None, (image.get("filepath"), image["filename"])))
        split = _split(image["split"], f"{name}: {picture}")
        for sentence in image["sentences"]:
            # Of COCO these numbers are those of the annotations.
            yield Sentence(picture, ("", sentence["sentid"]), _plain(sentence["raw"]), split)


def _of_coco(name: str, document: Any) -> Iterator[Sentence]:
    held = value_as(_CocoFile, document, name, MEND)
    pictures: dict[str, str] = {}
    for image in held.get("images", []):
        file = pictures.setdefault(_plain_id(image["id"]), image["file_name"])
        if file != image["file_name"]:
            twice = f"image {image['id']} is {file} and {image['file_name']}"
            raise UserError(f"{name}: {twice}; give each its own id")
    told: dict[tuple[str, Any], str] = {}
    for annotation in held.get("annotations", []):
        picture = pictures.get(_plain_id(annotation["image_id"]))
        if "caption" not in annotation:
            continue
        if not picture:
            yield Sentence("", ("", annotation["id"]), "")
            continue
        number, text = annotation["id"], _plain(annotation["caption"])
        # Files that were put together have numbers twice, of different pictures.
        if told.setdefault((picture, number), text) != text:
            raise UserError(
                f"{name}: annotation {number} of {picture} is there twice; number them anew"
            )
        yield Sentence(picture, ("", number), text)


def _plain_id(id: int | str) -> str:
    """Numbers and texts alike: 184613 and "000000184613"."""
    text = str(id)
    return text.lstrip("0") or "0" if text.isdecimal() else text


def _of_table(files: LabelFiles, name: str) -> Iterator[Sentence]:
    table = read_table(files, name)
    if not {"image", "caption"} <= table.columns:
        raise UserError(f"{name}: needs the columns image and caption")
    for line, row in table.rows:
        split = row.get("split") or None
        split = split and _split(split, f"{name}: line {line}")
        yield Sentence(row["image"], (name, line), _plain(row["caption"]), split)


def _split(name: str, where: str) -> str:
    if name not in SPLIT_OF:
        near = meant(name, SPLIT_OF)
        raise UserError(f"{where}: no split {name!r}{near}; there are {', '.join(SPLIT_OF)}")
    return SPLIT_OF[name]


def _plain(text: str) -> str:
    """Without the line breaks and double blanks that some of COCO's sentences have."""
    return " ".join(text.split())
