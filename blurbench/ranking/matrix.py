"""Runs against test sets: what was learnt on one kind of blur, tested on the others."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from blurbench.errors import UserError
from blurbench.ranking.boards import Board, Entry, make_boards
from blurbench.ranking.results import Result
from blurbench.ranking.statistics import Estimate, estimate


@dataclass(frozen=True)
class Matrix:
    """A board for each test set, and the runs that stand on any of them."""

    boards: Mapping[str, Board]  # by the name of the set: the columns, in order
    names: Sequence[str]  # of the runs, in order

    @cached_property
    def rows(self) -> list[str]:
        """The blurred pictures, then the runs; those of several seeds are one."""
        found = [entry.result for board in self.boards.values() for entry in board.entries]
        found.sort(key=lambda result: (not result.is_baseline, self._place(result)))
        return list(dict.fromkeys(result.model for result in found))

    def _place(self, result: Result) -> int:
        return -1 if result.is_baseline else self.names.index((result.runs or (result,))[0].model)

    @cached_property
    def metrics(self) -> list[str]:
        """What was measured, in the order of boards."""
        return list(dict.fromkeys(name for board in self.boards.values() for name in board.metrics))

    def entry(self, row: str, column: str) -> Entry | None:
        """What a run came to on a set; None where it was not evaluated there."""
        entries = self.boards[column].entries
        return next((each for each in entries if each.result.model == row), None)

    def blurred(self, column: str) -> Entry:
        """The blurred pictures of a set."""
        return next(each for each in self.boards[column].entries if each.result.is_baseline)

    def result(self, row: str) -> Result:
        """A run's result on the first set that it was evaluated on."""
        found = (self.entry(row, column) for column in self.boards)
        return next(each.result for each in found if each is not None)

    def digests(self, row: str) -> list[str]:
        """Of the data sets that a run was trained on, as far as its result tells."""
        data = self.result(row).summary.made_by.data or {}
        sets = data.get("sets")
        told = sets if isinstance(sets, list) else [data]
        return [str(each["digest"]) for each in told if isinstance(each, dict) and "digest" in each]

    def learnt_from(self, row: str) -> str:
        """The sets that a run was trained on, by the names of columns where they are among them."""
        result = self.result(row)
        if result.is_baseline:
            return "nothing"
        data = result.summary.made_by.data or {}
        columns = {board.digest: name for name, board in self.boards.items()}
        sets = data.get("sets")
        if isinstance(sets, list):
            told = [each for each in sets if isinstance(each, dict)]
            named = [
                f"{each['share']:.2g} {columns.get(str(each['digest']), each['recipe'])}"
                for each in told
            ]
            return " + ".join(named)
        return columns.get(str(data.get("digest")), str(data.get("recipe", "not on record")))

    def over_sets(self, row: str, metric: str) -> Estimate | None:
        """The mean over all sets of a run's gain; None unless it was tested on every one."""
        gains = []
        for column in self.boards:
            entry, blurred = self.entry(row, column), self.blurred(column)
            if entry is None or not is_tested(entry) or metric not in entry.result.scores:
                return None
            scores, before = (each.result.scores.get(metric, {}) for each in (entry, blurred))
            gains.append(
                {
                    (entry.result.sources.get(id) or f"{column}/{id}", id): scores[id] - before[id]
                    for id in scores
                    if id in before
                }
            )
        return mean_of_sets(gains) if all(gains) else None


GainsOfSet = Mapping[tuple[str, str], float]  # (sharp picture, picture) -> its gain


def mean_of_sets(gains: Sequence[GainsOfSet]) -> Estimate:
    """The mean of the means of several sets; pictures of one sharp picture are one, in all sets.

    By linearisation (Cochran, Sampling Techniques, 1977, section 9A), as in `by_source`: a sharp
    picture's deviations from the mean of each set, over the pictures of that set, add up.
    """
    means = [math.fsum(of.values()) / len(of) for of in gains]
    mean = math.fsum(means) / len(means)
    deviations: dict[str, list[float]] = {}
    for of, middle in zip(gains, means, strict=True):
        for (source, _), gain in of.items():
            deviations.setdefault(source, []).append((gain - middle) / (len(of) * len(gains)))
    count = len(deviations)
    return estimate([mean + count * math.fsum(deviations[each]) for each in sorted(deviations)])


def is_tested(entry: Entry) -> bool:
    """Whether a run was scored on all pictures of a set, and has learnt from none of them."""
    return not entry.missing and not entry.result.unranked


def read_matrix(results: Sequence[Path], sets: Sequence[str], names: Sequence[str]) -> Matrix:
    """The matrix of RESULT folders SET/RUN; UserError where of a set there is none."""
    boards = {}
    for name in sets:
        folders = [each for each in results if each.parent.name == name]
        if not folders:
            raise UserError(f"{name}: none of its pictures could be scored")
        (boards[name],) = make_boards(folders)
    return Matrix(boards, names)
