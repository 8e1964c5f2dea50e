"""What a folder of restored pictures was restored from, so that a second call goes on."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from blurbench.errors import UserError
from blurbench.files import jsonl_line, read_regular, sha256, writing
from blurbench.runs.trained import TrainedModel
from blurbench.schemas import parse_as

RECORD = ".deblur.jsonl"
MADE_BY = ("weights", "model", "preset", "config", "package")  # of a model's provenance


@dataclass(frozen=True)
class RecordLine:
    """One restored picture."""

    name: str  # of its file, below the folder
    how: str  # `how_made`
    source: str  # SHA-256 of the blurred file
    restored: str  # SHA-256 of its own
    tile: int | None = None


class Record:
    """The lines of a folder, read once; a picture is found where all of its line still holds."""

    def __init__(self, folder: Path, how: str) -> None:
        """Lines that a kill tore, or anybody damaged, are left out: they cost a picture anew."""
        self.folder, self.how, self.path = folder, how, folder / RECORD
        self.lines: dict[str, RecordLine] = {}
        text = read_regular(self.path) if self.path.exists() else b""
        for line in text.splitlines():
            with suppress(UserError):
                read = parse_as(RecordLine, line, str(self.path))
                self.lines[read.name] = read

    def find(self, source: Path, target: Path) -> RecordLine | None:
        """The line of a picture that is there as it was made, from the same picture and weights."""
        line = self.lines.get(self.name(target))
        if line is None or line.how != self.how or not (source.is_file() and target.is_file()):
            return None
        same = sha256(read_regular(source)) == line.source
        return line if same and sha256(read_regular(target)) == line.restored else None

    def ours(self) -> bool:
        """Whether there is a record, and all of it by the same weights."""
        return bool(self.lines) and all(line.how == self.how for line in self.lines.values())

    def has(self, target: Path) -> bool:
        """Whether a picture is ours, by whatever weights; a claim suffices."""
        return self.name(target) in self.lines

    def claim(self, targets: Iterable[Path]) -> None:
        """Note what will be written: what a kill leaves without its line is ours too."""
        new = [self.name(target) for target in targets if not self.has(target)]
        if not new:
            return
        with writing(self.path):
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.writelines(
                    jsonl_line(asdict(RecordLine(each, self.how, "", ""))) for each in new
                )

    def name(self, target: Path) -> str:
        """What a picture is called."""
        return target.relative_to(self.folder).as_posix()

    def add(self, target: Path, source: str, restored: str, tile: int | None) -> None:
        """A line for a picture that is written, of the SHA-256 of both files."""
        line = RecordLine(self.name(target), self.how, source, restored, tile)
        with writing(self.path), self.path.open("ab") as file:
            # Begun anew, should a kill have torn the line before; an empty one is none.
            file.write(b"\n" + jsonl_line(asdict(line)))


def how_made(model: TrainedModel) -> str:
    """Stands for weights, settings and tiles; empty where the weights are not known."""
    if "weights" not in model.provenance:
        return ""
    told = [model.provenance.get(name) for name in MADE_BY]
    # In float32 what it was before: a folder of an older version is gone on with.
    how = [model.tile, model.tta, *(["bf16"] if model.bf16 else [])]
    return sha256(json.dumps([*told, *how], default=str).encode())
