"""`blurbench captions generate`: sentences for pictures, by one run or several."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from blurbench.datasets.dataset import BlurDataset
from blurbench.datasets.format import DATASET
from blurbench.errors import UserError
from blurbench.files import read_json, write_bytes, write_json
from blurbench.images import BadImage, encode, read_image, to_float
from blurbench.inference.caption_sheet import Described, caption_sheet
from blurbench.inference.files import pictures_of
from blurbench.inference.maps import write_maps
from blurbench.out_folder import refuse_overwriting
from blurbench.progress import progress
from blurbench.runs.load import load_run
from blurbench.runs.trained import TrainedModel

SHOWN = 8  # pictures on the sheet
SHEET = "captions.png"
REFERENCES = "references"  # of people, beside the runs' sentences


@dataclass
class Generated:
    """What was written, and which pictures could not be read."""

    folder: Path
    files: list[Path] = field(default_factory=list)
    pictures: int = 0
    failed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line a file."""
        told = [str(path) for path in self.files]
        return "\n".join([f"{self.pictures} pictures described", *told])


class PictureToDescribe(NamedTuple):
    """A picture to describe, read when it is its turn."""

    id: str
    read: Callable[[str], np.ndarray]  # blur or sharp -> (H, W, 3) uint8


def generate(
    source: Path,
    runs: tuple[Path, ...],
    out: Path,
    *,
    split: str = "test",
    beams: int | None = None,
    device: str | None = None,
    explain: Path | None = None,
) -> Generated:
    """OUT/RUN.json, id -> sentence, for a picture, a folder of them, or a split of a data set.

    Of a data set OUT/references.json holds what people said; OUT/captions.png compares the runs on
    the first pictures; `explain` is the folder for what trees of nodes see.
    """
    models = load_models(runs, device)
    shown, references = pictures_to_show(source, split)
    documents = [*models, *([REFERENCES] if references else [])]
    names = [*(f"{name}.json" for name in documents), SHEET]
    pictures = pictures_of(source) if not (source / DATASET).is_file() else []
    refuse_overwriting([out / name for name in names], is_ours, pictures)
    kinds = dict.fromkeys(input_of(model) for model in models.values())  # the sheet has the first
    result, sheet = Generated(out), list[Described]()
    sentences: dict[str, dict[str, str]] = {name: {} for name in models}
    try:
        with progress("describe", len(shown)) as advance:
            for each in shown:
                try:
                    images = {kind: each.read(kind) for kind in kinds}
                except BadImage as error:
                    result.failed.append(str(error))
                else:
                    said = sentences_of(models, images, each.id, beams, explain)
                    for name, sentence in said.items():
                        sentences[name][each.id] = sentence
                    picture = next(iter(images.values()))
                    if result.pictures < SHOWN:
                        sheet.append(Described(picture, said, references.get(each.id)))
                    result.pictures += 1
                advance()
    finally:  # what was described before an interruption is kept
        if result.pictures:
            result.files = list(write_results(out, sentences, references, sheet))
    return result


def is_ours(path: Path) -> bool:
    """Whether a file was written by `write_results`, as far as it tells: id -> what was said."""
    if path.suffix != ".json":  # the sheet, which lies beside what it shows
        return any(map(is_ours, path.parent.glob("*.json")))
    try:
        document = read_json(path)
    except UserError:
        return False
    said = document.values() if isinstance(document, dict) else [None]
    return all(isinstance(each, str) or _are_texts(each) for each in said)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def sentences_of(
    models: dict[str, TrainedModel],
    images: dict[str, np.ndarray],
    id: str,
    beams: int | None,
    explain: Path | None,
) -> dict[str, str]:
    """What each model says of one picture; what their trees see goes below `explain`."""
    if explain is not None:
        for name, model in models.items():
            write_maps(model, images[input_of(model)], explain / name / id)
    return {
        name: describe(model, images[input_of(model)], id, beams) for name, model in models.items()
    }


def load_models(runs: tuple[Path, ...], device: str | None) -> dict[str, TrainedModel]:
    """Runs by the names of their folders; UserError where one has no words."""
    models = {run.resolve().name: load_run(run, device) for run in runs}
    if len(models) < len(runs):
        raise UserError("two runs have the same name, which their files are named by; rename one")
    if REFERENCES in models:
        raise UserError(f"{REFERENCES}: the file of a run with this name is people's; rename it")
    for run, model in zip(runs, models.values(), strict=True):
        if not model.model.DESCRIBES:
            raise UserError(f"{run}: {model.name} writes no captions; it restores pictures")
    return models


def pictures_to_show(
    source: Path, split: str
) -> tuple[list[PictureToDescribe], dict[str, list[str]]]:
    """What to describe, and what people said of it."""
    if (source / DATASET).is_file():
        pairs = BlurDataset(source, split)
        said = {row["id"]: row["captions"] for row in pairs.rows if row.get("captions")}
        shown = [PictureToDescribe(row["id"], partial(pairs.picture, row)) for row in pairs.rows]
        return shown, said
    root = source if source.is_dir() else source.parent
    named = [
        (path.relative_to(root).with_suffix("").as_posix(), path) for path in pictures_of(source)
    ]
    return [PictureToDescribe(id, partial(read_file, path)) for id, path in named], {}


def read_file(path: Path, _kind: str) -> np.ndarray:
    """A picture that is no pair, whatever a captioner was trained on."""
    return read_image(path)


def input_of(model: TrainedModel) -> str:
    """Blur or sharp: what the captioner was trained on, and is shown of a data set."""
    return model.model.INPUT


def describe(model: TrainedModel, image: np.ndarray, id: str, beams: int | None = None) -> str:
    """A sentence for (H, W, 3) uint8."""
    picture = torch.from_numpy(to_float(image))[None].to(model.device)
    return model.model.caption(picture, [id], beams)[0]


def write_results(
    out: Path,
    sentences: dict[str, dict[str, str]],
    references: dict[str, list[str]],
    sheet: list[Described],
) -> Iterator[Path]:
    """The files of a folder, as they are written."""
    documents = {**sentences, **({REFERENCES: references} if references else {})}
    for name, document in documents.items():
        write_json(out / f"{name}.json", document)
        yield out / f"{name}.json"
    if sheet:
        write_bytes(out / SHEET, encode(caption_sheet(sheet)))
        yield out / SHEET
