"""PSNR and SSIM at 1280x720 RGB: CPU time as a ratio to peers that give the same value.

Run: python benchmarks/metrics.py
"""

import time
from collections.abc import Callable

import cv2
import numpy as np
import pyiqa
import torch
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from blurbench.metrics import compute

REPEATS = 5


def skimage_ssim(restored: np.ndarray, sharp: np.ndarray) -> float:
    return structural_similarity(
        sharp,
        restored,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )


def basicsr_ssim(restored: np.ndarray, sharp: np.ndarray) -> float:
    """Five dense 11x11 filters in float64, the way most restoration code does it."""
    line = cv2.getGaussianKernel(11, 1.5)
    window = line @ line.T
    x, y = restored.astype(np.float64), sharp.astype(np.float64)
    mean_x, mean_y, xx, yy, xy = (
        cv2.filter2D(image, -1, window)[5:-5, 5:-5] for image in (x, y, x * x, y * y, x * y)
    )
    cross, power = mean_x * mean_y, mean_x**2 + mean_y**2
    c1, c2 = 6.5025, 58.5225
    scores = (2 * cross + c1) * (2 * (xy - cross) + c2) / ((power + c1) * (xx + yy - power + c2))
    return float(scores.mean())


def pyiqa_ssim() -> Callable[[np.ndarray, np.ndarray], float]:
    """pyiqa's SSIM of the three colours, which it computes in float64."""
    metric = pyiqa.create_metric("ssimc", device=torch.device("cpu"))

    def measured(restored: np.ndarray, sharp: np.ndarray) -> float:
        pair = (torch.from_numpy(x / np.float32(255)).permute(2, 0, 1) for x in (restored, sharp))
        return float(metric(*(x[None] for x in pair)))

    return measured


def cpu_times(functions: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Median CPU milliseconds of each, taken in turns so that neighbours disturb all alike."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(REPEATS):
        for name, function in functions.items():
            began = time.process_time()
            function()
            times[name].append((time.process_time() - began) * 1e3)
    return {name: float(np.median(values)) for name, values in times.items()}


def main() -> None:
    sharp = cv2.resize(data.astronaut(), (1280, 720))
    blur, with_pyiqa = cv2.blur(sharp, (25, 3)), pyiqa_ssim()
    functions = {
        "ssim, blurbench": lambda: compute("ssim", blur, sharp),
        "ssim, scikit-image": lambda: skimage_ssim(blur, sharp),
        "ssim, dense filters": lambda: basicsr_ssim(blur, sharp),
        "ssim, pyiqa": lambda: with_pyiqa(blur, sharp),
        "psnr, blurbench": lambda: compute("psnr", blur, sharp),
        "psnr, scikit-image": lambda: peak_signal_noise_ratio(sharp, blur, data_range=255),
    }
    times = cpu_times(functions)
    for name, function in functions.items():
        ratio = times[name] / times[f"{name[:4]}, blurbench"]
        print(f"{name:22} {function():.7f} {times[name]:8.2f} ms CPU {ratio:7.1f}x")


if __name__ == "__main__":
    main()
