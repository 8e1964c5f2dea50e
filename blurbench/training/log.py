"""What a run says while it trains: log.jsonl, and TensorBoard events where they are wanted."""

import json
from pathlib import Path
from typing import Any

from blurbench.errors import UserError
from blurbench.files import parse_jsonl, read_regular, write_jsonl, writing
from blurbench.images import read_image
from blurbench.progress import tell
from blurbench.runs.folder import LOG, TENSORBOARD

# Stage of a row -> where TensorBoard shows it; other stages are trained.
VAL = {"validation": "val/", "identity": "val/blurred "}


class RunLog:
    """Appends rows to RUN/log.jsonl; a resumed run first forgets the rows it will write again."""

    def __init__(self, folder: Path, step: int, tensorboard: bool) -> None:
        """Open the log of a run that stands at `step`."""
        self.path = folder / LOG
        if self.path.exists():
            self._cut(step)
        self.writer = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(folder / TENSORBOARD, purge_step=step)

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
        """Write one row; `step` is its place, its numbers become TensorBoard scalars.

        Validations, and the blurred pictures that they stand beside, are below val/, the rest below
        train/.
        """
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if self.writer:
            for name, value in row.items():
                if isinstance(value, float):
                    self.writer.add_scalar(
                        VAL.get(row["stage"], "train/") + name, value, row["step"]
                    )
            self.writer.flush()

    def show(self, step: int, path: Path) -> None:
        """Give TensorBoard the samples of a step, as they were saved."""
        if self.writer:
            self.writer.add_image(
                "val/blur, restored, sharp", read_image(path), step, dataformats="HWC"
            )
            self.writer.flush()
