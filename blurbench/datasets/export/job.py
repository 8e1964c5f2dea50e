"""What every format needs: where from, where to, with how many workers, and the check after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from blurbench.datasets.export.read import ExportPair
from blurbench.datasets.format import Description
from blurbench.engine import Workers, run_shards
from blurbench.errors import UserError
from blurbench.progress import Advance


@dataclass(frozen=True)
class ExportJob:
    """Where every shard of one export goes; both absolute."""

    out: Path
    work: Path  # in `out`, removed at the end


@dataclass(frozen=True)
class ExportShard:
    """Some pairs that are written together."""

    name: str
    pairs: Sequence[ExportPair]


# Write a shard; say what is wrong with it as it lies on disk, None for nothing.
WriteShard = Callable[[ExportJob, ExportShard], None]
FindProblem = Callable[[Path, ExportShard], str | None]


@dataclass(frozen=True)
class ExportRun:
    """How one export is run."""

    description: Description  # of the data set
    workers: Workers
    shard_pairs: int
    advance: Advance  # by pictures

    def ensure(
        self, job: ExportJob, shards: Sequence[ExportShard], write: WriteShard, problem: FindProblem
    ) -> None:
        """Have every shard on disk, by the workers; UserError for the first that cannot be."""
        make = partial(ensure, job, write, problem)
        for done in run_shards(make, shards, self.workers):
            if done.killed:
                raise UserError(f"{job.out / done.shard.name}: kills the process writing it")
            self.advance(count_pictures(done.shard.pairs))


def ensure(job: ExportJob, write: WriteShard, problem: FindProblem, shard: ExportShard) -> None:
    """Write a shard unless it is there, and read back what was written."""
    if problem(job.out, shard) is None:
        return
    write(job, shard)
    if found := problem(job.out, shard):
        raise UserError(f"{found}, just after it was written; check the disk and try again")


def count_pictures(pairs: Sequence[ExportPair]) -> int:
    """How many files the pairs have."""
    return sum(len(pair.pictures) for pair in pairs)
