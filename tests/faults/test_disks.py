"""Every command that writes tells of a bad disk in one line, and goes on once it is mended."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# Full to the last byte fails at the first file, which any test of `files.py` shows too.
STATES = ("a page left", "read-only")
# Their one file takes less than a page.
FITS = ("leaderboard, latex, a page left", "captions trees, a page left")
MAY_MOUNT = (
    shutil.which("unshare") is not None
    and subprocess.run(["unshare", "-rm", "true"], check=False).returncode == 0
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    if not MAY_MOUNT:
        pytest.skip("a file system of its own needs `unshare -rm`")
    out = tmp_path_factory.mktemp("disk") / "told.json"
    states = STATES if "BLURBENCH_FAULTS" not in os.environ else ()
    command = ["unshare", "-rm", sys.executable, str(HERE / "disk.py"), str(out), *states]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(out.read_text())


@pytest.mark.slow
def test_a_bad_disk_is_one_line_with_the_path_and_the_mend(told: dict[str, dict]) -> None:
    assert len(told) >= 52
    for name, found in told.items():
        bad = found["bad"]
        roomy = name in FITS or ("nearly" in name and "workers" not in name)
        if bad["code"] == 0 and roomy:
            continue  # there was room for it
        assert bad["code"] == 2, (name, bad)
        assert len(bad["said"]) == 1, (name, bad)
        assert "/disk/out" in bad["said"][0], (name, bad)
        assert "run the same command again" in bad["said"][0], (name, bad)


@pytest.mark.slow
def test_the_same_command_goes_on(told: dict[str, dict]) -> None:
    # The tables of papers are given one second, which is too little: 1.
    wanted = {name: int(name.startswith("reproduce")) for name in told}
    assert {name: found["mended"]["code"] for name, found in told.items()} == wanted
