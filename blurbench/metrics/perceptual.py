"""The metrics of the pyiqa package, which takes seconds to import: only when one is asked for."""

import io
import math
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import lru_cache
from typing import Any

import numpy as np

from blurbench.errors import UserError
from blurbench.metrics.offline import Refused, offline
from blurbench.metrics.protocols import NoScore, Protocol
from blurbench.weights.places import how, present, refuse_damaged
from blurbench.weights.registry import OF_METRICS, OUTSIDE


def score(
    restored: np.ndarray, sharp: np.ndarray | None, _protocol: Protocol, *, name: str
) -> float:
    """pyiqa's metric `name`; `sharp` is left out where the metric takes no reference."""
    measure = load(name)
    pictures = [restored] if sharp is None or measure.metric_mode == "NR" else [restored, sharp]
    value = float(measure(*(tensor(image) for image in pictures)))
    if math.isnan(value):  # which elsewhere says that a metric does not apply
        raise NoScore(f"{name} is not a number, as pyiqa computes it")
    return value


def pyiqa_psnr(restored: np.ndarray, sharp: np.ndarray, protocol: Protocol) -> float:
    """pyiqa's psnr, in dB."""
    return score(restored, sharp, protocol, name="psnr")


def pyiqa_ssim(restored: np.ndarray, sharp: np.ndarray, protocol: Protocol) -> float:
    """pyiqa's ssim, of the luma."""
    return score(restored, sharp, protocol, name="ssim")


@lru_cache
def load(name: str) -> Any:
    """pyiqa's metric on the CPU; UserError names the weights that are missing and their place."""
    import pyiqa
    import torch

    for each in OF_METRICS.get(name, ()):
        refuse_damaged(each)
    silent = io.StringIO()
    with offline() as refused, redirect_stdout(silent), redirect_stderr(silent):
        try:
            return pyiqa.create_metric(name, device=torch.device("cpu"))
        except Exception as error:
            raise UserError(f"metric {name}: {missing(name, refused, error)}") from None


def missing(name: str, refused: Sequence[Refused], error: Exception) -> str:
    """What to do about weights of metric `name` that could not be loaded, in one line."""
    # All that it lacks: pyiqa asks for one file after the other.
    lacking = [each for each in OF_METRICS.get(name, ()) if not present(OUTSIDE[each])]
    mend = how(" ".join(lacking)) if lacking else ""
    if refused:
        url, path = refused[-1].url, refused[-1].path
        place = f"{path} is missing" if path else f"{url.rpartition('/')[2]} is missing"
        return f"{place}, and nothing is downloaded unasked; {mend or f'put {url} there'}"
    told = f"pyiqa cannot load it ({' '.join(str(error).split()) or type(error).__name__})"
    # Hugging Face's client asks for nothing, and says that it may not.
    return f"{told}; {mend}" if mend else told


def tensor(image: np.ndarray) -> Any:
    """(H, W, 3) of 0..255 -> (1, 3, H, W) float32 in 0..1."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float()[None] / 255
