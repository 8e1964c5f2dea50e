"""A run folder of an untrained network."""

from pathlib import Path

import pytest
import torch

from blurbench.files import write_json
from blurbench.models import build
from blurbench.models.weights import save_tensors


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run folder of an untrained tiny unet."""
    torch.manual_seed(0)
    model = build("unet", preset="tiny")
    run = tmp_path / "run"
    write_json(
        run / "config.json",
        {
            "model": "unet",
            "preset": "tiny",
            "config": model.config.model_dump(mode="json"),
            "steps": 1,
            "seed": 0,
            "data": {"digest": "0", "recipe": "none"},
        },
    )
    save_tensors(run / "model.safetensors", model.state_dict())
    save_tensors(run / "last.safetensors", model.state_dict())
    return run
