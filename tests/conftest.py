"""Fixtures that every folder of tests shares."""

import os
from pathlib import Path

import pytest
import tiny_data
import torch
from small_results import write_data_set, write_result

from blurbench.datasets.make import Summary, synthesize
from blurbench.files import write_json
from blurbench.models import build
from blurbench.models.parts.weights import save_tensors
from blurbench.sources.open import open_source

# As `blurbench` itself does: threads that wait by spinning double the time beside a busy neighbour.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs, faces and numeric references that BLURBENCH_SHARED names."""
    folder = os.environ.get("BLURBENCH_SHARED")
    if not folder or not Path(folder).is_dir():
        pytest.skip("BLURBENCH_SHARED does not name a folder of reference data")
    return Path(folder)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data.write_photos(tmp_path_factory.mktemp("photos"), tiny_data.PHOTOS)


@pytest.fixture(scope="session")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Summary:
    out = tmp_path_factory.mktemp("made") / "whole"
    return synthesize(tiny_data.flow_recipe(), open_source(str(photos)), out)


@pytest.fixture(scope="session")
def data_set(tmp_path_factory):
    """A data set of ten pairs, split test."""
    return write_data_set(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture
def make_data_set():
    return write_data_set


@pytest.fixture
def make_result():
    return write_result


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
