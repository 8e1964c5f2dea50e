"""Pictures scored in other processes: what these are told, and what they give back."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from uuid import uuid4

from blurbench.datasets.format import Row
from blurbench.datasets.pairs import ScoredSplit
from blurbench.engine import Workers, held, run_parts
from blurbench.errors import UserError
from blurbench.runs.devices import one_thread
from blurbench.scoring.environment import environment, forget_peaks, peak_memory
from blurbench.scoring.restorers import Restorer
from blurbench.scoring.result_folder import Keep, ResultSummary, Skipped
from blurbench.scoring.score import RowOutcome, Scorer
from blurbench.scoring.tools import MetricInputs

# Pictures a worker is handed at once. A kill of everything loses so many a worker, and Dask takes
# 3 ms for each handful; one at a time would cost tiny networks a tenth of their speed.
HANDFUL = 4
SAME = ("blurbench", "torch")  # versions; with others scores would depend on who measured them
KILLED = "each worker that took it died; is it too large for the memory?"

_one_at_a_time = Lock()  # a worker with several threads has one network, and one source of noise


@dataclass
class Conditions:
    """What pictures were scored on: by several processes the first, and the most memory of any."""

    environment: dict[str, str] = field(default_factory=dict)
    peaks: dict[str, float | None] = field(default_factory=dict)  # MB, as `peak_memory` gives them

    def add(self, other: "Conditions") -> None:
        """Take another process into account."""
        self.environment = self.environment or other.environment
        for name, found in other.peaks.items():
            known = [each for each in (self.peaks.get(name), found) if each is not None]
            self.peaks[name] = max(known, default=None)


@dataclass(frozen=True)
class Briefing:
    """A scorer as it travels: small, whatever the size of network and split."""

    key: str  # of this evaluation: a worker opens its scorer once
    data: ScoredSplit  # without rows, but for those of a gallery
    again: Callable[[], Restorer]
    using: dict[str, str]
    head: ResultSummary
    keep: Keep
    versions: dict[str, str]

    def scorer(self, first: Row) -> Scorer:
        """The scorer of this process, warmed up by a first row if it is new."""
        return held(self.key, lambda: self._open(first))

    def _open(self, first: Row) -> Scorer:
        one_thread()
        if (found := versions()) != self.versions:
            raise UserError(f"a worker has {found}, this process {self.versions}; install the same")
        restore = self.again()
        restore.know(self.data)
        device = restore.provenance.get("device", "cpu")
        forget_peaks(device)
        inputs = MetricInputs(self.data, self.head.metrics, self.using, device)
        scorer = Scorer(self.data, restore, inputs, self.head)
        scorer.warm_up(first)
        return scorer


def score_rows(
    scorer: Scorer, rows: Sequence[Row], keep: Keep, workers: Workers, on: Conditions
) -> Iterator[RowOutcome]:
    """Each row's outcome: here, in order, or by workers, in any; `on` is told of the processes.

    Raises UserError where the restorer is bound to this process, and as `run_shards`.
    """
    if workers.alone:
        for row in rows[:1]:
            scorer.warm_up(row)
        for row in rows:
            yield scorer.outcome(row, keep.roles(row["id"]))
    else:
        told = briefing(scorer, keep)
        for done in run_parts(partial(score_handful, told), rows, most=HANDFUL, workers=workers):
            if done.result is None:
                yield from (RowOutcome(Skipped(id=row["id"], why=KILLED)) for row in done.shard)
            else:
                outcomes, there = done.result
                on.add(there)
                yield from outcomes
    if not on.environment:  # nobody else has told
        on.add(conditions(scorer.restore))


def score_handful(told: Briefing, rows: Sequence[Row]) -> tuple[list[RowOutcome], Conditions]:
    """In a worker: the outcomes of some rows, and what they were scored on."""
    with _one_at_a_time:
        scorer = told.scorer(rows[0])
        outcomes = [scorer.outcome(row, told.keep.roles(row["id"])) for row in rows]
        return outcomes, conditions(scorer.restore)


def conditions(restore: Restorer) -> Conditions:
    """Of this process."""
    return Conditions(environment(), peak_memory(restore.provenance.get("device", "cpu")))


def briefing(scorer: Scorer, keep: Keep) -> Briefing:
    """What workers need; UserError where they could not make the restorer again."""
    again = scorer.restore.again
    if again is None:
        raise UserError(f"{scorer.head.model}: only this process can restore it; use no workers")
    return Briefing(
        uuid4().hex,
        scorer.data.sent(),
        again,
        {name: anywhere(value) for name, value in scorer.inputs.using.items()},
        scorer.head,
        keep,
        versions(),
    )


def anywhere(value: str) -> str:
    """What a tool is, for processes with another working directory."""
    return str(Path(value).absolute()) if Path(value).exists() else value


def versions() -> dict[str, str]:
    """Of what scores depend on."""
    return {name: told for name, told in environment().items() if name in SAME}
