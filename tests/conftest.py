"""Fixtures that every folder of tests shares."""

import os
from pathlib import Path

import pytest

# As `blurbench` itself does: threads that wait by spinning double the time beside a busy neighbour.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs, faces and numeric references that BLURBENCH_SHARED names."""
    folder = os.environ.get("BLURBENCH_SHARED")
    if not folder or not Path(folder).is_dir():
        pytest.skip("BLURBENCH_SHARED does not name a folder of reference data")
    return Path(folder)
