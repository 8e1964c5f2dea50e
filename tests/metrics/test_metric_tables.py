import pkgutil
import subprocess
import sys

import numpy as np
import pytest

from blurbench.errors import UserError
from blurbench.metrics import METRICS, PROTOCOLS, compute, make_ready

HEAVY = {"torch", "numba", "cv2", "pandas", "scipy", "matplotlib", "pyiqa", "transformers"}
COPIES = """
from blurbench.metrics import Metric
COPY = Metric("blurbench.metrics.distortion:psnr", "Copy", higher_is_better=True)
"""


def test_the_tables_are_listed_without_heavy_imports():
    code = "import sys, blurbench.metrics; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(out.stdout.split())


def test_every_function_named_is_there():
    named = [metric.function for metric in METRICS.values()]
    named += [name for protocol in PROTOCOLS.values() for name in protocol.functions.values()]
    assert all(callable(pkgutil.resolve_name(name)) for name in named)


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "pyiqa"])
def test_every_protocol_scores_identical_pictures_best(protocol):
    rng = np.random.default_rng(0)
    image = np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    assert compute("psnr", image, image, protocol) > 60
    assert compute("ssim", image, image, protocol) == pytest.approx(1, abs=1e-3)


def test_an_installed_package_adds_a_metric(install):
    install("copies", "blurbench.metrics", "copy = copies:COPY", COPIES)
    image = np.zeros((2, 2, 3), np.uint8)
    assert compute("copy", image, image) == 100
    make_ready("copy")


def test_a_metric_whose_function_is_not_there_is_told_before_any_picture(install):
    broken = COPIES.replace("distortion:psnr", "distortion:nowhere")
    install("broken-copies", "blurbench.metrics", "broken = broken_copies:COPY", broken)
    told = r"metric 'broken' of broken-copies 1: its function .*nowhere.* cannot be loaded"
    with pytest.raises(UserError, match=told):
        make_ready("broken")


def test_what_is_no_number_is_not_scored(monkeypatch):
    image = np.zeros((16, 16, 3), np.uint8)
    broken = np.zeros((16, 16, 3), np.float32)
    broken[3, 4, 1] = np.nan
    for protocol in ("wang-rgb", "mimo-float", "deblurgan-v2"):
        with pytest.raises(ValueError, match="not numbers"):
            compute("psnr", broken, image, protocol)
    monkeypatch.setattr("blurbench.metrics.distortion.psnr", lambda *_: float("inf"))
    with pytest.raises(ValueError, match="psnr is infinite"):
        compute("psnr", image, image)


def test_a_metric_says_what_it_needs():
    image = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(UserError, match="metric psnr-hair needs mask"):
        compute("psnr-hair", image, image)
    with pytest.raises(ValueError, match="no sharp picture"):
        compute("psnr", image, None)
