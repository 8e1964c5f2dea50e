"""A captioner on a split: its sentences, and how well they agree with people's."""

from pathlib import Path
from typing import Any

from blurbench.captions import score
from blurbench.datasets.dataset import BlurDataset
from blurbench.errors import UserError
from blurbench.files import read_json, write_json
from blurbench.inference.captions import describe, input_of
from blurbench.models.captioners.base import Captioned
from blurbench.progress import progress
from blurbench.runs.load import load_run
from blurbench.runs.trained import TrainedModel

PROTOCOL = "coco-captions"  # COCO's scores of sentences; no protocol of pictures


def caption_split(
    data: Path, run: Path, folder: Path, name: str, device: str | None, split: str = "test"
) -> str:
    """Describe every picture of a split as `name` into `folder`; gives a line of scores.

    captions.json holds a sentence a picture, summary.json the scores, and why one is missing. What
    is there already is kept. UserError where the run is no captioner or pictures have no captions.
    """
    pairs = BlurDataset(data, split)
    references = {row["id"]: row["captions"] for row in pairs.rows if row.get("captions")}
    if not references:
        raise UserError(f"{data}: its pictures have no captions to compare with")
    loaded, path = load_run(run, device), folder / "captions.json"
    if not isinstance(loaded.model, Captioned):
        raise UserError(f"{run}: {loaded.name} writes no captions")
    wanted = {
        "model": name,
        "weights": loaded.provenance["weights"],
        "data": {"recipe": pairs.recipe_name, "digest": pairs.digest, "split": split},
    }
    if not path.is_file():
        write_json(path, wanted | {"captions": write_captions(pairs, loaded, references)})
    written = read_json(path)
    if {key: written.get(key) for key in wanted} != wanted:
        raise UserError(
            f"{folder}: holds captions of other pictures or weights; choose another --out"
        )
    found = score(references, written["captions"])
    means = {key.lower(): value for key, value in found.scores.items()}
    summary: dict[str, Any] = {
        **wanted,
        "protocol": PROTOCOL,
        "images": found.images,
        "means": means,
        "missing": {key.lower(): why for key, why in found.missing.items()},
        "tokenizer": found.tokenizer,
    }
    write_json(folder / "summary.json", summary)
    told = [f"{key} {value:.3f}" for key, value in means.items() if value is not None]
    return f"{name}: {', '.join(told)} over {found.images} pictures ({folder})"


def write_captions(
    pairs: BlurDataset, loaded: TrainedModel, wanted: dict[str, Any]
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
