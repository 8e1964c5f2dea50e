"""Pictures and a finished data set that the tests of data sets share, read only."""

from pathlib import Path

import pytest
import tiny_data

from blurbench.data.shards import Summary, synthesize
from blurbench.data.sources import open_source


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data.write_photos(tmp_path_factory.mktemp("photos"), tiny_data.PHOTOS)


@pytest.fixture(scope="session")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Summary:
    out = tmp_path_factory.mktemp("made") / "whole"
    return synthesize(tiny_data.flow_recipe(), open_source(str(photos)), out)
