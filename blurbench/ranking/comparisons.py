"""Every model against every other: wins picture by picture, tests, mean ranks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from blurbench.ranking.statistics import FEWEST, LEVEL, Scores


@dataclass(frozen=True)
class Duel:
    """One model against another, picture by picture."""

    wins: int  # pictures on which it scores better; on the others it is equal or worse
    losses: int
    p: float  # Wilcoxon signed-rank, two-sided, Holm-corrected over all pairs of the board

    @property
    def differs(self) -> bool:
        """Whether chance does not explain the wins and losses."""
        return self.p < 1 - LEVEL


@dataclass(frozen=True)
class Comparison:
    """All models of a board on one metric, over the same pictures."""

    models: list[str]  # by mean rank, the best first
    images: int
    mean_ranks: dict[str, float]
    friedman_p: float | None  # None for two models
    critical_difference: float
    duels: dict[tuple[str, str], Duel]  # both ways round


def comparison(scores: Mapping[str, Scores], higher_is_better: bool) -> Comparison | None:
    """Of scores[model][picture id] over the same pictures; None for one model or few pictures.

    Demsar, Statistical comparisons of classifiers over multiple data sets, JMLR 7, 2006: mean ranks
    with Friedman's test and Nemenyi's critical difference, pairs with Wilcoxon's test.
    """
    models = sorted(scores)
    if len(models) < 2 or len(scores[models[0]]) < FEWEST:
        return None
    # In one order for all models: pictures are compared in pairs.
    names = sorted(scores[models[0]])
    sign = 1 if higher_is_better else -1
    table = sign * np.array([[scores[model][name] for name in names] for model in models])
    ranked = _ranks_of_pictures(table)
    mean_ranks = {
        model: math.fsum(row) / len(row) for model, row in zip(models, ranked, strict=True)
    }
    return Comparison(
        sorted(models, key=lambda model: (mean_ranks[model], model)),
        len(names),
        mean_ranks,
        _friedman(ranked) if len(models) > 2 else None,
        critical_difference(len(models), len(names)),
        _duels(models, table),
    )


def critical_difference(models: int, images: int) -> float:
    """Nemenyi's: mean ranks that lie further apart differ, at 5 % over all pairs."""
    from scipy.stats import studentized_range

    # Demsar's q is the studentised range over the square root of 2.
    quantile = float(studentized_range.ppf(LEVEL, models, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(models * (models + 1) / (6 * images))


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down correction of p-values, in their order.

    Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 1979.
    """
    order = sorted(range(len(values)), key=lambda index: values[index])
    corrected, largest = [0.0] * len(values), 0.0
    for step, index in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - step) * values[index]))
        corrected[index] = largest
    return corrected


def signed_rank(gaps: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test of (n,) paired differences; 1 where all are 0."""
    from scipy.stats import wilcoxon

    return float(wilcoxon(gaps).pvalue) if np.any(gaps) else 1.0


def _ranks_of_pictures(table: np.ndarray) -> np.ndarray:
    """(models, n) scores, higher is better -> ranks within each picture, ties share their mean."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(-table, axis=0), np.float64)


def _friedman(ranked: np.ndarray) -> float:
    """p of Friedman's test that all models rank alike; 1 where every picture ties them all."""
    from scipy.stats import friedmanchisquare

    # Its statistic would divide 0 by 0.
    if np.all(ranked == ranked[0]):
        return 1.0
    return float(friedmanchisquare(*ranked).pvalue)


def _duels(models: Sequence[str], table: np.ndarray) -> dict[tuple[str, str], Duel]:
    indexes = list(combinations(range(len(models)), 2))
    gaps = [table[i] - table[j] for i, j in indexes]
    corrected = holm([signed_rank(gap) for gap in gaps])
    result = {}
    for (i, j), gap, p in zip(indexes, gaps, corrected, strict=True):
        wins, losses = int((gap > 0).sum()), int((gap < 0).sum())
        result[models[i], models[j]] = Duel(wins, losses, p)
        result[models[j], models[i]] = Duel(losses, wins, p)
    return result
