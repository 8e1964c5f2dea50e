"""Sentences about the pictures of a source: Karpathy's list, COCO's caption files, or a CSV."""

import io
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from blurbench.errors import UserError
from blurbench.sources.labels.files import KnownLabels, LabelFiles, match, read_table

FOLDERS = (".", "annotations")  # COCO's own name
TABLE = "captions.csv"
LOOKED_FOR = f"dataset_coco.json, COCO's captions_*.json or {TABLE}, here or in annotations/"
# Karpathy's fourth split is the rest of COCO's val, which everybody trains on.
SPLIT_OF = {"train": "train", "restval": "train", "val": "val", "test": "test"}


@dataclass(frozen=True)
class Sentence:
    """One caption as a file has it."""

    picture: str  # as the file names it
    key: tuple[str, int]  # the same for a sentence that several files hold; decides the order
    text: str
    split: str | None = None


@dataclass(frozen=True)
class CaptionFiles:
    """What the caption files say."""

    told: dict[str, KnownLabels]  # of every picture, by its id
    files: list[str]  # those that name a picture of this source


class _Collected:
    """What is known after some of the files."""

    def __init__(self) -> None:
        self.sentences: dict[str, dict[tuple[str, int], str]] = defaultdict(dict)
        self.splits: dict[str, str] = {}
        self.unclear: dict[str, str] = {}
        self.files: list[str] = []

    def add(self, name: str, sentences: Sequence[Sentence], ids: Sequence[str]) -> None:
        matches = match((each.picture for each in sentences), ids)
        for each in sentences:
            id = matches.ids.get(each.picture)
            if id is None:
                continue
            if each.text:
                self.sentences[id].setdefault(each.key, each.text)
            stated = self.splits.setdefault(id, each.split) if each.split else None
            if stated != each.split:
                raise UserError(
                    f"{name}: {each.picture} is listed in {stated} and in {each.split}; keep one"
                )
        self.unclear |= {id: f"in {name}, {why}" for id, why in matches.unclear.items()}
        if matches.ids or matches.unclear:
            self.files.append(name)

    def tell(self, id: str, count: int) -> KnownLabels:
        """The first `count` sentences, in the order of their numbers, and the split."""
        texts = [text for _, text in sorted(self.sentences[id].items())]
        if len(texts) >= count:
            return KnownLabels({"captions": texts[:count]}, self.splits.get(id))
        reason = self.unclear.get(id, ", ".join(self.files))
        problem = f"{len(texts)} captions, {count} are needed ({reason})"
        return KnownLabels({}, self.splits.get(id), problem=problem)


def read_captions(files: LabelFiles, ids: Sequence[str], count: int) -> CaptionFiles | None:
    """The first `count` sentences of each picture; None where no file names one of them.

    A sentence of the same number in several files counts once. UserError names a broken file.
    """
    collected = _Collected()
    for name in files.names:
        path = PurePosixPath(name)
        if str(path.parent) not in FOLDERS:
            continue
        if path.suffix.lower() == ".json":
            collected.add(name, _of_json(files, name), ids)
        elif path.name == TABLE:
            collected.add(name, list(_of_table(files, name)), ids)
    if not collected.files:
        return None
    return CaptionFiles({id: collected.tell(id, count) for id in ids}, collected.files)


def _of_json(files: LabelFiles, name: str) -> list[Sentence]:
    data = files.read(name)
    # Parsing COCO's object masks, 450 MB, would take a minute and 4 GB only to find no caption.
    if not (_promising(name) or (b'"caption"' in data and b'"annotations"' in data)):
        return []
    try:
        document = json.loads(data)
        # A list holds what a captioner wrote, no references.
        if not isinstance(document, dict):
            return []
        images = document.get("images") or [{}]
        return list((_of_karpathy if "sentences" in images[0] else _of_coco)(name, document))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name}: not valid JSON ({error})") from None
    except KeyError as error:
        raise UserError(f"{name}: no caption file, an entry has no {error}") from None
    except (TypeError, AttributeError) as error:
        raise UserError(f"{name}: no caption file ({error})") from None


def _promising(name: str) -> bool:
    file_name = PurePosixPath(name).name.lower()
    return "caption" in file_name or file_name.startswith("dataset_")


def _of_karpathy(name: str, document: dict[str, Any]) -> Iterator[Sentence]:
    for image in document["images"]:
        picture = "/".join(filter(None, (image.get("filepath"), image["filename"])))
        split = _split(image["split"], f"{name}: {picture}")
        for sentence in image["sentences"]:
            # Of COCO these numbers are those of the annotations.
            key = ("", int(sentence["sentid"]))
            yield Sentence(picture, key, _plain(sentence["raw"]), split)


def _of_coco(name: str, document: dict[str, Any]) -> Iterator[Sentence]:  # noqa: ARG001
    from pycocotools.coco import COCO  # type: ignore[import-untyped]

    coco = COCO()
    coco.dataset = document
    with redirect_stdout(io.StringIO()):
        coco.createIndex()
    for number, annotation in coco.anns.items():
        image = coco.imgs.get(annotation["image_id"])
        if image and "caption" in annotation:
            yield Sentence(image["file_name"], ("", int(number)), _plain(annotation["caption"]))


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
        raise UserError(f"{where}: no split {name!r}; there are {', '.join(SPLIT_OF)}")
    return SPLIT_OF[name]


def _plain(text: str) -> str:
    """Without the line breaks and double blanks that some of COCO's sentences have."""
    return " ".join(text.split())
