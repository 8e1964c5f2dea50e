"""What a run says while it trains: log.jsonl, and beside it TensorBoard or a tracker of yours."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from blurbench.errors import UserError, reason
from blurbench.files import parse_jsonl, read_json, read_regular, sha256, write_jsonl, writing
from blurbench.images import read_image
from blurbench.progress import tell
from blurbench.runs.folder import CONFIG, LOG, TENSORBOARD

# Stage of a row -> where it is shown; other stages are trained.
VAL = {"validation": "val/", "identity": "val/blurred "}
SAMPLES = "val/blur, restored, sharp"
PROJECT = "blurbench"  # what a tracker files our runs under


class RunLog:
    """Appends rows to RUN/log.jsonl; a resumed run first forgets the rows it will write again."""

    def __init__(
        self, folder: Path, step: int, tensorboard: bool, tracker: str | None = None
    ) -> None:
        """Open the log of a run that stands at `step`; UserError without the tracker's package."""
        self.path = folder / LOG
        if self.path.exists():
            self._cut(step)
        self.writer = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(folder / TENSORBOARD, purge_step=step)
        self.tracker = Tracker(tracker, folder) if tracker else None

    def _cut(self, step: int) -> None:
        """Keep the rows up to a step; a line that is none is told, and left out."""
        kept = []
        for number, line in enumerate(read_regular(self.path).splitlines(keepends=True), start=1):
            if not line.endswith(b"\n"):
                break  # torn by a kill in the middle of the write
            try:
                (row,) = parse_jsonl([line], str(self.path))
                at = row.get("step")
                if not isinstance(at, int):
                    raise UserError("has no step")
            except UserError:
                tell(f"{self.path}: line {number} is damaged, and left out")
                continue
            if at <= step:
                kept.append(row)
        write_jsonl(self.path, kept)

    def add(self, row: dict[str, Any]) -> None:
        """Write one row; `step` is its place, its numbers become scalars of the others.

        Validations, and the blurred pictures that they stand beside, are below val/, the rest below
        train/.
        """
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        place = VAL.get(row.get("stage", ""), "train/")
        scalars = {place + name: v for name, v in row.items() if isinstance(v, float)}
        if self.writer:
            for name, value in scalars.items():
                self.writer.add_scalar(name, value, row["step"])
            self.writer.flush()
        if self.tracker:
            self.tracker.log(scalars, row["step"])

    def show(self, step: int, path: Path) -> None:
        """Give the others the samples of a step, as they were saved."""
        if self.writer:
            self.writer.add_image(SAMPLES, read_image(path), step, dataformats="HWC")
            self.writer.flush()
        if self.tracker:
            self.tracker.log({SAMPLES: self.tracker.package.Image(str(path))}, step)


class Tracker:
    """A run as wandb shows it, or trackio, which has the same functions.

    Where it goes, and whether it goes there at once, is theirs: WANDB_MODE=offline keeps it in RUN.
    """

    def __init__(self, name: str, folder: Path) -> None:
        """Begin, or go on; UserError where the package is missing, or does not let us in."""
        try:
            self.package: Any = import_module(name)
        except ImportError as error:
            told = f"{folder}: tracker={name}: {error}; run: pip install {name}, then --resume"
            raise UserError(told) from None
        place = folder.resolve()
        given: dict[str, Any] = {"project": PROJECT, "name": place.name, "resume": "allow"}
        given["config"] = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
        if name == "wandb":
            # Of a run that goes on the same, and of no two runs.
            given |= {"id": sha256(str(place).encode())[:16], "dir": str(place)}
        try:
            self.run = self.package.init(**given)
        except Exception as error:  # theirs have no class in common
            raise UserError(f"{folder}: tracker={name}: {reason(error)}") from error

    def log(self, values: dict[str, Any], step: int) -> None:
        """Scalars and pictures of a step."""
        if values:
            self.run.log(values, step=step)
