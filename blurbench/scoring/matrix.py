"""Every run on every test set: a RESULT folder for each, as `evaluate` writes it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from blurbench.datasets.pairs import ScoredSplit
from blurbench.errors import UserError
from blurbench.scoring.evaluate import Evaluation, NotEvaluated, evaluate, evaluate_runs
from blurbench.scoring.restorers import Identity

BLURRED = Identity.kind  # the folder of the blurred pictures themselves, beside those of runs


def score_matrix(
    sets: Mapping[str, ScoredSplit],
    out: Path,
    runs: Sequence[Path],
    names: Sequence[str],
    device: str | None = None,
    **options: Any,
) -> Iterator[Evaluation | NotEvaluated]:
    """Evaluate the blurred pictures and each run on each set, into `out`/SET/RUN.

    options: of `evaluate`; what is there already is gone on with. A run that cannot be evaluated
    costs the others nothing. UserError for a run that is called like the blurred pictures.
    """
    if BLURRED in names:
        raise UserError(f"{BLURRED}: is what the blurred pictures are called; give NAME=RUN")
    for name, data in sets.items():
        yield evaluate(data, out / name / BLURRED, restore=Identity(), name=BLURRED, **options)
        refused = 0
        try:
            for done in evaluate_runs(data, out / name, runs, device, names=names, **options):
                refused += isinstance(done, NotEvaluated)
                yield done
        except UserError:
            if refused < len(runs):
                raise  # else each was told, and on another set they may do
