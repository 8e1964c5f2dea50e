"""`blurbench reproduce`: a printed table made again, printed and measured side by side."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from blurbench.errors import UserError
from blurbench.metrics import PROTOCOLS, make_ready
from blurbench.ranking.report import leaderboard
from blurbench.reproduce.build import CLAIMS, Builder, finished, lacking
from blurbench.reproduce.outcomes import Made, Outcome, Scored, outcome
from blurbench.reproduce.plan import TablePlan, begin, make_plan, take_up, time_limit
from blurbench.reproduce.planned import without_preset
from blurbench.reproduce.scales import DEMO, Scale, ScaleName
from blurbench.reproduce.side_by_side import write
from blurbench.reproduce.studies.perform import open_study
from blurbench.reproduce.studies.registry import find_study
from blurbench.reproduce.studies.study import PREFIX
from blurbench.reproduce.suites import (
    BLUR,
    CAPTIONS,
    CONFIDENCE,
    SUITES,
    Cell,
    Scoring,
    cells,
    metric_of,
    trainings,
)
from blurbench.runs.devices import pick_device
from blurbench.scoring.result_folder import read_caption_summary, read_summary
from blurbench.words import counted


@dataclass(frozen=True)
class Reproduced:
    """What a table came to."""

    csv: Path
    page: Path
    outcomes: list[Outcome]
    failed: list[str]  # what could not be made, and why

    def __str__(self) -> str:
        """How many cells were measured, what failed, and where the files are."""
        measured = sum(outcome.measured is not None for outcome in self.outcomes)
        lines = [f"{measured} of {counted(len(self.outcomes), 'cell')} measured"]
        return "\n".join([*lines, *self.failed, str(self.csv), str(self.page)])


def reproduce(
    name: str,
    out: Path,
    *,
    scale: Scale = DEMO,
    data_root: Path | None = None,
    device: str | None = None,
    minutes: float | None = None,
    tell: Callable[[str], object] = print,
    beside: AbstractContextManager[object] = nullcontext(),  # noqa: B008  # holds nothing
) -> Reproduced:
    """Make table `name` measured again, below `out`; a second call goes on.

    At paper scale the paper's presets on the user's data in `data_root`/RECIPE; at the smaller ones
    small networks, on the user's data or on built-in stand-ins. All that is missing is told, and a
    UserError, before anything starts. Several tables of one scale share `out`, and so do several
    processes: none does what another does. `minutes` bounds this call: at a new `out` the samples
    of all rows are cut to fit, and when it is over the table is written with what there is. What
    is `beside` is entered while things are made: others that make them, too.
    """
    builder = builder_for(name, out, scale, data_root, device, tell)
    begin(name, builder, minutes)
    with time_limit(builder, minutes), beside:
        make_all(name, builder)
    return finish(name, builder)


def plan_of(
    name: str,
    out: Path,
    scale: Scale,
    root: Path | None,
    device: str | None,
    minutes: float | None,
    tell: Callable[[str], object],
) -> TablePlan:
    """What table `name` will cost; nothing is written below `out`. UserError as for making it."""
    builder = builder_for(name, out, scale, root, device, tell)
    take_up(builder)
    return make_plan(name, builder, minutes)


def builder_for(
    name: str,
    out: Path,
    scale: Scale,
    root: Path | None,
    device: str | None,
    tell: Callable[[str], object],
) -> Builder:
    """What makes a table; UserError, after all that is missing was told, where something is."""
    builder = Builder(out, root, scale, device or ("cpu" if scale.name == "demo" else None), tell)
    pick_device(device)  # UserError for one that is not there
    for line in dict.fromkeys(without_preset(one, scale) for one in trainings(cells(name))):
        if line:
            tell(f"left out: {line}")
    if found := missing(name, builder):
        for line in found:
            tell(f"missing: {line}")
        raise UserError(f"{name}: {len(found)} missing, as listed; nothing was started")
    return builder


def missing(name: str, builder: Builder) -> list[str]:
    """What table `name` needs and is not there, a line each: pictures, weights, tools."""
    if builder.scale.name == "demo":
        return []
    of_table = cells(name)
    learnt = trainings(of_table)
    lines = []
    if builder.root is not None:
        wanted = {(one.recipe, "") for one in learnt}
        wanted |= {(one.recipe, one.data) for one in scorings(of_table)}
        folders = {builder.source(*each): each[0] for each in sorted(wanted)}
        lines = [
            f"{folder}: no such folder; put the pictures of recipe {recipe} there"
            for folder, recipe in folders.items()
            if not folder.is_dir()
        ]
    # What has no preset for the scale costs its rows alone.
    able = (one for one in learnt if not without_preset(one, builder.scale))
    lines += dict.fromkeys(line for one in able for line in lacking(one, builder.scale))
    for metric in dict.fromkeys(metric for cell in of_table if (metric := measured_by(cell))):
        try:
            builder.tools([metric])
            if builder.scale.name == "paper":
                make_ready(metric)
        except UserError as error:
            lines.append(f"{metric}: {error}")
    return lines


def missing_of(name: str, scale: ScaleName, root: Path | None) -> list[str]:
    """`missing` of a table or a study, before there is a folder for it."""
    nowhere = Path(CLAIMS) / name  # nothing is written there
    if not name.startswith(PREFIX):
        return missing(name, Builder(nowhere, root, Scale(scale)))
    bench = open_study(find_study(name), nowhere, root, "cpu")
    return [*dict.fromkeys(line for arm in bench.study.arms if (line := bench.lacks(arm)))]


def make_all(name: str, builder: Builder) -> None:
    """Data sets, then runs, then results: each that no other process makes, or has made."""
    of_table, numbers = cells(name), builder.scale.numbers
    learnt, tested = trainings(of_table), scorings(of_table)
    data = [(one.recipe, "") for one in learnt] + [(one.recipe, one.data) for one in tested]
    share(builder, {builder.data_folder(*each): partial(builder.data, *each) for each in data})
    # All rows of a seed before the next seed: what there is when time ends can be compared.
    runs = [one.seeded(number) for number in numbers for one in learnt]
    # Those that begin with another's weights come after all that begin with none.
    for later in (False, True):
        own = [one for one in runs if bool(one.init) == later]
        share(builder, {builder.run_folder(one): partial(builder.run, one) for one in own})
    scorer = TableScorer(name, of_table, builder)
    share(builder, {scorer.folder(one): partial(scorer.score, one) for one in scorer.all()})


def share(builder: Builder, jobs: Mapping[Path, Callable[[], object]]) -> None:
    """Do the jobs that are not done, with other processes; what fails is noted."""
    # What the user made lies elsewhere, and is no job.
    own = {builder.name_of(place): make for place, make in jobs.items() if builder.owns(place)}

    def done(key: str) -> bool:
        return finished(builder.out / key)

    with closing(builder.sharing.each(list(own), str, done)) as left:
        for key in left:
            if builder.over:
                break
            try:
                own[key]()
            except UserError as error:
                if builder.over:  # which is no fault of the job
                    break
                builder.sharing.fail(key, str(error))


@dataclass(frozen=True)
class TableScorer:
    """The results of one table."""

    name: str
    cells: list[Cell]
    builder: Builder
    scored: Scored = field(default_factory=lambda: Scored({}, {}, {}))

    def all(self) -> list[Scoring]:
        """Every scoring of every seed, blurred pictures first; the log of a run is none."""
        numbers, found = self.builder.scale.numbers, with_baselines(self.cells)
        logged = {cell.scoring for cell in self.cells if cell.printed.metric.startswith(CONFIDENCE)}
        kept = [one for one in found if one not in logged]
        return [*dict.fromkeys(one.seeded(number) for number in numbers for one in kept)]

    def folder(self, scoring: Scoring) -> Path:
        """Where a result goes."""
        called = scoring.name.replace(" ", "-")
        return self.builder.out / "results" / self.name / place(scoring) / called

    def score(self, scoring: Scoring) -> Made:
        """A result, made if need be; UserError where it cannot be."""
        folder, plain = self.folder(scoring), scoring.seeded(0)
        own = [cell for cell in self.cells if plain in (cell.scoring, cell.baseline)]
        if any(cell.printed.metric in CAPTIONS for cell in own):
            self.builder.describe(scoring, folder)
            return Made(folder, read_caption_summary(folder))
        wanted = (measured_by(cell) for cell in own or self.of_same_data(scoring))
        metrics = [*dict.fromkeys(metric for metric in wanted if metric and self.ready(metric))]
        suite = SUITES[self.name]
        self.builder.score(scoring, metrics or ["psnr"], folder, suite.protocol, suite.repeats)
        return Made(folder, read_summary(folder))

    def note(self, scoring: Scoring) -> None:
        """Score, and keep what it came to, or why it is not there."""
        try:
            self.scored.made[scoring] = self.score(scoring)
        except UserError as error:
            self.scored.reasons[scoring] = str(error)

    def of_same_data(self, scoring: Scoring) -> list[Cell]:
        """The cells that are measured on the data of a scoring."""
        return [c for c in self.cells if c.scoring and place(c.scoring) == place(scoring)]

    def ready(self, metric: str) -> bool:
        """Whether a metric can be measured on this machine; what it lacks is noted."""
        unready = self.scored.unready
        if metric not in unready:
            try:
                make_ready(metric)
                unready[metric] = ""
            except UserError as error:
                unready[metric] = str(error)
        return not unready[metric]


def finish(name: str, builder: Builder) -> Reproduced:
    """The table and its board of all that could be made."""
    of_table = cells(name)
    scorer = TableScorer(name, of_table, builder)
    with builder.sharing.claimed(f"tables/{name}"):
        for scoring in scorer.all():
            scorer.note(scoring)
        scored = scorer.scored
        outcomes = [outcome(cell, scored, builder) for cell in of_table]
        results = [made.folder for one, made in scored.made.items() if ranked(one, made)]
        board = builder.out / "leaderboards" / name
        if results:
            builder.tell("\nRanking")
            builder.tell(str(leaderboard(results, board)))
        csv, page = write(name, builder, outcomes, board if results else None)
    why = {builder.name_of(Path(key)): told for key, told in builder.failed.items() if told}
    failed = [f"{key}: {told}" for key, told in why.items()]
    failed += [builder.over] if builder.over else []
    return Reproduced(csv, page, outcomes, failed)


def scorings(of_table: list[Cell]) -> list[Scoring]:
    """Each scoring once, in the order of the table."""
    both = (one for cell in of_table for one in (cell.baseline, cell.scoring))
    return [*dict.fromkeys(one for one in both if one)]


def measured_by(cell: Cell) -> str:
    """The metric that evaluate is asked for; empty where the cell needs none or is not measured."""
    metric = metric_of(cell)
    return metric if cell.scoring and metric not in CAPTIONS else ""


def with_baselines(of_table: list[Cell]) -> list[Scoring]:
    """The scorings of a table, after the blurred pictures of each data set that is restored."""
    pictured = [c for c in of_table if not c.printed.metric.startswith((CONFIDENCE, *CAPTIONS))]
    restored = [one for one in scorings(pictured) if one.training]
    blurred = [Scoring(one.recipe, one.data, BLUR) for one in restored]
    return [*dict.fromkeys([*blurred, *scorings(of_table)])]


def place(scoring: Scoring) -> str:
    """The folder of a data set among results."""
    return f"{scoring.recipe}-{scoring.data.lower()}".replace(" ", "-")


def ranked(scoring: Scoring, made: Made) -> bool:
    """Whether a result can stand on a board: not captions, nor what a tool of its own measured."""
    return not scoring.tool and bool(made.summary.images) and made.summary.protocol in PROTOCOLS
