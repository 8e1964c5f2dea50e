"""Sets of layers: one digest for any number of workers, shards, kills and any processor."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest
import tiny_data
from numba import config

from blurbench.datasets.make import synthesize
from blurbench.datasets.verify import verify
from blurbench.engine import Workers
from blurbench.sources.open import open_for

PARTS: dict[str, Any] = {
    "background": {
        "family": "camera",
        "anxiety": [0.0, 0.005],
        "rotation": 4.0,
        "target": {"bins": [[4.0, 6.0]]},
    },
    "objects": {"family": "motion_flow", "preset": "mild", "target": {"bins": [[3.0, 5.0]]}},
}
RECIPE = tiny_data.flow_recipe(
    blur={"family": "layers", "moves": ["both", "objects"], **PARTS},
    labels=["mask"],
    sensor={"light": "linear"},
)
TRIANGLES = [[[12.0, 9.5, 50.2, 20.0, 30.0, 52.0]], [[40.0, 30.0, 66.0, 33.0, 50.5, 60.0]]]

# Kills itself by SIGKILL before pair number `kill` is written.
CHILD = """
import os, signal, sys
sys.path[:0] = sys.argv[4:]
import test_layered_sets as tests
from blurbench.datasets import make
write, written = make._write, []
def dying(*arguments):
    if len(written) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(write(*arguments))
    return written[-1]
make._write = dying
source = tests.open_for(tests.RECIPE, sys.argv[1])
print(make.synthesize(tests.RECIPE, source, make.Path(sys.argv[2]), shard_size=2).digest)
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Five photographs with two objects each, as polygons."""
    root = tmp_path_factory.mktemp("objects")
    names = [f"{n}.png" for n in range(5)]
    (root / "images").mkdir()
    for n, name in enumerate(names):
        cv2.imwrite(str(root / "images" / name), tiny_data.picture(n, 70, 80))
    images = [
        {"id": n, "file_name": name, "height": 70, "width": 80} for n, name in enumerate(names)
    ]
    annotations = [
        {"id": 2 * n + k, "image_id": n, "segmentation": outline}
        for n in range(5)
        for k, outline in enumerate(TRIANGLES)
    ]
    text = json.dumps({"images": images, "annotations": annotations})
    (root / "instances.json").write_text(text)
    return str(root)


@pytest.fixture(scope="module")
def digest(source: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("whole") / "out"
    return synthesize(RECIPE, open_for(RECIPE, source), out).digest


def child(
    source: str, out: Path, kill: int = -1, **environment: str
) -> subprocess.CompletedProcess[str]:
    here = [str(Path(__file__).parent), *sys.path]
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, source, str(out), str(kill), *here],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"workers": Workers(2), "shard_size": 2}, {"shard_size": 1}])
def test_workers_and_shards(source, digest, tmp_path, how):
    made = synthesize(RECIPE, open_for(RECIPE, source), tmp_path / "out", **how)
    assert made.digest == digest
    assert verify(tmp_path / "out") == []


@pytest.mark.slow
def test_a_killed_run_goes_on(source, digest, tmp_path):
    assert child(source, tmp_path / "out", kill=3).returncode == -signal.SIGKILL
    made = synthesize(RECIPE, open_for(RECIPE, source), tmp_path / "out", shard_size=3)
    assert made.digest == digest
    assert made.made < sum(made.counts.values())


@pytest.mark.slow
def test_any_processor(source, digest, tmp_path):
    if config.DISABLE_JIT:
        pytest.skip("nothing is compiled")
    lower = {
        "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FP16,AVX,SSE4.2,SSE4.1,SSSE3",
        "OPENCV_IPP": "disabled",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX2 FMA3 AVX512F AVX512_SKX",
        "NUMBA_CPU_NAME": "generic",
    }
    done = child(source, tmp_path / "out", **lower)
    assert done.stdout.strip() == digest, done.stderr
