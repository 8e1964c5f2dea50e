"""What a run says while it trains: log.jsonl, and TensorBoard events where they are wanted."""

import json
from pathlib import Path
from typing import Any

from blurbench.files import read_jsonl, write_jsonl
from blurbench.runs.folder import LOG, TENSORBOARD


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
        lines = self.path.read_bytes().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):  # torn by a kill in the middle of the write
            self.path.write_bytes(b"".join(lines[:-1]))
        write_jsonl(self.path, [row for row in read_jsonl(self.path) if row.get("step", 0) <= step])

    def add(self, row: dict[str, Any]) -> None:
        """Write one row; `step` is its place, its numbers become TensorBoard scalars."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if self.writer:
            for name, value in row.items():
                if isinstance(value, float):
                    self.writer.add_scalar(name, value, row["step"])
            self.writer.flush()
