"""What a study would still take, told before anything is written."""

from dataclasses import dataclass

from blurbench.datasets.make import plan
from blurbench.models import build
from blurbench.models.base import parameter_count
from blurbench.reproduce.studies.perform import Course, expected, key
from blurbench.tables import as_table
from blurbench.words import counted

# A run keeps two checkpoints of weights, both moments of Adam and often an average; and two files.
COPIES = 10
FLOAT = 4  # bytes
MB = 1e6


@dataclass(frozen=True)
class StudyPlan:
    """The runs that are missing."""

    name: str
    rows: list[dict[str, str]]
    runs: int
    minutes: float  # of one core, without waiting
    data_mb: float  # of the pairs; 0: made already
    runs_mb: float
    lacking: dict[str, list[str]]  # why runs cannot be made here -> which; they are not counted

    def __str__(self) -> str:
        """A table, and its sum."""
        total = self.data_mb + self.runs_mb
        lines = [
            f"{self.name}: {counted(self.runs, 'run')} missing, about {self.minutes:.0f} minutes of"
            f" one core ({self.minutes / 60:.1f} hours)",
            f"disk: about {total:,.0f} MB, {self.data_mb:,.0f} MB of them pairs",
            *(f"not counted: {', '.join(runs)}: {why}" for why, runs in self.lacking.items()),
        ]
        return "\n".join(
            [*([as_table(self.rows, right=("minutes",))] if self.rows else []), *lines]
        )


def plan_study(course: Course) -> StudyPlan:
    """What is left of a study, in the order of work; writes nothing."""
    bench, lacking = course.bench, dict[str, list[str]]()
    missing = []
    for run in course.missing():
        if why := bench.lacks(run[0]):
            lacking.setdefault(why, []).append(key(run))
        else:
            missing.append(run)
    minutes = {key(run): expected(bench, *run) for run in missing}
    rows = [
        {"run": key((arm, seed)), "minutes": f"{minutes[key((arm, seed))]:.0f}", "what": arm.what}
        for arm, seed in missing
    ]
    sizes = {}
    for arm, _ in missing:
        if arm.steps and arm.name not in sizes:
            sizes[arm.name] = parameter_count(build(arm.model, arm.preset, **arm.settings))
    disk = sum(sizes.get(arm.name, 0) for arm, _ in missing) * COPIES * FLOAT / MB
    pairs = 0.0
    if missing:
        made = (plan(bench.recipe(folder), bench.source(folder)) for folder in bench.unmade())
        pairs = sum(each.bytes for each in made) / MB
    return StudyPlan(bench.study.name, rows, len(rows), sum(minutes.values()), pairs, disk, lacking)
