"""A captioner on a split: its sentences, and how well they agree with people's."""

from pathlib import Path
from typing import Any

from blurbench.captions import score
from blurbench.datasets.pairs import ScoredSplit
from blurbench.errors import UserError
from blurbench.files import read_json, write_json
from blurbench.inference.captions import describe, input_of
from blurbench.locks import locked
from blurbench.out_folder import Claim, changed
from blurbench.progress import progress
from blurbench.runs.load import load_run
from blurbench.runs.trained import TrainedModel
from blurbench.schemas import read_as
from blurbench.schemas.seals import refuse_broken, sealed
from blurbench.scoring.leaks import find_leaks, tell_leaks
from blurbench.scoring.result_folder import (
    CaptionSummary,
    JsonObject,
    ScoredData,
    write_summary,
)
from blurbench.stores.folder import Folder

SENTENCES = "captions.json"
CAPTIONS = Claim("captions", (SENTENCES,))
MEND = "delete it and evaluate again"
PROTOCOL = "coco-captions"  # COCO's scores of sentences; no protocol of pictures


class Sentences(JsonObject):
    """captions.json."""

    model: str
    weights: str
    data: ScoredData
    captions: dict[str, str]  # by picture


def caption_split(
    pairs: ScoredSplit, run: Path, folder: Path, name: str, device: str | None
) -> str:
    """Describe every picture of a split as `name` into `folder`; gives a line of scores.

    captions.json holds a sentence a picture, summary.json the scores, and why one is missing. What
    is there already is kept. UserError where the run is no captioner, pictures have no captions,
    or `folder` holds those of other pictures or weights.
    """
    references = {row["id"]: row["captions"] for row in pairs.rows if row.get("captions")}
    if not references:
        raise UserError(f"{pairs.place}: its pictures have no captions to compare with")
    loaded = load_run(run, device)
    if not loaded.model.DESCRIBES:
        raise UserError(f"{run}: {loaded.name} writes no captions")
    data = ScoredData(recipe=pairs.recipe_name, split=pairs.split, digest=pairs.digest)
    head = {"model": name, "weights": loaded.provenance["weights"], "data": data.written()}
    leaks = find_leaks([row for row in pairs.rows if row["id"] in references], run)
    CAPTIONS.find(Folder(folder))  # before the lock, which leaves a file behind
    with locked(folder):
        found = score(references, _sentences(pairs, loaded, folder, head, references))
        summary = CaptionSummary(
            **head,
            protocol=PROTOCOL,
            images=found.images,
            means={key.lower(): value for key, value in found.scores.items()},
            missing={key.lower(): why for key, why in found.missing.items()},
            tokenizer=found.tokenizer,
            leaks=leaks,
        )
        write_summary(folder, summary)
    told = [f"{key} {value:.3f}" for key, value in summary.means.items() if value is not None]
    line = f"{name}: {', '.join(told)} over {summary.images} pictures ({folder})"
    return "\n".join([line, *tell_leaks(summary)])


def _sentences(
    pairs: ScoredSplit,
    loaded: TrainedModel,
    folder: Path,
    head: dict[str, Any],
    references: dict[str, Any],
) -> dict[str, str]:
    """By picture, as captions.json has them, or else written into it."""
    store = Folder(folder)
    if CAPTIONS.find(store):
        path = folder / SENTENCES
        there = read_as(Sentences, path, MEND)
        refuse_broken(read_json(path), str(path), MEND)
        CAPTIONS.refuse_other(store, changed(there.written(), head))
        return there.captions
    written = write_captions(pairs, loaded, references)
    write_json(folder / SENTENCES, sealed(head | {"captions": written}))
    return written


def write_captions(
    pairs: ScoredSplit, loaded: TrainedModel, wanted: dict[str, Any]
) -> dict[str, str]:
    """A sentence for each wanted picture, by its id, of the kind that the run learnt from."""
    sentences = {}
    with progress(f"caption {loaded.name}", len(wanted)) as advance:
        for row in pairs.rows:
            if row["id"] in wanted:
                picture = pairs.picture(row, input_of(loaded))
                sentences[row["id"]] = describe(loaded, picture, row["id"])
                advance()
    return sentences
