"""What a run wrote down while it trained: RUN/log.jsonl."""

from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict

from blurbench.files import read_jsonl
from blurbench.runs.folder import LOG
from blurbench.schemas import value_as

MEND = "train again to have it whole"


class _Texts(TypedDict):
    step: int
    stage: str
    id: NotRequired[str]


def read_log(run: Path) -> list[dict[str, Any]]:
    """Its rows: step, stage, id of a single picture, and numbers under the names of the model.

    UserError names the line where one of them is something else.
    """
    rows = []
    for number, row in enumerate(read_jsonl(run / LOG), start=1):
        where = f"{run / LOG}: line {number}"
        value_as(_Texts, row, where, MEND)
        numbers = {key: value for key, value in row.items() if key not in ("stage", "id")}
        value_as(dict[str, float | None], numbers, where, MEND)
        rows.append(row)
    return rows
