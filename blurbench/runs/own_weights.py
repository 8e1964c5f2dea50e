"""RUN/weights.json: the SHA-256 of the files of weights that a run itself wrote.

Each file of weights has a checksum of its own, which is right in any folder that it is copied to.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from blurbench.errors import UserError
from blurbench.files import (
    parse_json,
    read_regular,
    replacing,
    sha256,
    sync,
    write_json,
    writing,
)
from blurbench.models.parts.weights import packed, sha256_of
from blurbench.progress import tell_once
from blurbench.runs.folder import BEST, CONFIG, LAST, WRITTEN, closed, run_id
from blurbench.schemas import parse_as
from blurbench.schemas.seals import refuse_unsealed, sealed

MEND = "take another copy of it, or delete it: the weights beside it are read unchecked then"


@closed
class WeightsRecord(TypedDict):
    """What weights.json holds."""

    run: str | None  # id in config.json; None of runs begun before there were ids
    # By name; of one that is being replaced the old and the new.
    files: dict[str, list[Annotated[str, Field(pattern="^[0-9a-f]{64}$")]]]
    check: str  # its seal


class OwnWeights:
    """The weights of a run, as it writes them."""

    def __init__(self, run: Path, id: str | None) -> None:
        """What it has written; UserError where weights.json is damaged, or another run's."""
        self.run, self.id = run, id
        self.files = _read(run, id)

    def save(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Write RUN/`name`. Killed anywhere, the file there is one that weights.json has."""
        head, body = packed(tensors)
        path, new = self.run / name, sha256_of(head, body)
        if name not in self.files and path.is_file():  # by a version that recorded none
            self.adopt(name)
        self._record(name, [*self.files.get(name, ()), new])
        with writing(path):
            with replacing(path) as file:
                file.write(head)
                file.write(body)
            sync(self.run)  # or a crash of the machine might keep the next rename alone
        self._record(name, [new])

    def adopt(self, name: str) -> None:
        """Take RUN/`name` for the run's own, as whoever put it there knows that it is."""
        self._record(name, [sha256(read_regular(self.run / name))])

    def refuse_other(self, name: str) -> None:
        """UserError where RUN/`name` is known to be none of the run's own."""
        path = self.run / name
        if name in self.files and sha256(read_regular(path)) not in self.files[name]:
            raise UserError(f"{path}: not written by this run ({WRITTEN} tells)")

    def _record(self, name: str, digests: Sequence[str]) -> None:
        self.files[name] = list(dict.fromkeys(digests))
        path = self.run / WRITTEN
        with writing(path):
            write_json(path, sealed({"run": self.id, "files": self.files}))
            sync(self.run)


def refuse_foreign(weights: Path) -> None:
    """UserError where a file of weights in a run is none that the run wrote.

    Where the run does not tell, it is told once to be unchecked.
    """
    run = weights.parent
    if weights.name not in (BEST, LAST) or not ((run / CONFIG).is_file() and weights.is_file()):
        return
    id = run_id(run)
    known = _read(run, id).get(weights.name)
    if known is None and id is None:
        tell_once(f"{run}: weights written before there were checks: unchecked")
    elif known is None:
        tell_once(f"{weights}: {WRITTEN} beside it does not tell of it: unchecked")
    elif sha256(read_regular(weights)) not in known:
        raise UserError(
            f"{weights}: not written by this run ({WRITTEN} tells); put its own back, give this"
            f" one as --checkpoint FILE --model NAME, or delete {WRITTEN} if the change was meant"
        )


def _read(run: Path, id: str | None) -> dict[str, list[str]]:
    """The SHA-256 by name; none where there is no weights.json."""
    path = run / WRITTEN
    try:
        data = read_regular(path)
    except FileNotFoundError:
        return {}
    found = parse_as(WeightsRecord, data, str(path), MEND)
    refuse_unsealed(parse_json(data, str(path)), str(path), MEND)
    if found["run"] != id:
        raise UserError(f"{path}: of another run; {MEND}")
    return found["files"]
