"""What a run records of its data beside the digest: the sources it will see, and its captions."""

import json
from pathlib import Path

from blurbench.datasets.pairs import Pairs
from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.models.base import Model
from blurbench.runs.folder import CLAIM, PairsOfRun, SourcesOfRun, read_config
from blurbench.runs.seen import Seen, read_seen, seen_by, write_seen
from blurbench.stores.folder import Folder
from blurbench.training.data.several import SeveralSets


def describe_pairs(
    run: Path, model: Model, pairs: Pairs, validation: Pairs | None, init: Path | None
) -> PairsOfRun:
    """What config.json tells of the data of a run; writes the sources that a new one will see."""
    told: PairsOfRun = {"digest": pairs.digest, "recipe": pairs.recipe_name}
    if isinstance(pairs, SeveralSets):
        told["sets"] = pairs.on_record
    # The digest is of pixels, masks among them: captions of the same pictures may change.
    if "captions" in (*model.NEEDS, *model.restore_labels):
        sentences = [each.captions() for each in (pairs, validation) if each is not None]
        told["captions"] = sha256(json.dumps(sentences).encode())
    if sources := record_sources(run, pairs, validation, init):
        told["sources"] = sources
    return told


def record_sources(
    run: Path, pairs: Pairs, validation: Pairs | None, init: Path | None
) -> SourcesOfRun | None:
    """Hash and write what a new run will see; of one that was begun, what it told then.

    None where that was nothing, as of 0.1.0. UserError where the folder holds something else.
    """
    # Not again on resume: on the fly every source is read for it, which takes as long as an epoch.
    if CLAIM.find(Folder(run)):
        return read_config(run)["data"].get("sources")
    before = None if init is None else seen_before(init)
    validated = validation.sources() if validation is not None else set[str]()
    return write_seen(run, seen_by(pairs.sources(), validated, before))


def seen_before(init: Path) -> Seen:
    """What the weights of a run or file have seen, as far as that is recorded."""
    try:
        return read_seen(init)
    except UserError:
        return Seen({}, init_unknown=True)
