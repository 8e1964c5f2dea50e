"""`blurbench kernels estimate`: the kernels of all pairs, by this process or by workers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from blurbench.engine import ALONE, Workers, run_parts
from blurbench.errors import UserError, one_line
from blurbench.estimates.pairs import KnownPair, find_known_pairs
from blurbench.estimates.patches import EstimatedPair, Search, estimate_pair
from blurbench.estimates.record import FinishedPairs, claim
from blurbench.estimates.results import RECIPE, write_results
from blurbench.locks import locked
from blurbench.progress import progress
from blurbench.stores.open import Place, base_name, lies_in
from blurbench.words import counted

SHOWN = 10  # failures
KILLED = "each worker that took it died; is it too large for the memory? --size takes less"
WHY = {
    "flat": "flat",
    "unsure": "whose halves tell different kernels",
    "cut": "whose kernel is longer than the window (give a larger --size)",
}


@dataclass(frozen=True)
class EstimatedSet:
    """What a run of `estimate_kernels` has to say."""

    out: Path
    pairs: int
    states: Counter[str]  # of patches
    notes: Sequence[str]
    failed: Sequence[str]  # pairs that could not be used, a line each

    @property
    def complete(self) -> bool:
        """Whether every pair was estimated, and a kernel came of it."""
        return not self.failed and self.states["kept"] > 0

    def __str__(self) -> str:
        """Lines for the terminal."""
        kept, total = self.states["kept"], self.states.total()
        lines = [*self.notes, *self.failed[:SHOWN]]
        if len(self.failed) > SHOWN:
            lines.append(f"and {len(self.failed) - SHOWN} more that could not be used")
        patches = "1 patch" if total == 1 else f"{total} patches"
        told = f"{counted(kept, 'kernel')} of {patches} of {counted(self.pairs, 'pair')}"
        lines.append(f"{self.out}: {told}")
        left = [f"{self.states[each]} {why}" for each, why in WHY.items() if self.states[each]]
        lines += [f"left out: {'; '.join(left)}"] if left else []
        recipe = f"blurbench synthesize {self.out / RECIPE} --source PHOTOS --out DATA"
        return "\n".join([*lines, *([f"blur pictures with them: {recipe}"] if kept else [])])


def estimate_kernels(
    place: Place,
    out: Path,
    search: Search,
    limit: int | None = None,
    workers: Workers = ALONE,
) -> EstimatedSet:
    """Estimate the kernels of the pairs in `place`, and write bank, table, recipe and sheet.

    limit: of pairs, the first in hash order. A second call goes on where the first ended. UserError
    where there is no pair, `out` holds anything else, or the window is too large for the memory.
    """
    search.check(workers.count)
    if lies_in(out, place):
        raise UserError(f"{out}: lies in {place}, whose pairs are read; give an --out outside it")
    found = find_known_pairs(place)
    pairs = found.first(limit)
    wanted = {"pairs": found.digest, "limit": limit, "size": search.size, "patch": search.patch}
    with locked(out):
        claim(out, wanted)
        finished, failed = _finish(search, pairs, FinishedPairs(out), workers)
        states: Counter[str] = Counter(patch.state for pair in finished for patch in pair.patches)
        kept = f"{states['kept']} of {states.total()} patches of {counted(len(finished), 'pair')}"
        how = f"{kept}, window {search.size} px, patches of about {search.patch} px"
        write_results(out, finished, base_name(place), f"blurbench kernels estimate: {how}")
    return EstimatedSet(out, len(finished), states, found.notes, [*found.problems, *failed])


def _finish(
    search: Search, pairs: Sequence[KnownPair], lines: FinishedPairs, workers: Workers
) -> tuple[list[EstimatedPair], list[str]]:
    """All that can be estimated, in order, with a line each; and why the others cannot."""
    known = lines.of(pairs)
    left = [pair for pair in pairs if pair.name not in known]
    failed = []
    with progress("estimate", len(pairs), start=len(known)) as advance:
        for outcome in _outcomes(search, left, workers):
            if isinstance(outcome, str):
                failed.append(outcome)
            else:
                lines.add(outcome)
                known[outcome.name] = outcome
            advance()
    return [known[pair.name] for pair in pairs if pair.name in known], failed


def _outcomes(
    search: Search, pairs: Sequence[KnownPair], workers: Workers
) -> Iterator[EstimatedPair | str]:
    """What came of each pair: here, in order, or by workers, in any."""
    for done in run_parts(partial(estimate_some, search), pairs, most=1, workers=workers):
        if done.result is None:
            yield from (f"{pair.blur}: {KILLED}" for pair in done.shard)
        else:
            yield from done.result


def estimate_some(search: Search, pairs: Sequence[KnownPair]) -> list[EstimatedPair | str]:
    """In a worker: the kernels of some pairs, or why there are none."""
    return [_outcome(search, pair) for pair in pairs]


def _outcome(search: Search, pair: KnownPair) -> EstimatedPair | str:
    try:
        return estimate_pair(search, pair)
    except UserError as error:
        return str(error)
    except (MemoryError, ValueError) as error:
        return one_line(error, pair.blur)
