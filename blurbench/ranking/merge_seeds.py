"""Runs of one model that differ by their seed alone, as one row with both variances."""

import json
import re
import statistics
from collections.abc import Callable, Sequence
from itertools import takewhile

from blurbench.ranking.results import Result

# What of a run's provenance makes it another model; the seed, and what follows from it, does not.
SAME = ("model", "preset", "steps", "config", "init")  # and of its data what `_identity` takes
OWN = ("run", "run_hash", "weights", "seed")


def merge_seeds(results: Sequence[Result]) -> list[Result]:
    """The results of one board, with the runs of several seeds in one.

    Seeds that began with different weights, each with those of its own seed, are one where their
    names differ in the seed alone: the hash of first weights does not tell what they are.
    """
    return _merged(_merged(results, _identity), _identity_of_own_start)


def _merged(results: Sequence[Result], identify: Callable[[Result], str | None]) -> list[Result]:
    alike: dict[str, list[Result]] = {}
    merged = []
    for result in results:
        identity = identify(result)
        if identity is None:
            merged.append(result)
        else:
            alike.setdefault(identity, []).append(result)
    for runs in alike.values():
        seeds = {run.summary.made_by.seed for run in runs}
        # One seed twice is no sample of seeds: two attempts, that stay two rows.
        together = mean_of(runs) if 1 < len(runs) == len(seeds) else None
        merged += [together] if together and together.images else runs
    return merged


def mean_of(runs: Sequence[Result]) -> Result:
    """Of each picture that all runs have, the mean of its scores; pictures of the first seed."""
    runs = sorted(runs, key=lambda run: run.summary.made_by.seed or 0)
    first = runs[0]
    scores = {}
    for metric, of_first in first.scores.items():
        ids = [name for name in of_first if all(name in run.scores[metric] for run in runs)]
        scores[metric] = {
            name: statistics.fmean(run.scores[metric][name] for run in runs) for name in ids
        }
    times = [run.summary.milliseconds_median for run in runs]
    known_times = [time for time in times if time is not None]
    provenance = first.summary.provenance
    own = (*OWN, "init") if own_starts(runs) else OWN
    leaks = (run.summary.leaks for run in runs if run.summary.leaks)
    merged = {
        "leaks": max(leaks, key=lambda found: found.pictures, default=None),
        "model": _common_name([run.model for run in runs]) or first.summary.made_by.model,
        "milliseconds_median": statistics.median(known_times) if known_times else None,
        "provenance": {key: value for key, value in provenance.items() if key not in own},
        "skipped": [each for run in runs for each in run.summary.skipped],
    }
    return Result(
        first.folder,
        first.summary.model_copy(update=merged),
        scores,
        first.severity,
        first.groups,
        first.sources,
        unranked=next((run.unranked for run in runs if run.unranked), ""),
        checked=" and ".join(sorted({run.checked for run in runs if run.checked})),
        runs=tuple(runs),
    )


def spread(result: Result, metric: str) -> float | None:
    """Standard deviation between seeds of the mean over pictures; None for a single run."""
    if not result.runs:
        return None
    means = [
        statistics.fmean(run.scores[metric][name] for name in result.scores[metric])
        for run in result.runs
    ]
    return statistics.stdev(means)


def _identity(result: Result) -> str | None:
    """Equal for runs that differ by their seed alone; None for what is no run."""
    made_by = result.summary.made_by
    if made_by.seed is None or made_by.model is None or made_by.data is None:
        return None
    same = {key: result.summary.provenance.get(key) for key in SAME}
    # Blurred anew, its digest has the seed. Older runs do not tell their sources.
    fresh = str(made_by.data.get("digest")).startswith("recipe:")
    same["data"] = [made_by.data.get(key) for key in ("recipe", "captions")]
    same["digest"] = None if fresh else made_by.data.get("digest")
    return json.dumps([result.summary.metrics, same], sort_keys=True)


def own_starts(runs: Sequence[Result]) -> bool:
    """Whether runs began with different weights."""
    return len({run.summary.provenance.get("init") for run in runs}) > 1


def _identity_of_own_start(result: Result) -> str | None:
    """Equal for seeds whose first weights differ, and whose names differ in the seed alone."""
    identity, first = _identity(result), result.summary.provenance.get("init")
    if identity is None or first is None or result.runs:
        return None
    seed = result.summary.made_by.seed
    stem = re.sub(rf"(?i)[-_. ]*(seed|s)?[-_. ]*{seed}$", "", result.model)
    return json.dumps([stem, identity.replace(json.dumps(first), "null")])


def _common_name(names: Sequence[str]) -> str:
    """What the names have in common, less the `seed` or `s` before their numbers."""
    if len(set(names)) == 1:
        return names[0]  # whatever it ends with
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    prefix = "".join(letters[0] for letters in alike)
    return re.sub(r"(?i)([-_. ](seed|s))?[-_. ]*$", "", prefix)
