"""Restorers without training: an unsharp mask, and a Wiener filter that is told the kernel."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from blurbench.datasets.format import Row
from blurbench.datasets.mean_kernel import mean_kernel, refuse_kernelless
from blurbench.datasets.pairs import ScoredSplit
from blurbench.datasets.splits import PairKey
from blurbench.errors import UserError
from blurbench.recipes.mixing import on_record
from blurbench.recipes.recipe import Recipe
from blurbench.runs.trained import Restored
from blurbench.scoring.restorers import Restorer

# Of sigma 1, 2, 3 px and amounts 0.5, 1 the best on training photographs under severity-ladder,
# by 0.01 dB; all of them lie within 0.07 dB of each other under sev-blurdata.
SIGMA, AMOUNT = 2.0, 0.5  # px; of what the Gaussian takes away, how much is added
# Of 0.01, 0.015, 0.02, 0.03, 0.05 the best there under both; 0.01 loses 0.6 dB.
NOISE_TO_SIGNAL = 0.03


def unsharp(blur: np.ndarray, sigma: float = SIGMA, amount: float = AMOUNT) -> np.ndarray:
    """(H, W, 3) float in [0, 1] -> blur + amount (blur - Gaussian of it), not clipped."""
    smooth: np.ndarray = gaussian_filter(blur, (sigma, sigma, 0))
    sharpened: np.ndarray = blur + amount * (blur - smooth)
    return sharpened


def wiener(blur: np.ndarray, kernel: np.ndarray, noise: float = NOISE_TO_SIGNAL) -> np.ndarray:
    """(H, W, 3) float in [0, 1] under one (K, L) kernel -> restored, not clipped.

    conj(F k) / (|F k|^2 + noise), noise-to-signal being the same at all frequencies (Gonzalez and
    Woods, Digital Image Processing, eq. 5.8-6). The picture is continued by its mirror, and that
    fades into its own blur where the sides meet, since a Fourier transform joins them.
    """
    reach = [max(side // 2, 1) for side in kernel.shape]
    padded = np.pad(blur, ((reach[0],) * 2, (reach[1],) * 2, (0, 0)), mode="symmetric")
    transfer = _transfer(kernel, padded.shape[:2])[..., None]
    weight = _inner(kernel, padded.shape[:2])
    padded = weight * padded + (1 - weight) * _filtered(padded, transfer)
    restored = _filtered(padded, transfer.conj() / (np.abs(transfer) ** 2 + noise))
    return restored[reach[0] : reach[0] + blur.shape[0], reach[1] : reach[1] + blur.shape[1]]


def _transfer(kernel: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The kernel's transform on a picture of this size, its middle at the origin."""
    spread = np.zeros(size)
    spread[: kernel.shape[0], : kernel.shape[1]] = kernel
    return np.fft.rfft2(np.roll(spread, [-(side // 2) for side in kernel.shape], (0, 1)))


def _filtered(image: np.ndarray, transfer: np.ndarray) -> np.ndarray:
    spectrum = np.fft.rfft2(image, axes=(0, 1)) * transfer
    return np.fft.irfft2(spectrum, s=image.shape[:2], axes=(0, 1))


def _inner(kernel: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """(H, W, 1): 1 inside, 0 at the sides, as the kernel's overlap with itself falls between."""
    falls = []
    for axis, side in enumerate(size):
        spectrum = np.abs(np.fft.fft(kernel.sum(axis=1 - axis), side - 1)) ** 2
        overlap = np.fft.ifft(spectrum).real
        falls.append(1 - np.append(overlap, overlap[0]) / overlap.max())
    found: np.ndarray = np.outer(*falls)[..., None]
    return found


class Unsharp(Restorer):
    """An unsharp mask: it knows nothing of the blur, and is what every picture editor has."""

    kind = "classical"
    timed = True

    def __init__(self, name: str | None = None) -> None:
        """Under its usual name, or another."""
        told = {"method": "unsharp", "sigma_px": SIGMA, "amount": AMOUNT}
        super().__init__(name or f"unsharp (sigma {SIGMA:g} px, amount {AMOUNT:g})", told)
        self.again = partial(Unsharp, self.name)

    def restore(self, blur: np.ndarray, row: Row) -> Restored:  # noqa: ARG002
        """Add what a Gaussian takes away."""
        return Restored(_clipped(unsharp(blur / 255)))


class Wiener(Restorer):
    """A Wiener filter by each pair's true mean kernel: an oracle, and no rival."""

    kind = "classical"
    timed = True

    def __init__(self, name: str | None = None) -> None:
        """Under its usual name, or another."""
        told: dict[str, Any] = {"method": "wiener", "noise_to_signal": NOISE_TO_SIGNAL}
        told |= {"restores_with": ["kernel"], "kernel": "the pair's own, mean over the picture"}
        super().__init__(name or "Wiener (oracle kernel)", told)
        self.again = partial(Wiener, self.name)
        self.recipes: dict[str, Recipe] = {}

    def know(self, data: ScoredSplit) -> None:
        """Keep the recipes that kernels are drawn by; UserError where one draws none."""
        if not all("stream" in row for row in data.rows):
            raise UserError(
                f"{data.place}: was not blurred by a recipe, so that no kernel is known;"
                " wiener takes sets of `blurbench synthesize` that are no index"
            )
        self.recipes = on_record(dict(data.recipe), data.place)
        try:
            for recipe in self.recipes.values():
                refuse_kernelless(recipe)
        except UserError as error:
            raise UserError(
                f"{data.place}: {error}; --identity and --classical unsharp need none"
            ) from None

    def prepare(self, rows: Sequence[Row]) -> list[str]:  # noqa: ARG002
        """Say what the scores are."""
        return [f"{self.name} restores with the true kernel of each picture: an oracle, no rival"]

    def restore(self, blur: np.ndarray, row: Row) -> Restored:
        """Undo the mean of the pair's kernels."""
        recipe = self.recipes[PairKey(*json.loads(row["stream"])).recipe]
        return Restored(_clipped(wiener(blur / 255, mean_kernel(recipe, row))))


CLASSICAL: dict[str, type[Unsharp | Wiener]] = {"unsharp": Unsharp, "wiener": Wiener}


def _clipped(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(values, 0, 1), np.float32)
