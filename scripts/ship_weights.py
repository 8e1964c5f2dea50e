"""Turn a finished run into weights that ship: in half precision, with a card to fill in.

    python scripts/ship_weights.py scene runs/scene --data boards/severe

Writes weights/data/NAME.safetensors, NAME.sources.txt.gz and, where there is none, NAME.md; prints
what single and half precision restore of the data's test split, and the entry for
blurbench/weights/shipped.py.
"""

import argparse
import shutil
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from blurbench.datasets.dataset import BlurDataset
from blurbench.errors import UserError
from blurbench.files import read_regular, sha256, write_text
from blurbench.metrics import compute
from blurbench.models import build_from, changed_fields, model_class
from blurbench.models.parts.weights import load_weights, save_tensors
from blurbench.progress import progress
from blurbench.runs.folder import SOURCES, read_config
from blurbench.runs.load import load_run
from blurbench.runs.trained import TrainedModel
from blurbench.weights.shipped import DATA, LICENCE, SHIPPED

CARD = """# The weights `{name}`

**What they do.** TODO: kinds of blur, of pictures, noise, JPEG.
Model `{model}`, preset `{preset}`{changed}.
{parameters:,} parameters in half precision, SHA-256 `{digest}`.

**Trained on.** TODO: pictures, with a link to their table of authors and licences. Recipe
`{recipe}`, digest `{data}`, {steps:,} steps, seed {seed}.
The SHA-256 of every source is in `{name}.{sources}`.

    TODO: the commands

**How well.** Over {count} pictures of `{scored}`: identity {identity:.3f} dB, in single precision
{single:.3f} dB, in half {half:.3f} dB.

| blur length, px | pictures | identity, dB | gain, dB (95 % interval) |
|---|---|---|---|
| TODO | | | |

**What they cannot do.** TODO: longest blur, out-of-focus pictures, moving things, noise, and what
comes of sharp pictures. A restored picture is a guess, and no evidence of what was before the
camera.

**Terms.** [{licence}]({licence}).
"""


def halved(run: Path, out: Path) -> None:
    """Write the weights of a run in half precision."""
    state = load_run(run, "cpu").model.state_dict()
    floats = {name: x.half() if x.is_floating_point() else x for name, x in state.items()}
    if odd := [name for name, x in floats.items() if not x.float().isfinite().all()]:
        raise UserError(f"{run}: too large for half precision: {', '.join(odd[:3])}")
    save_tensors(out, floats)


def read_back(trained: TrainedModel, run: Path, path: Path) -> TrainedModel:
    """The same model with the weights of a file."""
    config = read_config(run)
    model = build_from(config["model"], config["preset"], config["config"])
    load_weights(model, path)
    return replace(trained, model=model.eval().requires_grad_(False))


def compared(models: list[TrainedModel], data: Path) -> tuple[list[float], int, float]:
    """Mean PSNR of the blur and of each model over the test split; pictures; largest difference."""
    pairs = BlurDataset(data, "test")
    scores: list[list[float]] = []
    apart = 0.0
    with progress("restore", len(pairs)) as advance:
        for pair in (pairs[index] for index in range(len(pairs))):
            blur, sharp = (levels(pair[name]) for name in ("blur", "sharp"))
            restored = [blur, *(model(blur) for model in models)]
            scores.append([compute("psnr", image, sharp) for image in restored])
            apart = max(apart, float(np.abs(restored[1].astype(int) - restored[2]).max()))
            advance()
    return [statistics.fmean(column) for column in zip(*scores, strict=True)], len(pairs), apart


def levels(picture: torch.Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] -> (H, W, 3) uint8."""
    out: np.ndarray = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    return out


def ship(name: str, run: Path, data: Path) -> str:
    """Write the files; gives what to print."""
    config, path = read_config(run), DATA / SHIPPED[name].file
    halved(run, path)
    single = load_run(run, "cpu")
    means, count, apart = compared([single, read_back(single, run, path)], data)
    if (run / SOURCES).is_file():
        shutil.copyfile(run / SOURCES, DATA / f"{name}.{SOURCES}")
    digest, kind = sha256(read_regular(path)), model_class(config["model"])
    preset = kind.PRESETS[config["preset"]]
    usual = preset.model_dump(mode="json")
    fields = {field: v for field, v in config["config"].items() if v != usual.get(field)}
    changed = changed_fields(kind.Config(**config["config"]), preset)
    card = CARD.format(
        name=name,
        model=config["model"],
        preset=config["preset"],
        digest=digest,
        licence=LICENCE,
        changed=f" with {changed}" if changed else "",
        sources=SOURCES,
        scored=data.name,
        parameters=sum(p.numel() for p in single.model.parameters()),
        steps=config["steps"],
        recipe=config["data"]["recipe"],
        data=config["data"]["digest"],
        seed=config["seed"],
        identity=means[0],
        single=means[1],
        half=means[2],
        count=count,
    )
    if not (DATA / SHIPPED[name].card).exists():
        write_text(DATA / SHIPPED[name].card, card)
    return (
        f"{path}: {path.stat().st_size / 1e6:.2f} MB; PSNR identity {means[0]:.3f}, single"
        f" {means[1]:.3f}, half {means[2]:.3f} dB over {count} pictures, at most {apart:.0f} of 255"
        f' apart\n"{name}": Shipped(\n    "{SHIPPED[name].title}",\n    "{config["model"]}",\n'
        f'    "{config["preset"]}",\n    {fields!r},\n    "{digest}",\n'
        f'    "{SHIPPED[name].file}",\n    "{SHIPPED[name].card}",\n),'
    )


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", choices=list(SHIPPED))
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="a data set with a test split")
    asked = parser.parse_args()
    try:
        print(ship(asked.name, asked.run, asked.data))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
