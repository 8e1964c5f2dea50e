"""What a folder of estimates holds: what was asked for, and a line for each finished pair."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blurbench.errors import UserError
from blurbench.estimates.pairs import KnownPair
from blurbench.estimates.patches import EstimatedPair
from blurbench.files import (
    jsonl_line,
    load_json,
    open_regular,
    parse_jsonl,
    read_json,
    sha256,
    write_json,
    writing,
)
from blurbench.out_folder import Claim, changed
from blurbench.progress import progress
from blurbench.schemas import parse_as
from blurbench.schemas.seals import refuse_unsealed, sealed
from blurbench.stores.folder import Folder

ABOUT = "estimate.json"
LINES = ".estimates.jsonl"
CLAIM = Claim("estimated kernels", (ABOUT,))

EstimateRequest = dict[str, Any]  # what was asked for: estimate.json


def claim(out: Path, request: EstimateRequest) -> None:
    """Begin a folder, or go on in it; UserError where it holds anything else."""
    store = Folder(out)
    if CLAIM.find(store):
        CLAIM.refuse_other(store, changed(read_json(out / ABOUT), request))
    else:
        write_json(out / ABOUT, request)


class FinishedPairs:
    """The lines of a folder; one that a kill tore, or anybody damaged, costs a pair anew."""

    def __init__(self, out: Path) -> None:
        """Reads them."""
        self.path = out / LINES
        self._known: dict[str, EstimatedPair] = {}
        if not self.path.exists():
            return
        with open_regular(self.path) as file:
            for line in file:
                with suppress(UserError):
                    (document,) = parse_jsonl([line], str(self.path))
                    refuse_unsealed(document, str(self.path), "it is estimated again")
                    found = parse_as(EstimatedPair, line, str(self.path))
                    self._known[found.name] = found

    def of(self, pairs: Sequence[KnownPair]) -> dict[str, EstimatedPair]:
        """What is known of these pairs, by name, as far as their files are what they were."""
        asked = [pair for pair in pairs if pair.name in self._known]
        found: dict[str, EstimatedPair] = {}
        if not asked:
            return found
        with progress("look for what is estimated", len(asked)) as advance:
            for pair in asked:
                known = self._known[pair.name]
                with suppress(UserError):  # told when it is estimated
                    if [sha256(each) for each in pair.read()] == [
                        known.blur_sha256,
                        known.sharp_sha256,
                    ]:
                        found[pair.name] = known
                advance()
        return found

    def add(self, pair: EstimatedPair) -> None:
        """A line for a pair."""
        with writing(self.path), self.path.open("ab") as file:
            # Begun anew, should a kill have torn the line before; an empty one is none.
            file.write(b"\n" + jsonl_line(sealed(load_json(jsonl_line(asdict(pair))))))
