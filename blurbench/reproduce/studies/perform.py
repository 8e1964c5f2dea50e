"""`blurbench reproduce study-NAME`: the missing runs of a study, its table and its page."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blurbench.errors import UserError, one_line
from blurbench.files import read_json, write_json, write_text
from blurbench.out_folder import Claim, changed
from blurbench.reproduce.sharing import Sharing
from blurbench.reproduce.studies.bench import Bench, Run, steps_done
from blurbench.reproduce.studies.effects import ANY, answers
from blurbench.reproduce.studies.page import study_page
from blurbench.reproduce.studies.records import Recorded
from blurbench.reproduce.studies.study import PREPARED, SEEDS, Arm, Study
from blurbench.reproduce.studies.table import Kept, finished, study_csv
from blurbench.reproduce.studies.wording import told
from blurbench.schemas.seals import refuse_broken, sealed, unsealed
from blurbench.stores.folder import Folder
from blurbench.words import counted

ABOUT, TABLE, PAGE = "study.json", "study.csv", "study.html"
CLAIM = Claim("a study", (ABOUT,))
DATA, PAGES = "data", "pages"  # claims, beside those of runs


@dataclass(frozen=True)
class Studied:
    """What a study has come to."""

    folder: Path
    answer: str
    missing: list[str]  # runs
    failed: list[str]  # what could not be run, and why

    def __str__(self) -> str:
        """The answer first."""
        lines = [self.answer, *self.failed]
        if self.missing:
            lines.append(f"{counted(len(self.missing), 'run')} missing: {', '.join(self.missing)}")
        return "\n".join([*lines, *(str(self.folder / name) for name in (TABLE, PAGE))])


def open_study(
    study: Study, out: Path, root: Path | None, device: str, tell: Callable[[str], object] = print
) -> Bench:
    """The study's folder, new or begun; UserError where it holds anything else.

    Without a `root` the pictures are stand-ins, but in a folder that was begun with a data root.
    """
    stand_in = root is None
    if CLAIM.find(Folder(out)):
        there = read_about(study, out)
        stand_in = stand_in and there.get("stand_in") is True
        refuse_another(out, there, about(study, stand_in))
    return Bench(study, out, root, stand_in, device, tell)


def read_about(study: Study, out: Path) -> dict[str, Any]:
    """study.json; UserError where it is damaged."""
    there = read_json(out / ABOUT)
    refuse_broken(there, str(out / ABOUT), f"delete it if {out} holds {study.name}")
    return unsealed(there)


def refuse_another(out: Path, there: dict[str, Any], wanted: dict[str, Any]) -> None:
    """UserError where a folder is another study's."""
    CLAIM.refuse_other(Folder(out), changed(there, wanted))


def about(study: Study, stand_in: bool) -> dict[str, str | bool]:
    """study.json: whose folder it is."""
    return {"study": study.name, "stand_in": stand_in}


