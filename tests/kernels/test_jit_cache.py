"""Compiled kernels in racing processes, without a cache folder, and on a generic CPU."""

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import numba
import numpy as np
import pytest

from blurbench_kernels import bank, motion_flow, random
from blurbench_kernels._jit import jit

compiled_only = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")

DIGEST_ON_THIS_CPU = """
import numpy as np
from blurbench_kernels import bank, convolution, motion_flow, random, sensor
image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
motion = motion_flow.draw(random.stream("cpu"), motion_flow.PRESETS["strong"], 60, 90)
kernels = bank.draw("cpu", count=20)
shaken = convolution.convolve(image / 255, kernels[0])
blurred = [motion_flow.blur(image, *motion.flow(60, 90, mode)) for mode in ("compat", "physical")]
levels = sensor.quantise(sensor.linear_to_srgb(sensor.srgb_to_linear(shaken)))
print([bank.digest(values) for values in (kernels, levels, *blurred)])
"""


@pytest.mark.slow
def test_two_processes_that_compile_and_cache_at_once_agree(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    image = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    flow = motion_flow.compat_flow(40, 56, 9.0, -5.0, 0.2, 0.1, 2e-3, 0.01, (20.0, 28.0))
    expected = motion_flow.blur(image, *flow)
    spawn = multiprocessing.get_context("spawn")
    for _ in ("compiled and cached", "from the cache"):
        with ProcessPoolExecutor(2, mp_context=spawn) as pool:
            for blurred in pool.map(motion_flow.blur, [image] * 2, *zip(flow, flow, strict=True)):
                np.testing.assert_array_equal(blurred, expected)
    assert numba.config.DISABLE_JIT or list(tmp_path.rglob("*.nbc"))


@compiled_only
def test_a_function_that_cannot_be_cached_is_compiled_all_the_same():
    namespace: dict = {}
    exec("def double(x):\n    return 2 * x", namespace)  # no file, so no folder to cache in
    assert jit(namespace["double"])(3) == 6


@pytest.mark.slow
@compiled_only
def test_the_pixels_are_those_of_a_generic_cpu():
    # NumPy 2.4 renamed its features; a name that it does not know is a silent warning.
    old = {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX2 FMA3 AVX512F AVX512_SKX"}
    digests = []
    for environment in ({}, old | {"NUMBA_CPU_NAME": "generic"}):
        command = [sys.executable, "-c", DIGEST_ON_THIS_CPU]
        result = subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True, check=True
        )
        digests.append(result.stdout)
    assert digests[0] == digests[1]


def test_a_stream_survives_pickling():
    stream = random.stream("pickle")
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        kernel = pool.submit(bank.trajectory_kernel, stream, 9).result()
    np.testing.assert_array_equal(kernel, bank.trajectory_kernel(random.stream("pickle"), 9))


def test_the_package_itself_imports_nothing_heavy():
    code = "import sys, blurbench_kernels; print({'numpy', 'numba'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "set()"
