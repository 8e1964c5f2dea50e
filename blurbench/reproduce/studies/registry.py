"""The studies by name."""

from blurbench.errors import UserError
from blurbench.reproduce.studies.questions import brmr, s3e, severity, sp, umsn
from blurbench.reproduce.studies.study import Study
from blurbench.words import meant

STUDIES: dict[str, Study] = {
    each.STUDY.name: each.STUDY for each in (umsn, sp, brmr, s3e, severity)
}


def find_study(name: str) -> Study:
    """The study of a name; UserError where there is none."""
    if name not in STUDIES:
        raise UserError(
            f"{name}: no such study{meant(name, STUDIES)}; there are {', '.join(STUDIES)}"
        )
    return STUDIES[name]