@dataclass
class Course:
    """The runs of a study in one folder, and how many seeds of them are wanted."""

    bench: Bench
    seeds: int = SEEDS

    def __post_init__(self) -> None:
        """Ask who else works here."""
        self.sharing = Sharing(self.bench.work / "claims", self.bench.tell)

    @property
    def runs(self) -> list[Run]:
        """All, in the order of work."""
        return list(self.bench.study.runs(self.seeds))

    def missing(self) -> list[Run]:
        """Those without a record; UserError where a record is not of this study."""
        return [run for run in self.runs if not self.bench.recorded(*run)]

    def perform(self, minutes: float | None = None) -> Studied:
        """Make every run that is missing, table and page anew after each; a second call goes on.

        Several processes or machines may work in one folder. `minutes` of this process, CPU time
        (with a GPU: of the clock): no run is begun that would end after them. UserError where a
        record is not of this study.
        """
        if not (before := self.missing()):
            return self.write()
        self._perform(float("inf") if minutes is None else minutes)
        done = self.write()
        if minutes is None or done.failed or self.missing() != before:
            return done
        needed = min(self.expected(*run) for run in before)
        told = f"no run was made: the shortest takes about {needed:.0f} minutes; raise --minutes"
        return replace(done, failed=[told])

    def _perform(self, minutes: float) -> None:
        bench, wanted = self.bench, about(self.bench.study, self.bench.stand_in)
        with self.sharing.claimed(DATA):
            if (bench.out / ABOUT).is_file():  # another study may have been begun here since
                refuse_another(bench.out, read_about(bench.study, bench.out), wanted)
            write_json(bench.out / ABOUT, sealed(wanted))
            bench.make_data()
        self.missing()  # again, now that records can be compared with the data set
        begun = self.clock()
        for arm, seed in self.sharing.each(self.runs, key, self.done):
            needed = self.expected(arm, seed)
            if (self.clock() - begun) / 60 + needed > minutes:
                bench.tell(
                    f"{key((arm, seed))}: not begun, it takes about {needed:.0f} minutes, more than"
                    " are left of --minutes; the same command goes on with it"
                )
                break
            try:
                self.prepare(arm)
                bench.perform(arm, seed)
            except (UserError, ValueError, RuntimeError) as error:
                self.sharing.fail(key((arm, seed)), one_line(error))
                bench.tell(f"not run: {one_line(error)}")
            else:
                self.write()

    def done(self, run: Run) -> bool:
        """Whether a run has a record."""
        return self.bench.recorded(*run) is not None

    def prepare(self, arm: Arm) -> None:
        """Make what an arm begins with, or wait for who makes it."""
        if not arm.begins_with:
            return
        bench, first = self.bench, self.bench.study.arm(arm.begins_with)
        with self.sharing.claimed(key((first, PREPARED))):
            if bench.weights(first, PREPARED).is_file():
                return
            self.prepare(first)
            if not self.done((first, PREPARED)):
                bench.perform(first, PREPARED)
            else:  # in a clone, which has the scores alone
                bench.tell(f"\nTraining {first.name}, which {arm.name} begins with")
                bench.train(first, PREPARED)

    def expected(self, arm: Arm, seed: int) -> float:
        """Minutes that a run will still take, with the one that it begins with."""
        bench, left = self.bench, expected(self.bench, arm, seed)
        if arm.begins_with:
            first = bench.study.arm(arm.begins_with)
            there = bench.weights(first, PREPARED).is_file()
            left += 0.0 if there else self.expected(first, PREPARED)
        return left

    def clock(self) -> float:
        """Seconds that count."""
        return time.process_time() if self.bench.device == "cpu" else time.monotonic()

    def kept(self) -> Kept:
        """All records by arm and seed."""
        found: dict[str, dict[int, Recorded]] = {}
        for arm, seed in self.runs:
            if record := self.bench.recorded(arm, seed):
                place = ANY if len(arm.seeds(2)) == 1 else seed
                found.setdefault(arm.name, {})[place] = record
        return found

    def write(self) -> Studied:
        """Table and page of the records that there are."""
        bench = self.bench
        with self.sharing.claimed(PAGES):
            kept = self.kept()
            missing = [key(run) for run in self.missing()]
            write_text(bench.out / TABLE, study_csv(bench.study, kept))
            page = study_page(bench.study, kept, missing, self.seeds, bench.stand_in)
            write_text(bench.out / PAGE, page)
        first = answers(bench.study, finished(bench.study, kept))[0]
        failed = [f"not run: {name}: {why}" for name, why in self.sharing.failures.items()]
        return Studied(bench.out, told(first, bench.study), missing, failed)


def expected(bench: Bench, arm: Arm, seed: int) -> float:
    """Minutes that a run will still take."""
    if not arm.steps:
        return arm.minutes
    return arm.minutes * (1 - steps_done(bench.run_folder(arm, seed)) / arm.steps)


def key(run: Run) -> str:
    """What a run is called, and its claim."""
    return f"{run[0].name}/{run[1]}"


def begin(
    study: Study,
    out: Path,
    root: Path | None,
    *,
    seeds: int | None = None,
    device: str | None = None,
    tell: Callable[[str], object] = print,
) -> Course:
    """A study in its folder, new or begun; nothing is written yet. UserError as of `open_study`."""
    return Course(open_study(study, out, root, device or "cpu", tell), seeds or SEEDS)
