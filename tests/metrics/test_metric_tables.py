import math
import subprocess
import sys

from blurbench.metrics import METRICS, PROTOCOLS, compute

HEAVY = {"torch", "numba", "cv2", "pandas", "scipy", "matplotlib", "pyiqa", "transformers"}


def test_the_tables_are_listed_without_heavy_imports():
    code = "import sys, blurbench.metrics; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(out.stdout.split())


def test_every_function_named_is_there():
    import numpy as np

    image = np.zeros((11, 11, 3), np.uint8)
    for name in METRICS:
        for protocol in PROTOCOLS:
            assert math.isfinite(compute(name, image, image, protocol))
