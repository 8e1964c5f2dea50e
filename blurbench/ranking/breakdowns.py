"""Scores by length of blur, by the recipe drawn, the kind of blur or shot, and by what moved."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from blurbench.ranking.results import Result
from blurbench.ranking.statistics import FEWEST, Estimate, Sources, by_source, estimates

MOST_BINS = 6
MOST_LEVELS = 8  # so few lengths, as of a ladder of severities, are bins themselves
TITLES = {
    "severity": "blur length, px",
    "recipe": "recipe",
    "family": "kernel family",
    "shot_type": "shot type",
    "blur_type": "blur type",
    "moved": "what moved",
}


@dataclass(frozen=True)
class Group:
    """Some pictures of a board."""

    label: str
    ids: list[str]
    position: float | None = None  # mean blur length, px, of a bin of severity


@dataclass(frozen=True)
class Breakdown:
    """The scores of every model in every group."""

    title: str
    groups: list[Group]
    cells: dict[str, dict[str, list[Estimate]]]  # metric -> model -> by group

    @property
    def is_curve(self) -> bool:
        """Whether the groups lie on an axis."""
        return self.groups[0].position is not None


def breakdowns(
    results: Sequence[Result], metrics: Sequence[str], sources: Sources
) -> list[Breakdown]:
    """Of models that have the same pictures; only what tells pictures of a board apart."""
    if not results:
        return []
    ids = results[0].ids
    found = {"severity": severity_bins(_first(result.severity for result in results), ids)}
    for kind in TITLES:
        labels = _first(result.groups.get(kind, {}) for result in results)
        found.setdefault(kind, _by_label(labels, ids))
    return [
        Breakdown(TITLES[kind], groups, _cells(results, metrics, groups, sources))
        for kind, groups in found.items()
        if len(groups) > 1
    ]


def severity_bins(severity: Mapping[str, float], ids: Sequence[str]) -> list[Group]:
    """Pictures by length of their blur, about equally many in each bin, equal lengths together.

    No bin of quantiles has fewer than FEWEST pictures, unless equal lengths force it.
    """
    names = [name for name in ids if name in severity]
    lengths = np.array([severity[name] for name in names])
    levels = np.unique(lengths)
    # A ladder repeats its lengths; a few pictures of a length each are no curve but scenes.
    if len(levels) > min(MOST_LEVELS, len(names) / 2):
        bins = max(1, min(MOST_BINS, len(names) // FEWEST))
        # An edge is a length that occurs: the bin above begins there.
        edges = np.unique(np.quantile(lengths, np.arange(1, bins) / bins, method="higher"))
    else:
        edges = levels[1:]
    places = np.searchsorted(edges, lengths, side="right")
    return [_bin(names, lengths, places == place) for place in np.unique(places)]


def _bin(names: Sequence[str], lengths: np.ndarray, inside: np.ndarray) -> Group:
    chosen = lengths[inside]
    low, high = (f"{end:.3g}" for end in (chosen.min(), chosen.max()))
    members = [name for name, taken in zip(names, inside, strict=True) if taken]
    label = low if low == high else f"{low} to {high}"
    return Group(label, members, float(chosen.mean()))


def _by_label(labels: Mapping[str, str], ids: Sequence[str]) -> list[Group]:
    return [
        Group(label, [name for name in ids if labels.get(name) == label])
        for label in sorted({labels[name] for name in ids if name in labels})
    ]


def _first(mappings: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The first that holds anything: results made by an older version hold nothing."""
    return next((one for one in mappings if one), {})


def _cells(
    results: Sequence[Result], metrics: Sequence[str], groups: Sequence[Group], sources: Sources
) -> dict[str, dict[str, list[Estimate]]]:
    cells: dict[str, dict[str, list[Estimate]]] = {metric: {} for metric in metrics}
    for group in groups:  # outermost: the resamples of a group's size are drawn once
        for metric in metrics:
            # A metric that does not apply to every picture has other groups.
            there = [one for one in results if len(one.scores.get(metric, ())) == one.images]
            scores = [{name: one.scores[metric][name] for name in group.ids} for one in there]
            found = estimates([by_source(of, sources) for of in scores])
            for result, one in zip(there, found, strict=True):
                cells[metric].setdefault(result.model, []).append(one)
    return cells
