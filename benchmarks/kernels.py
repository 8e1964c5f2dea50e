"""Kernel speed as ratios against OpenCV and SciPy in one run, one thread, CPU time.

    python benchmarks/kernels.py [repeats]

Each row names its peer: `cv2.filter2D` with a dense 29x29 kernel (the quick floor of any uniform
blur of that size), or `scipy.signal.fftconvolve`. Ratios travel between machines, times do not.
"""

import os
import sys
import time
from collections.abc import Callable

os.environ["NUMBA_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
import scipy.signal
from skimage import data

from blurbench_kernels import bank, convolution, motion_flow, random

WIDTH, HEIGHT = 640, 480


def median_ms(function: Callable[[], object], repeats: int) -> float:
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return 1e3 * sorted(times)[repeats // 2]


def fft_convolve(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return scipy.signal.fftconvolve(image, kernel[..., None], mode="same", axes=(0, 1))


def severe_motion() -> motion_flow.Motion:
    return motion_flow.Motion(17.0, -10.5, 0.15, -0.1, 1e-3, 0.01, (240.0, 320.0))


def flow_then_blur(image: np.ndarray) -> np.ndarray:
    return motion_flow.blur(image, *severe_motion().flow(*image.shape[:2]))


def rows(repeats: int) -> list[tuple[str, float, str, float]]:
    photo = cv2.resize(data.astronaut(), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    face = cv2.resize(photo, (175, 175)).astype(np.float64) / 255
    u, v = severe_motion().flow(HEIGHT, WIDTH)
    kernel = bank.trajectory_kernel(random.stream("benchmark"), 29)
    box = np.full((29, 29), 1 / 841)
    filter_photo = "filter2D 29x29, 640x480 uint8", lambda: cv2.filter2D(photo, -1, box)
    filter_face = "filter2D 29x29, 175x175 float64", lambda: cv2.filter2D(face, -1, box)
    fft_face = "fftconvolve 29x29, 175x175", lambda: fft_convolve(face, box)
    pairs = [
        ("motion_flow.blur, mean 20 px", lambda: motion_flow.blur(photo, u, v), filter_photo),
        ("flow + blur", lambda: flow_then_blur(photo), filter_photo),
        ("convolve, trajectory 29x29", lambda: convolution.convolve(face, kernel), filter_face),
        ("convolve, trajectory 29x29", lambda: convolution.convolve(face, kernel), fft_face),
        ("convolve, dense 29x29", lambda: convolution.convolve(face, box), filter_face),
        ("draw 10 kernels of 13..29", lambda: bank.draw("b", count=10), fft_face),
    ]
    return [
        (name, median_ms(ours, repeats), peer[0], median_ms(peer[1], repeats))
        for name, ours, peer in pairs
    ]


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    cv2.setNumThreads(1)
    print(f"{'ours':30} {'ms':>8}   {'peer':32} {'ms':>8} {'ratio':>7}")
    for name, ours, peer, theirs in rows(repeats):
        print(f"{name:30} {ours:8.2f}   {peer:32} {theirs:8.2f} {ours / theirs:7.2f}")


if __name__ == "__main__":
    main()
