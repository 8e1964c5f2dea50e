"""One picture of a split, restored and scored: its line of results.jsonl."""

import contextlib
import math
import statistics
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from blurbench.datasets.format import Row, pixel_hash
from blurbench.datasets.pairs import ScoredSplit
from blurbench.errors import UserError, one_line
from blurbench.metrics import compute
from blurbench.models.parts.dropout import noise_number
from blurbench.runs.trained import Restored
from blurbench.scoring.restorers import Restorer
from blurbench.scoring.result_folder import ResultSummary, ScoredPicture, Skipped
from blurbench.scoring.tools import MetricInputs

# Labels that boards break down by -> their columns in metadata.jsonl, where a data set has them.
GROUPS = {
    "recipe": "recipe",
    "family": "kernel_family",
    "shot_type": "shot_type",
    "blur_type": "blur_type",
    "moved": "moved",
}


@dataclass(frozen=True)
class RowOutcome:
    """What came of one row: its scores, or why it has none."""

    found: ScoredPicture | Skipped
    images: dict[str, np.ndarray] = field(default_factory=dict)  # those that are kept, by role


@dataclass(frozen=True)
class Scorer:
    """Restores and scores pictures as the head of a summary says."""

    data: ScoredSplit
    restore: Restorer
    inputs: MetricInputs
    head: ResultSummary

    def outcome(self, row: Row, roles: Collection[str]) -> RowOutcome:
        """`score`, or why it could not be; of the pictures those that are to be kept."""
        try:
            scored, images = self.score(row)
        except Exception as error:  # one bad picture, or a model that fails on it
            return RowOutcome(Skipped(id=row["id"], why=one_line(error)))
        return RowOutcome(scored, {role: images[role] for role in roles if role in images})

    def score(self, row: Row) -> tuple[ScoredPicture, dict[str, np.ndarray]]:
        """The scores of a row, and its pictures, (H, W, 3) uint8, by role.

        Raises UserError for pictures that are not the data set's or cannot be compared, and
        whatever the model raises.
        """
        pictures = {role: self._picture(row, role) for role in self._roles()}
        # Reading before and scoring after are no part of a model's time.
        began = time.perf_counter()
        draws = self._draws(pictures["blur"], row)
        milliseconds = (time.perf_counter() - began) * 1e3 / len(draws)
        scores = self._scores(row, draws, pictures)
        facts = self._facts(row)
        # What there is only sometimes is left out otherwise: as in results from before there was.
        facts |= {"spread": _spread(scores)} if len(draws) > 1 else {}
        file = draws[0].file_sha256
        facts |= {"restored_sha256": file} if file else {}
        scored = ScoredPicture(
            **facts,
            metrics={metric: _applying(statistics.fmean(of)) for metric, of in scores.items()},
            milliseconds=round(milliseconds, 3) if self.restore.timed else None,
            figures=means(draw.figures for draw in draws),
            tile=draws[0].tile,
        )
        return scored, {**pictures, "restored": draws[0].image}

    def warm_up(self, row: Row) -> None:
        """Restore a first picture untimed: it also loads libraries and chooses kernels.

        Of a median over few pictures, or of what was left of an interrupted run, that would be a
        part.
        """
        if self.restore.timed:
            # Whatever is wrong with it is told when it is scored.
            with contextlib.suppress(Exception):
                self.restore.restore(self.data.picture(row, "blur"), row)

    def _facts(self, row: Row) -> dict[str, Any]:
        """What a line says of its picture before it is restored."""
        return {
            "model": self.head.model,
            "data": self.head.data.digest,
            "split": self.head.data.split,
            "protocol": self.head.protocol,
            "id": row["id"],
            "severity": row.get("severity_mean_px"),
            "groups": {name: row[column] for name, column in GROUPS.items() if column in row},
        } | ({"source": row["source_id"]} if "source_id" in row else {})

    def _roles(self) -> tuple[str, ...]:
        return ("blur", "sharp") if self.data.has_sharp else ("blur",)

    def _picture(self, row: Row, role: str) -> np.ndarray:
        """A picture of the split; UserError where the digest stands for other pixels."""
        image = self.data.picture(row, role)
        if pixel_hash(image) != row[f"{role}_pixels"]:
            where = self.data.where(row, role)
            raise UserError(f"{where}: differs from the data set's metadata; run blurbench verify")
        return image

    def _draws(self, blur: np.ndarray, row: Row) -> list[Restored]:
        """A picture restored under so many draws of noise; once where none is drawn."""
        draws = []
        for number in range(self.head.repeats):
            with noise_number(number) as draw:
                draws.append(self.restore.restore(blur, row))
            # A model without dropout would give the same again.
            if not draw.used:
                break
        return draws

    def _scores(
        self, row: Row, draws: list[Restored], pictures: dict[str, np.ndarray]
    ) -> dict[str, list[float]]:
        """By metric, a score a draw; NaN where the metric does not apply."""
        needed = self.inputs.of(row, pictures["blur"])
        sharp, protocol = pictures.get("sharp"), self.head.protocol
        return {
            metric: [compute(metric, draw.values, sharp, protocol, **needed) for draw in draws]
            for metric in self.head.metrics
        }


def means(tables: Iterable[Mapping[str, float | None]]) -> dict[str, float]:
    """The mean of each name over the tables that have a number for it."""
    found: dict[str, list[float]] = {}
    for table in tables:
        for name, value in table.items():
            if value is not None:
                found.setdefault(name, []).append(value)
    return {name: statistics.fmean(values) for name, values in found.items()}


def _spread(scores: Mapping[str, list[float]]) -> dict[str, float]:
    """The deviation between draws; a metric that does not apply is NaN in each of them."""
    return {metric: statistics.stdev(of) for metric, of in scores.items() if not math.isnan(of[0])}


def _applying(value: float) -> float | None:
    """None for NaN: the metric does not apply to this picture."""
    return None if math.isnan(value) else value
