"""Fixtures that every folder of tests shares."""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import browser
import pytest
import tiny_data
import torch
from installed import write_package
from small_results import write_data_set, write_result

from blurbench import blurs, metrics, models
from blurbench.datasets.assemble import SetSummary
from blurbench.datasets.make import synthesize
from blurbench.files import write_json
from blurbench.models import build
from blurbench.models.parts.weights import save_tensors
from blurbench.sources.open import open_source

# As `blurbench` itself does: threads that wait by spinning double the time beside a busy neighbour.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Tests compare bits, and sums of several threads may come in another order. Tests' networks are too
# tiny to gain by threads. Programs that tests start inherit it; this process has PyTorch already.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)
# pytest-xdist tells its workers a width; tables in tests are as wide as where there is no terminal.
os.environ.pop("COLUMNS", None)


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
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> SetSummary:
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


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    """A browser, one for all tests that open pages."""
    started = browser.start(tmp_path_factory.mktemp("profile"))
    yield started
    started.quit()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Install a package that adds something of its own: `write_package` without the folder."""
    before = set(sys.modules)

    def add(name: str, *told: str, **options: str) -> Path:
        folder = write_package(tmp_path / "installed", name, *told, **options)
        monkeypatch.syspath_prepend(folder)
        importlib.invalidate_caches()
        return folder

    yield add
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
    for table in (blurs.registry, metrics, models):
        table.PLUG_INS._loaded.clear()
