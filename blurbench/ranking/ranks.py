"""Who is ranked where: models share a rank where chance may have ordered them."""

from collections.abc import Mapping

import numpy as np

from blurbench.ranking.statistics import Scores, Sources, by_source, estimates


def ranks(
    scores: Mapping[str, Scores], higher_is_better: bool, sources: Sources | None = None
) -> dict[str, int]:
    """Rank of each model (1 is best), from scores[model][picture id] over the same pictures.

    The best mean leads the first group. A model whose paired difference to its group's leader has
    0 in its interval shares the leader's rank; the first that does not opens the next group, at
    its own position (1, 1, 3). Comparing with the leader, not with the neighbour, keeps a long
    chain of small steps from sharing one rank.
    """
    means = {model: float(np.mean(list(values.values()))) for model, values in scores.items()}
    sign = -1 if higher_is_better else 1
    order = sorted(means, key=lambda model: (sign * means[model], model))
    result: dict[str, int] = {}
    while left := order[len(result) :]:
        rank = len(result) + 1
        leader, names = scores[left[0]], sorted(scores[left[0]])
        paired = [{name: leader[name] - scores[model][name] for name in names} for model in left]
        gaps = estimates([by_source(each, sources or {}) for each in paired])
        apart = next((i for i, gap in enumerate(gaps) if gap.differs), len(left))
        result |= dict.fromkeys(left[:apart], rank)
    return result
