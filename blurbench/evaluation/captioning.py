"""A captioner on a split: its sentences, and how well they agree with people's."""

from pathlib import Path
from typing import Any

import torch

from blurbench.captions import score
from blurbench.data.dataset import BlurDataset
from blurbench.errors import UserError
from blurbench.files import read_json, write_json
from blurbench.inference.deblur import load_run
from blurbench.models.captioners.base import Captioned
from blurbench.progress import progress

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
    path = folder / "captions.json"
    wanted = {"model": name, "data": {"recipe": pairs.recipe_name, "digest": pairs.digest}}
    if not path.is_file():
        write_json(path, wanted | {"captions": write_captions(pairs, run, device, references)})
    written = read_json(path)
    if {key: written[key] for key in wanted} != wanted:
        raise UserError(f"{folder}: holds captions of other pictures; choose another --out")
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
    pairs: BlurDataset, run: Path, device: str | None, wanted: dict[str, Any]
) -> dict[str, str]:
    """A sentence for each wanted picture, by its id, of the kind that the run learnt from."""
    loaded = load_run(run, device)
    model = loaded.model
    if not isinstance(model, Captioned):
        raise UserError(f"{run}: {loaded.name} writes no captions")
    sentences = {}
    with progress(f"caption {run.name}", len(wanted)) as advance:
        for item in (pairs[index] for index in range(len(pairs))):
            if item["id"] in wanted:
                picture: torch.Tensor = item[model.INPUT][None].to(loaded.device)
                (sentences[item["id"]],) = model.caption(picture, [item["id"]])
                advance()
    return sentences
