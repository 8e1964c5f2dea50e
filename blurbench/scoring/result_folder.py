"""The RESULT folder: what its files hold, and the only place that writes and reads them.

summary.json has what was scored and how, and what it came to; results.jsonl a line a picture,
failures.jsonl a line a picture without scores; samples/ the pictures of a few ids, restored/ what
was restored of every id, where that was asked for.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from blurbench.errors import UserError
from blurbench.files import (
    inside,
    jsonl_line,
    load_json,
    open_regular,
    read_regular,
    write_bytes,
    write_json,
    write_jsonl,
    writing,
)
from blurbench.images import encode
from blurbench.progress import tell
from blurbench.schemas import parse_as
from blurbench.schemas.seals import SEAL, refuse_broken, sealed
from blurbench.words import counted

FORMAT: Literal["blurbench result 2"] = "blurbench result 2"
SUMMARY, PICTURES, FAILURES = "summary.json", "results.jsonl", "failures.jsonl"
RESTORED = "restored"
MEND = "make it again with `blurbench evaluate`"
# Evaluating goes on in a folder whose summary can be read, and in none where it cannot.
CHANGED = "make it again in another folder, or give its scores as a CSV"
KEPT = 8  # pictures that every model keeps as samples
LARGEST = 1e100  # of a score: far from where sums of squares leave the floats
# A result made with another one of these is another result.
SAME = {
    "model",
    "restored_by",
    "data",
    "protocol",
    "metrics",
    "provenance",
    "repeats",
    "using",
    "plugins",
}

Number = Annotated[float, Field(gt=-LARGEST, lt=LARGEST)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class JsonObject(BaseModel):
    """A JSON object: no number for a text, no list for an object, no NaN."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    def written(self) -> dict[str, Any]:
        """As it stands in its file: what was never set does not apply, and is left out."""
        return self.model_dump(exclude_unset=True)


class ScoredData(JsonObject):
    """The split that was scored."""

    recipe: str
    recipe_sha256: str | None = None
    split: str
    digest: str
    images: Count | None = None  # that there are to score


class Skipped(JsonObject):
    """A line of failures.jsonl: a picture that has no scores."""

    id: str
    why: str


class Provenance(JsonObject):
    """What boards read of how a model came about; the summary has all of it."""

    model: str | None = None
    preset: str | None = None
    seed: int | None = None
    run_hash: str | None = None
    data: dict[str, JsonValue] | None = None  # what it learnt from
    device: str = "cpu"
    params: Count | None = None
    gmacs_256: Annotated[float, Field(ge=0)] | None = None


class TrainedOn(JsonObject):
    """How much training stands behind the weights; None where a run does not tell."""

    steps: Count
    sharp_pictures: Count | None = None  # different ones
    epochs: Annotated[float, Field(ge=0)] | None = None  # passes over them; of sets: on average
    hours: Annotated[float, Field(ge=0)] | None = None  # of the processor; of a GPU, of the clock
    device: str | None = None
    sets: str | None = None  # several, with their shares: "0.7 demo + 0.3 demo-faces"

    def __str__(self) -> str:
        """Such as "trained on 600 sharp pictures, 1,250 steps, 8.3 epochs, 0.4 h, cpu AVX512"."""
        of = f" on {self.sharp_pictures:,} sharp pictures" if self.sharp_pictures else ""
        if self.sets:
            of = f"{of} of {self.sets}" if of else f" on {self.sets}"
        parts = [f"trained{of}", f"{self.steps:,} steps"]
        if self.epochs:
            parts.append(f"{self.epochs:,.3g} epochs")
        if self.hours:
            long = self.hours >= 1
            parts.append(f"{self.hours:.1f} h" if long else f"{60 * self.hours:.0f} min")
        return ", ".join([*parts, *([self.device] if self.device else [])])


class Leaks(JsonObject):
    """How many pictures are of sharp sources that the weights have seen, by the way they did."""

    train: Count = 0  # trained on
    init: Count = 0  # trained on by the weights that the run began with
    val: Count = 0  # the best weights were chosen by them
    first: str = ""  # id of the first of them
    unchecked: str = ""  # why there may be more

    @property
    def pictures(self) -> int:
        """All of them."""
        return self.train + self.init + self.val

    def __str__(self) -> str:
        """Such as "trained on the sources of 3 pictures"; empty for none."""
        ways = {
            "trained on": self.train,
            "began with weights trained on": self.init,
            "chose its weights by": self.val,
        }
        found = [(way, counted(count, "picture")) for way, count in ways.items() if count]
        return ", ".join(f"{way} the sources of {count}" for way, count in found)


