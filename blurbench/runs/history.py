"""What became of a training: how far it is, how good, and the curves of its log."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blurbench.errors import UserError
from blurbench.files import open_regular, parse_jsonl
from blurbench.locks import is_locked
from blurbench.runs.folder import CONFIG, LAST, LOG, SAMPLES, RunConfig, read_config

LOOKS = {"psnr": "dB", "cider": ""}  # what a validation measures, and its unit
NO_STEP = ("validation", "identity", "sample")  # stages of log.jsonl whose rows tell of no steps
NO_LOSS = ("step", "stage", "seconds_per_step", "cpu_seconds_per_step")


@dataclass(frozen=True)
class History:
    """A run folder, read back."""

    run: Path
    config: RunConfig
    step: int  # of the last row of its log
    state: str
    minutes: float  # CPU time of its steps through all kills; of a GPU, of the clock
    blurred: float | None  # PSNR in dB of its validation split as it is
    look: str  # psnr or cider
    looks: dict[int, float] = field(default_factory=dict)  # step -> validation
    losses: dict[str, dict[int, float]] = field(default_factory=dict)  # "stage: loss" -> by step

    @property
    def best(self) -> int | None:
        """The step with the best validation; the later one of two that are equal."""
        return max(self.looks, key=lambda step: (self.looks[step], step), default=None)

    @property
    def samples(self) -> list[Path]:
        """Pictures of a few pairs through time, oldest first."""
        return sorted((self.run / SAMPLES).glob("*.png"))


def find_runs(folders: list[Path]) -> list[Path]:
    """The run folders among and below some folders, sorted; UserError where there are none."""
    found = set()
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder")
        below = [folder, *(path.parent for path in folder.rglob(CONFIG))]
        runs = [each for each in below if (each / CONFIG).is_file() and (each / LOG).is_file()]
        if not runs:
            raise UserError(f"{folder}: holds no run of blurbench train ({CONFIG} beside {LOG})")
        found.update(runs)
    return sorted(found)


def read_history(run: Path) -> History:
    """The history of a run; UserError names the file that is none of a run."""
    config = read_config(run)
    rows = list(_rows(run))
    looks: dict[str, dict[int, float]] = defaultdict(dict)
    identity = None
    losses: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        measured = {name: row[name] for name in LOOKS if name in row}
        if row["stage"] == "validation":
            for name, value in measured.items():
                looks[name][row["step"]] = value
        elif row["stage"] == "identity":
            identity = measured.get("psnr")
        elif row["stage"] not in NO_STEP:
            for name, value in row.items():
                if name not in NO_LOSS:
                    losses[f"{row['stage']}: {name}"][row["step"]] = value
    step = max((row["step"] for row in rows), default=0)
    look = next(iter(looks), "psnr")
    state = _state(run, config, step)
    return History(
        run, config, step, state, _minutes(rows), identity, look, dict(looks[look]), dict(losses)
    )


def minutes_of(run: Path) -> float:
    """Of the steps of a training, through all kills: CPU time; of a GPU, of the clock."""
    return _minutes(_rows(run))


def _minutes(rows: Iterable[dict[str, Any]]) -> float:
    seconds, before = 0.0, 0
    for row in rows:
        if "seconds_per_step" in row:
            each = row.get("cpu_seconds_per_step", row["seconds_per_step"])
            seconds += each * (row["step"] - before)
            before = row["step"]
    return seconds / 60


def _rows(run: Path) -> Iterator[dict[str, Any]]:
    """The rows of a log, their numbers and stage alone."""
    path = run / LOG
    for row in _whole_rows(path) if path.is_file() else ():
        if not _is_step(row.get("step")):
            raise UserError(f"{path}: a line is no row of a training's log")
        numbers = {name: value for name, value in row.items() if _is_number(value)}
        yield {**numbers, "stage": str(row.get("stage", ""))}


def _whole_rows(path: Path) -> Iterator[dict[str, Any]]:
    with open_regular(path) as file:
        # Without a last line that is torn: a run may be writing it now.
        yield from parse_jsonl((line for line in file if line.endswith(b"\n")), str(path))


def _is_step(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and abs(value) < 1e100 and math.isfinite(value)


def _state(run: Path, config: RunConfig, step: int) -> str:
    if is_locked(run):
        return "training now"
    if "stopped" in config:
        return "stopped by its patience"
    if (run / LAST).is_file() and step >= config["steps"]:
        return "finished"
    return "unfinished"
