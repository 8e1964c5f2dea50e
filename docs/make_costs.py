"""Make the table of docs/costs.md, what each preset takes: python docs/make_costs.py"""

from pathlib import Path

import torch

from blurbench.models import MODELS, build, model_class
from blurbench.models.base import Model, parameter_count
from blurbench.models.cost import gmacs
from blurbench.training.schedule import plan

PAGE = Path(__file__).parent / "costs.md"
PRESETS = ("paper", "small", "tiny")
# A backward pass costs twice a forward pass; a multiply-accumulate is two operations.
OPERATIONS = 3 * 2
GPU = 20e12  # operations a second; assumed, as `benchmarks/gpu.py --estimate 20` does
WHOLE = 128  # px, what trains on whole pictures: the faces' side
TABLE = """| model | preset | parameters | GMACs | samples | time, estimated |
|---|---|---|---|---|---|
"""
# What their steps were chosen for (docs/training.md).
CHOSEN = {"small": "an hour of a core", "tiny": "minutes of a core"}


def operations(model: Model) -> float:
    """Of a whole training by the preset's steps."""
    parts = plan(model.config, model.stages(), model.config.steps)
    sides = {part.crop: part.crop or WHOLE for part in parts}
    macs = {crop: gmacs(model, side, side) * 1e9 for crop, side in sides.items()}
    return OPERATIONS * sum(part.samples * macs[part.crop] for part in parts)


def row(name: str, preset: str) -> str:
    """A line of the table, counted without any memory."""
    with torch.device("meta"):
        model = build(name, preset).eval()
        parts = plan(model.config, model.stages(), model.config.steps)
        samples = sum(part.samples for part in parts)
        millions = parameter_count(*model.inference_modules()) / 1e6
        time = CHOSEN.get(preset) or f"{operations(model) / GPU / 3600:.1f} hours of a GPU"
        cells = (f"{millions:.2f} M", f"{gmacs(model):.1f}", f"{samples:,}", time)
        return f"| `{name}` | `{preset}` | {' | '.join(cells)} |"


def main() -> None:
    """Write the table in place of the one that the page has."""
    rows = [
        row(name, preset)
        for name in sorted(MODELS)
        for preset in PRESETS
        if preset in model_class(name).PRESETS
    ]
    text = PAGE.read_text(encoding="utf-8").partition(TABLE)[0]
    PAGE.write_text(text + TABLE + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
