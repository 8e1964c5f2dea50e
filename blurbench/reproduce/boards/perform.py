"""`blurbench reproduce board-NAME`: the missing rows of an open board, and its page.

OUT is the folder of a board as `blurbench board` has it, meant for a repository: results/, shown/,
pictures.csv and the page. OUT/work, data sets and runs, keeps itself out of git.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from blurbench.datasets.dataset import BlurDataset
from blurbench.datasets.format import DATASET
from blurbench.datasets.make import synthesize
from blurbench.errors import UserError, one_line
from blurbench.files import read_regular, write_text
from blurbench.locks import locked
from blurbench.ranking.submissions.add import Behind, add
from blurbench.ranking.submissions.entry import RESULTS, SHOWN, slug
from blurbench.ranking.submissions.verify import rank
from blurbench.reproduce.boards.open_board import BoardData, BoardRow, OpenBoard
from blurbench.runs.devices import one_thread
from blurbench.runs.folder import weights_file
from blurbench.runs.load import resolved
from blurbench.schemas.csv_rows import csv_rows
from blurbench.scoring.classical import CLASSICAL
from blurbench.scoring.evaluate import evaluate
from blurbench.scoring.restorers import Identity, Restorer, trained
from blurbench.scoring.result_folder import PICTURES as SCORES
from blurbench.scoring.result_folder import SUMMARY, read_summary
from blurbench.sources.open import open_for
from blurbench.tables import as_table, csv_text
from blurbench.training.train import train
from blurbench.words import counted

WORK, PICTURES = "work", "pictures.csv"
TEST = "test"
Seeded = tuple[BoardRow, int]


@dataclass(frozen=True)
class Posted:
    """What an open board has come to."""

    folder: Path
    missing: list[str]  # rows that are left
    failed: dict[str, str]  # rows that could not be made, and why

    def __str__(self) -> str:
        """What is not there, then where the board is."""
        lines = [f"not made: {name}: {why}" for name, why in self.failed.items()]
        lines += [f"missing: {', '.join(self.missing)}"] if self.missing else []
        return "\n".join([*lines, str(self.folder / "leaderboard.html")])


@dataclass
class Poster:
    """One open board in one folder."""

    board: OpenBoard
    out: Path
    root: Path | None  # of the user's data; None: built-in stand-ins
    tell: Callable[[str], object] = print
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        """What may be lost: data sets and runs."""
        return self.out / WORK

    def perform(self, minutes: float | None = None) -> Posted:
        """Make the rows that are missing, in the order of their worth; a second call goes on.

        Each row is on the board before the next begins. `minutes`, CPU time: no row is begun that
        would end after them. One that lacks a file is told, and costs the others nothing. UserError
        where another process makes this board, or OUT holds one of other pictures.
        """
        one_thread()
        with locked(self.work):
            write_text(self.work / ".gitignore", "*\n")
            self.make_data()
            self._make_rows(time.process_time(), minutes)
        return Posted(self.out, [title(*each) for each in self.missing()], self.failed)

    def _make_rows(self, begun: float, minutes: float | None) -> None:
        while left := self.missing():
            row, seed = left[0]
            if minutes and (time.process_time() - begun) / 60 + row.minutes > minutes:
                self.tell(
                    f"{title(row, seed)}: not begun, it takes about {row.minutes:.0f} minutes"
                )
                break
            self._try(row, seed)

    def _try(self, row: BoardRow, seed: int) -> None:
        name = title(row, seed)
        self.tell(f"\n{self.board.name}: {name} ({row.what})")
        try:
            self.make(row, seed)
        except (UserError, ValueError, RuntimeError) as error:
            self.failed[name] = one_line(error)
            self.tell(f"not made: {self.failed[name]}")
        else:
            self.tell(str(rank(self.out)))

    def make(self, row: BoardRow, seed: int) -> None:
        """Train a row, score it on each data set, and put it on the board."""
        weights = self.weights(row, seed)
        for data in self.board.scored:
            result = self.score(row, seed, weights, data, self.work / "results" / data.name)
            # Public ones anybody can fetch; others are named by their SHA-256.
            named = None if weights is None or (row.weights and row.model) else resolved(weights)
            add(result, self.out, Behind(weights=named))
        for data in self.board.shown:
            result = self.score(row, seed, weights, data, self.out / SHOWN / data.name)
            if row is not self.board.rows[0]:
                _drop_shared(result)

    def score(
        self, row: BoardRow, seed: int, weights: Path | None, data: BoardData, into: Path
    ) -> Path:
        """The RESULT folder of a row on one data set; UserError where a picture has no scores."""
        name = title(row, seed)
        done = evaluate(
            self.opened[data.name],
            into / slug(name),
            restore=self.restorer(row, weights, name),
            name=name,
            metrics=self.board.metrics,
        )
        if done.failed:
            raise UserError(f"{done}")
        self.tell(str(done))
        return into / slug(name)

    def restorer(self, row: BoardRow, weights: Path | None, name: str) -> Restorer:
        """What restores."""
        if row.classical:
            return CLASSICAL[row.classical](name)
        if weights is None:
            return Identity(name)
        public = row.model if row.weights and row.model else None
        return trained(weights, name, "cpu", public, row.preset)

    def weights(self, row: BoardRow, seed: int) -> Path | None:
        """A run, trained if need be, or a file below the data root; None where there are none."""
        if row.shipped:
            return Path(row.shipped)
        if row.weights:
            return self.file(row.weights)
        if not row.steps:
            return None
        folder = self.work / "runs" / slug(title(row, seed))
        files = {name: str(self.file(path)) for name, path in row.files.items()}
        done = train(
            row.model,
            self.data_folder(self.board.trained_on),
            folder,
            preset=row.preset,
            steps=row.steps,
            seed=seed,
            device="cpu",
            overrides={**row.settings, **files},
            resume=True,
        )
        self.tell(str(done))
        return folder

    def file(self, name: str) -> Path:
        """A file or folder below the data root; UserError where it is not there."""
        if self.root is None or not weights_file(self.root / name).is_file():
            where = "--data-root" if self.root is None else self.root
            raise UserError(f"{name}: is not below {where}; docs/open-boards.md tells what it is")
        return self.root / name

    def data_folder(self, data: BoardData) -> Path:
        """Of one of the data sets."""
        return self.work / "data" / data.name

    def make_data(self) -> None:
        """What the data sets lack, and the names and hashes of the pictures that are scored."""
        for data in self.board.data:
            folder, recipe = self.data_folder(data), data.blurred_by(self.root is None)
            source = str(self.root / data.folder) if self.root and data.folder else data.stand_in
            there = (folder / DATASET).is_file()
            if not there:
                self.tell(f"Blurring {source} by the recipe {recipe.name}")
            done = synthesize(recipe, open_for(recipe, source), folder)
            if done.made or not there:
                self.tell(str(done))
        told = csv_text(list(self.pictures()))
        self._refuse_others(told.encode())
        write_text(self.out / PICTURES, told)

    def _refuse_others(self, told: bytes) -> None:
        """UserError where the rows that are there were scored on other pictures."""
        path = self.out / PICTURES
        if path.is_file() and _digests(read_regular(path), path) != _digests(told, path):
            raise UserError(f"{self.out}: holds a board of other pictures; give another --out")

    @cached_property
    def opened(self) -> dict[str, BlurDataset]:
        """The test split of each data set."""
        return {data.name: BlurDataset(self.data_folder(data), TEST) for data in self.board.data}

    def pictures(self) -> Iterator[dict[str, str]]:
        """A row of pictures.csv for each picture that is scored: whoever has the file knows it."""
        for data in self.board.scored:
            split = self.opened[data.name]
            for row in split.rows:
                told = ("source_id", "source_sha256", "blur_pixels", "sharp_pixels")
                yield {"digest": split.digest, "id": row["id"], **{k: row[k] for k in told}}

    def rows(self) -> list[Seeded]:
        """All, in the order of their worth; more seeds of the leading two once one of all is there.

        The leaders are those of the mean PSNR of the first scored data set.
        """
        firsts = [(row, 1) for row in self.board.rows]
        trained_rows = [row for row, seed in firsts if row.steps and self.done(row, seed)]
        if not all(self.done(*each) or title(*each) in self.failed for each in firsts):
            return firsts
        leaders = sorted(trained_rows, key=self.mean, reverse=True)[: self.board.leaders]
        return [*firsts, *((row, seed) for seed in (2, 3) for row in leaders)]

    def missing(self) -> list[Seeded]:
        """Those that are not on the board, and did not fail now."""
        return [
            each for each in self.rows() if not self.done(*each) and title(*each) not in self.failed
        ]

    def done(self, row: BoardRow, seed: int) -> bool:
        """Whether a row is on the board, of every data set."""
        name = slug(title(row, seed))
        scored = all(self.place(data, name) for data in self.board.scored)
        shown = (self.out / SHOWN / data.name / name for data in self.board.shown)
        return scored and all(_complete(folder) for folder in shown)

    def place(self, data: BoardData, name: str) -> Path | None:
        """A row's folder on the board, once all of it is there."""
        recipe = slug(f"{data.blurred_by(self.root is None).name}-{TEST}")
        found = (self.out / RESULTS).glob(f"{recipe}-*/{name}/{SCORES}")
        return next((path.parent for path in found if _complete(path.parent)), None)

    def mean(self, row: BoardRow) -> float:
        """A row's mean PSNR on the first scored data set, dB."""
        folder = self.place(self.board.scored[0], slug(title(row, 1)))
        return (folder and read_summary(folder).means["psnr"]) or 0.0

    def plan(self) -> str:
        """Rows that are missing and their minutes, and those that lack files; writes nothing."""
        failed = self.lacking()
        left = replace(self, failed=failed).missing()
        table = [
            {"row": title(*each), "minutes": f"{each[0].minutes:.0f}", "what": each[0].what}
            for each in left
        ]
        total = sum(row.minutes for row, _ in left)
        more = f", and {2 * self.board.leaders} more seeds of the leading {self.board.leaders}"
        told = f"{counted(len(left), 'row')} missing, about {total:.0f} minutes of one core"
        firsts = any(seed == 1 for _, seed in left)
        lines = [as_table(table, right=("minutes",))] if table else []
        lines.append(f"{self.board.name}: {told}{more if firsts else ''}")
        lines += [f"not counted: {name}: {why}" for name, why in failed.items()]
        if self.root is None:
            lines.append(
                "without --data-root: these are the rows of the stand-in board of built-in pictures"
            )
        return "\n".join(lines)

    def lacking(self) -> dict[str, str]:
        """The rows that are missing and cannot be made here: a file of each is not there."""
        why = {}
        for row, seed in self.missing():
            try:
                for name in (*row.files.values(), *filter(None, [row.weights])):
                    self.file(name)
            except UserError as error:
                why[title(row, seed)] = str(error)
        return why


def _drop_shared(result: Path) -> None:
    """Forget the blurred and sharp pictures, which the first row keeps for all."""
    for path in (result / "samples").glob("*.png"):
        if path.stem.endswith(("__blur", "__sharp")):
            path.unlink()


def _digests(data: bytes, path: Path) -> set[str]:
    """The data sets of pictures.csv."""
    return {row.get("digest", "") for _, row in csv_rows(data, str(path))[1]}


def _complete(folder: Path) -> bool:
    return (folder / SUMMARY).is_file() and read_summary(folder).complete


def title(row: BoardRow, seed: int) -> str:
    """What the board calls a row; those of several seeds become one."""
    return row.name if seed == 1 else f"{row.name} seed {seed}"
