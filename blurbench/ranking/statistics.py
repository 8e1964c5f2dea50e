"""Means with their intervals, from one score per picture."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

LEVEL = 0.95
RESAMPLES = 10_000  # a tail of 2.5 % is then met to 0.16 %, one standard error
CHUNK = 2**20  # counts that are held as int64 or float64 at once
STEP = 2.0**-30
# Of fewer values even the whole range misses the mean too often: 2 * 0.5^5 = 6 % of the time.
FEWEST = 6

Scores = Mapping[str, float]  # by picture id
Sources = Mapping[str, str]  # picture id -> the sharp picture it was blurred from; {}: each its own


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval, which is None for fewer than FEWEST values."""

    mean: float
    low: float | None
    high: float | None

    @property
    def differs(self) -> bool:
        """Whether 0 lies outside the interval: a difference that chance does not explain."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def estimate(values: Sequence[float]) -> Estimate:
    """Mean of (n,) values with its expanded percentile bootstrap interval.

    Hesterberg, What teachers should know about the bootstrap, The American Statistician 69(4),
    2015: plain percentiles are too narrow by sqrt((n - 1) / n) and ignore that the
    spread is estimated, so the percentiles are those of Student's t. Always the same random draws,
    so the same values give the same interval.
    """
    return estimates([values])[0]


def estimates(lists: Sequence[Sequence[float]]) -> list[Estimate]:
    """`estimate` of each list: 30 of one length take as long together as four of them alone."""
    by_length: dict[int, list[int]] = {}
    for index, values in enumerate(lists):
        by_length.setdefault(len(values), []).append(index)
    result: dict[int, Estimate] = {}
    for indexes in by_length.values():
        table = np.array([lists[index] for index in indexes], np.float64)
        result.update(zip(indexes, _of_one_length(table), strict=True))
    return [result[index] for index in range(len(lists))]


def by_source(scores: Scores, sources: Sources) -> list[float]:
    """A value a source, with the mean of all scores: what intervals are drawn from.

    Eighty blurs of one face are no eighty faces: what they share would make an interval too narrow
    by up to nine times. The deviations of a source add up, each over the mean number of pictures
    of a source: the linearised ratio estimator of Cochran, Sampling Techniques, 1977, chapter 9A.
    """
    mean = math.fsum(scores.values()) / max(1, len(scores))
    deviations: dict[str, list[float]] = {}
    for name, score in scores.items():
        deviations.setdefault(sources.get(name, name), []).append(score - mean)
    if len(deviations) == len(scores):
        return list(scores.values())
    share = len(deviations) / len(scores)
    return [mean + share * math.fsum(deviations[source]) for source in sorted(deviations)]


def means_of_sources(scores: Scores, sources: Sources) -> dict[str, float]:
    """The mean score of each source."""
    found: dict[str, list[float]] = {}
    for name, score in scores.items():
        found.setdefault(sources.get(name, name), []).append(score)
    return {source: math.fsum(values) / len(values) for source, values in found.items()}


def difference(first: Scores, second: Scores, sources: Sources | None = None) -> Estimate:
    """Paired mean difference, first minus second, over the picture ids that both have."""
    gaps = {name: first[name] - second[name] for name in sorted(first.keys() & second.keys())}
    return estimate(by_source(gaps, sources or {}))


def _of_one_length(values: np.ndarray) -> list[Estimate]:
    """The estimates of the rows of (models, n)."""
    size = values.shape[1]
    if size == 0:
        raise ValueError("no values to average")
    means = [math.fsum(row) / size for row in values]
    if size < FEWEST:
        return [Estimate(mean, None, None) for mean in means]
    # Centred first, so that equal values give an interval of no width; then whole multiples of
    # 2^-30 of the largest, whose sums are exact: their order, and who else is asked, change no bit.
    centred = values - np.array(means)[:, None]
    # Sums are at most n times 2^30, below 2^53 for n up to 8 million. 1e-300: all may be equal.
    unit = np.maximum(np.abs(centred).max(axis=1, keepdims=True), 1e-300) * STEP
    whole = np.rint(centred / unit).T
    counts, tail = _resamples(size), _tail(size)
    sums = np.concatenate([counts[rows].astype(np.float64) @ whole for rows in _chunks(size)])
    ends = np.quantile(sums, [tail, 1 - tail], axis=0) * unit.T / size
    return [
        Estimate(mean, mean + float(low), mean + float(high))
        for mean, low, high in zip(means, *ends, strict=True)
    ]


def _tail(size: int) -> float:
    """Probability below the interval's lower end, widened for few values."""
    from scipy.special import ndtr, stdtrit

    quantile = float(stdtrit(size - 1, (1 - LEVEL) / 2))
    return float(ndtr(quantile * math.sqrt(size / (size - 1))))


@lru_cache(maxsize=2)
def _resamples(size: int) -> np.ndarray:
    """(RESAMPLES, size) uint8: how often each value is drawn, which is never near 255 times.

    Kept, for drawing takes 300 times as long as their use: a byte each, 100 MB for 10,000 values.
    """
    # Seeded by the length: lists of one length share their draws, and need them made once.
    generator = np.random.Generator(np.random.PCG64(size))
    even = np.full(size, 1 / size)
    counts = np.empty((RESAMPLES, size), np.uint8)
    for rows in _chunks(size):
        counts[rows] = generator.multinomial(size, even, rows.stop - rows.start)
    return counts


def _chunks(size: int) -> Iterator[slice]:
    """Rows of the resamples, a few at a time: as int64 or float64 all would take a gigabyte."""
    step = max(1, CHUNK // size)
    return (slice(i, min(i + step, RESAMPLES)) for i in range(0, RESAMPLES, step))
