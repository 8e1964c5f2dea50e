"""Numbers of a training's log that a study tells beside its scores."""

from pathlib import Path
from statistics import fmean
from typing import Any

from blurbench.models.umsn.explain import CLASS_NAMES
from blurbench.runs.folder import LOG
from blurbench.runs.log import read_log

LAST_SHARE = 0.2  # of the rows: until then confidences still move
PRODUCT = "weighed_error_{}"  # C_i L_i of class i, in the log of UMSN's stage `network`


def balances(run: Path, settings: dict[str, Any]) -> dict[str, float]:
    """C_i L_i over lambda, by class, at the end of a run of UMSN; {} of any other.

    Eq. 4 with class weights w_i is least where w_i C_i L_i = lambda; C_i stays below 1, and so
    does this where L_i is small. `settings`: of the model.
    """
    if not (run / LOG).is_file() or not settings.get("confidence_lambda"):
        return {}
    rows = [row for row in read_log(run) if PRODUCT.format(1) in row]
    last = rows[-max(1, round(LAST_SHARE * len(rows))) :] if rows else []
    found = {}
    weighed = zip(CLASS_NAMES, settings["class_weights"], strict=True)
    for number, (name, weight) in enumerate(weighed, start=1):
        if last:
            product = weight * fmean(row[PRODUCT.format(number)] for row in last)
            found[name] = round(product / settings["confidence_lambda"], 6)
    return found