class Measured(JsonObject):
    """What the summaries of restored pictures and of captions share."""

    format: Literal["blurbench result 2"] | None = None  # None: by 0.1.0, which had all the rest
    model: str  # what boards call it
    data: ScoredData
    protocol: str
    images: Count = 0  # that have scores
    means: dict[str, Number | None] = {}  # by metric; None where it applies to no picture
    missing: dict[str, str] = {}  # metric -> why it could not be measured
    milliseconds_median: float | None = None  # of one picture
    figures: dict[str, float] = {}  # what the model counted, means over pictures
    leaks: Leaks | None = None  # None: not looked for, as by 0.1.0, or there is no training


class CaptionSummary(Measured):
    """summary.json of a captioner."""

    weights: str
    tokenizer: str


class ResultSummary(Measured):
    """summary.json of restored pictures; one that is begun has only what makes it this result."""

    restored_by: str
    metrics: list[str]
    provenance: dict[str, JsonValue]  # how the pictures were restored
    repeats: Count = 1  # draws of noise that each score is the mean of
    using: dict[str, JsonValue] = {}  # tool of a metric -> which one
    plugins: dict[str, str] = {}  # metric of another package -> that package and its version
    added: list[str] = []  # metrics that it was not begun with
    trained_on: TrainedOn | None = None
    data_folder: str = ""
    data_title: str = ""
    complete: bool = False
    spread: dict[str, float] = {}  # metric -> deviation between draws, mean over pictures
    tiles: dict[str, Count] = {}  # side, px -> pictures that went by tiles of it
    peak_memory_mb: float | None = None  # MB of 2^20 bytes
    gpu_peak_memory_mb: float | None = None
    samples: list[str] = []  # ids whose pictures are kept
    skipped: list[Skipped] = []
    environment: dict[str, JsonValue] = {}  # what it was measured on

    @field_validator("provenance")
    @classmethod
    def _readable(cls, provenance: dict[str, JsonValue]) -> dict[str, JsonValue]:
        Provenance.model_validate(provenance)
        return provenance

    @property
    def made_by(self) -> Provenance:
        """The provenance, as far as boards read it."""
        return Provenance.model_validate(self.provenance)

    def identity(self) -> dict[str, Any]:
        """What makes it this result. A reworded recipe has another hash, but the same pixels."""
        return self.model_dump(include=SAME, exclude={"data": {"recipe_sha256"}})


class ScoredPicture(JsonObject):
    """A line of results.jsonl."""

    model: str
    data: str  # digest
    split: str
    protocol: str
    id: str
    metrics: dict[str, Number | None]  # None where a metric does not apply to the picture
    severity: float | None = None  # mean length of its blur, px
    groups: dict[str, str] = {}  # kind, such as shot_type -> label
    milliseconds: float | None = None
    figures: dict[str, float] = {}
    tile: Count | None = None  # px, where it went by tiles
    source: str | None = None  # the sharp picture it was blurred from
    spread: dict[str, float] = {}  # metric -> deviation between draws of noise
    restored_sha256: str | None = None  # of the file, where restored pictures came as files


@dataclass(frozen=True)
class Keep:
    """Which pictures a result keeps beside the scores."""

    samples: frozenset[str]  # ids of which it keeps all three
    restored: bool = False  # what was restored of every id

    def roles(self, id: str) -> tuple[str, ...]:
        """The pictures of an id that are kept."""
        if id in self.samples:
            return ("blur", "sharp", "restored")
        return ("restored",) if self.restored else ()

    def write(self, folder: Path, id: str, pictures: Mapping[str, np.ndarray]) -> None:
        """Those of one id, (H, W, 3) uint8 by role."""
        if id in self.samples:
            write_samples(folder, id, pictures)
        if self.restored:
            write_bytes(restored_file(folder, id), encode(pictures["restored"]))


Kind = TypeVar("Kind", bound=JsonObject)


def read_summary(folder: Path) -> ResultSummary:
    """Of a result, finished or not; UserError names the file and the field that is wrong."""
    return _read(ResultSummary, folder / SUMMARY)


def read_caption_summary(folder: Path) -> CaptionSummary:
    """`read_summary` of a captioner's result."""
    return _read(CaptionSummary, folder / SUMMARY)


def read_pictures(folder: Path) -> Iterator[tuple[str, ScoredPicture]]:
    """The lines of results.jsonl, each with what to call it in messages; UserError as above."""
    path = folder / PICTURES
    try:
        with open_regular(path) as file:
            for number, line in enumerate(file, start=1):
                where = f"{path}: line {number}"
                yield where, _picture(line, path, where)
    except FileNotFoundError:
        raise UserError(f"{folder}: holds no {PICTURES}; {MEND}") from None


def read_begun(folder: Path, metrics: Sequence[str]) -> dict[str, ScoredPicture]:
    """The pictures that are scored already, by id; a crash may have torn the last line.

    A line without all of the metrics is left out; so is, told, a damaged one: its picture is
    scored again.
    """
    path, found = folder / PICTURES, {}
    text = read_regular(path) if path.exists() else b""
    # Without what follows the last line break: a write that was cut short.
    for number, line in enumerate(text[: text.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            picture = _picture(line, path, f"{path}: line {number}")
        except UserError as error:
            tell(f"{str(error).removesuffix(f'; {MEND}')}; its picture is scored again")
        else:
            if set(metrics) <= picture.metrics.keys():
                found[picture.id] = picture
    return found


def parse(kind: type[Kind], text: bytes, where: str) -> Kind:
    """A JSON document as `kind`; UserError names the first field that is wrong."""
    return parse_as(kind, text, where, MEND)


def write_summary(folder: Path, summary: Measured) -> None:
    """Whole or not at all, with the format that this version writes."""
    write_json(folder / SUMMARY, sealed({"format": FORMAT, **summary.written()}))


def write_pictures(folder: Path, pictures: Iterable[ScoredPicture]) -> None:
    """All of results.jsonl, whole or not at all."""
    write_jsonl(folder / PICTURES, (sealed(picture.written()) for picture in pictures))


def write_failures(folder: Path, skipped: Iterable[Skipped]) -> None:
    """All of failures.jsonl, whole or not at all."""
    write_jsonl(folder / FAILURES, (each.written() for each in skipped))


@contextmanager
def appending(folder: Path) -> Iterator[Callable[[ScoredPicture], None]]:
    """A function that adds a line to results.jsonl: an interruption loses no picture before it."""
    path = folder / PICTURES
    with writing(path), path.open("ab") as file:

        def append(picture: ScoredPicture) -> None:
            file.write(jsonl_line(sealed(picture.written())))
            # Handed to the system: a kill of this process loses no line.
            file.flush()

        yield append


def sample_ids(ids: Iterable[str]) -> set[str]:
    """The few ids whose pictures are kept: by hash, so that every model keeps the same ones."""
    return set(sorted(ids, key=lambda id: hashlib.sha256(id.encode()).digest())[:KEPT])


def restored_file(folder: Path, id: str) -> Path:
    """Where a restored picture is kept; UserError where that is elsewhere."""
    return inside(folder, f"{RESTORED}/{id}.png")


def sample_file(folder: Path, id: str, role: str) -> Path:
    """Where a sample's `blur`, `sharp` or `restored` lies; UserError where that is elsewhere."""
    return inside(folder, f"samples/{id}__{role}.png")


def write_samples(folder: Path, id: str, pictures: Mapping[str, np.ndarray]) -> None:
    """The pictures of one id, (H, W, 3) uint8 by role."""
    for role, image in pictures.items():
        write_bytes(sample_file(folder, id, role), encode(image))


def _read(kind: type[Kind], path: Path) -> Kind:
    try:
        data = read_regular(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {MEND}") from None
    found = parse(kind, data, str(path))
    refuse_broken(load_json(data), str(path), CHANGED)
    return found


def _picture(line: bytes, path: Path, where: str) -> ScoredPicture:
    picture, document = parse(ScoredPicture, line, where), load_json(line)
    # Lines without seals are told once, as their file.
    refuse_broken(document, where if SEAL in document else str(path), MEND)
    return picture
