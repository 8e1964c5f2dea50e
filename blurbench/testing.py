"""Does a blur family, a model or a metric keep its contract? For the tests of other packages, too.

Each check raises AssertionError with a sentence that says what is wrong.
"""

import json
import math
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import torch
from skimage.data import astronaut
from torch import Tensor

from blurbench.blurs import registry
from blurbench.blurs.base import Blurred, Family, Scene
from blurbench.errors import UserError, one_line
from blurbench.images import to_float
from blurbench.metrics import PROTOCOLS, Metric, find_metric, known
from blurbench.models import build_of, fault, model_class
from blurbench.models.base import Batch, Losses, Model, Stage, parameter_count
from blurbench.models.parts.modes import set_modes, set_trainable
from blurbench.models.parts.weights import load_weights, save_tensors
from blurbench.runs.folder import VOCABULARY
from blurbench.training.batches import TrainingPairs, stacked
from blurbench.training.checkpoint import make_optimiser
from blurbench_kernels.random import stream

SIDE = 192  # px, of a picture: MS-SSIM needs 176, the strongest flow some 100
ODD = (61, 75)  # px: sides that no network halves
LEVEL = 100  # of a constant picture, of 255
# Grey levels that blurring it may leave between two pixels: sums of float64 are off by 1e-12.
SLACK = {"uint8": 1.0, "float64": 1e-6}
SENTENCES = ("A cup of coffee on a wooden table.", "A cat looking at the camera.")

T = TypeVar("T")


def check_family(family: str | Mapping[str, Any] | Family) -> None:
    """Blur a picture by a family: its name, a recipe's table that names it, or its settings.

    AssertionError where shape or dtype change, the same random numbers give another picture, a
    constant picture does not stay constant, or rows could not tell what was drawn.
    """
    told = f"family {family!r}" if isinstance(family, str | Mapping) else f"family {family.family}"
    table = {"family": family} if isinstance(family, str) else family
    settings = _tried(told, lambda: registry.settings(table))
    picture = _sharp(SIDE, SIDE)
    if not any(part.CONCERT for part in registry.parts_of(settings)):
        picture = picture.astype(np.float64)
    scene = _scene(settings, picture)
    blurred = _tried(told, lambda: settings.blur(scene))
    _must(isinstance(blurred, Blurred), f"{told}: blur gives {type(blurred).__name__}, no Blurred")
    kept = np.array_equal(scene.image, picture)
    _must(kept, f"{told}: blur changes the picture that it is given")
    _check_picture(told, blurred.image, picture)
    _check_facts(told, settings, blurred)
    again = settings.blur(_scene(settings, picture))
    same = np.array_equal(again.image, blurred.image) and again.drawn == blurred.drawn
    _must(same, f"{told}: the same scene is blurred in two ways; draw all from scene.random")
    flat = settings.blur(_scene(settings, np.full_like(picture, LEVEL))).image
    spread = float(flat.max()) - float(flat.min())
    constant = spread <= SLACK[str(picture.dtype)]
    _must(
        constant, f"{told}: a constant picture does not stay constant, but spans {spread:g} levels"
    )


def check_metric(metric: str | Metric, protocol: str = "wang-rgb", **labels: Any) -> None:
    """Score a blurred and a perfect picture: by a metric's name, or by the metric itself.

    labels: what it `needs` beside the pictures, which are of 192 x 192 px. AssertionError where a
    score is no finite float, or the perfect picture scores worse.
    """
    name = metric if isinstance(metric, str) else metric.title
    told = f"metric {name}, protocol {protocol}"
    how = find_metric(metric) if isinstance(metric, str) else metric
    missing = [need for need in how.needs if need not in labels]
    _must(not missing, f"{told}: needs {', '.join(missing)}; give check_metric what stands for it")
    rules = known(PROTOCOLS, protocol, "protocol")
    path = rules.functions.get(name, how.function)
    function = _tried(told, lambda: pkgutil.resolve_name(path))
    sharp = _sharp(SIDE, SIDE)
    taken = {need: labels[need] for need in how.needs}

    def score(restored: np.ndarray) -> float:
        found = _tried(
            told,
            lambda: function(
                restored, sharp if how.reference else None, rules, **how.options, **taken
            ),
        )
        kind = getattr(found, "shape", None) or type(found).__name__
        _must(isinstance(found, Real), f"{told}: gives {kind}, not a float")
        _must(math.isfinite(found), f"{told}: gives {found}")
        return float(found)

    perfect, blurred = score(sharp), score(_blur(sharp))
    better = perfect >= blurred if how.higher_is_better else perfect <= blurred
    direction = "higher" if how.higher_is_better else "lower"
    scores = f"{perfect:g}, a blurred one {blurred:g}"
    _must(better, f"{told}: {direction} is better, but a perfect picture scores {scores}")


def check_model(model: str | type[Model], preset: str = "tiny", **overrides: Any) -> None:
    """Restore, train and save a model: its name, or its class; overrides as for `build`.

    AssertionError where a picture of odd sides changes its size or holds anything but numbers of
    0..1, a stage has no step of a finite "loss", or loaded weights restore another picture.
    """
    kind = model_class(model) if isinstance(model, str) else model
    told = f"model {model}" if isinstance(model, str) else f"model {kind.__name__}"
    wrong = fault(told, kind)
    _must(not wrong, f"{told}: {wrong}")
    made = _tried(told, lambda: build_of(kind, told, preset, overrides))
    _check_networks(told, made)
    made.learn_language([[sentence] * 2 for sentence in SENTENCES])  # tiny presets want words twice
    _check_output(told, made)
    _tried(f"{told}: prepare", made.prepare)
    batch = _tried(f"{told}: reader", lambda: _batch(made))
    for stage in _tried(f"{told}: stages", made.stages):
        _check_stage(f"{told}: stage {stage.name!r}", made, stage, batch)
    made.eval()
    with TemporaryDirectory() as folder:
        save_tensors(Path(folder) / "weights.safetensors", made.state_dict())
        made.save_language(Path(folder) / VOCABULARY)
        other = build_of(kind, told, preset, overrides)
        other.load_language(Path(folder) / VOCABULARY)
        load_weights(other, Path(folder) / "weights.safetensors")
    same = torch.equal(_output(other), _output(made))
    _must(same, f"{told}: restores another picture once its weights are saved and loaded")


def _check_picture(told: str, image: Any, given: np.ndarray) -> None:
    array = isinstance(image, np.ndarray)
    kind = f"{image.shape} {image.dtype}" if array else type(image).__name__
    fits = array and image.shape == given.shape and image.dtype in (np.float64, given.dtype)
    _must(fits, f"{told}: gives {kind} for a picture of {given.shape} {given.dtype}")
    _must(bool(np.isfinite(image).all()), f"{told}: blurred pixels that are no numbers")


def _check_facts(told: str, settings: Family, blurred: Blurred) -> None:
    """What rows say of a blur."""
    parts = registry.parts_of(settings)
    names = {part.family for part in parts}
    _must(blurred.family in names, f"{told}: Blurred.family is {blurred.family!r}")
    _tried(f"{told}: drawn is no JSON", lambda: json.dumps(blurred.drawn, allow_nan=False))
    rows, columns = blurred.border
    inside = 0 <= 2 * rows < SIDE and 0 <= 2 * columns < SIDE
    _must(inside, f"{told}: a border of {blurred.border} leaves nothing of {SIDE} px")
    if all(part.measured for part in parts):
        _must(
            blurred.severity is not None, f"{told}: no severity; give it, or state MEASURED = False"
        )
        mean, longest = blurred.severity or (0.0, 0.0)
        ordered = 0 <= mean <= longest < math.inf
        _must(ordered, f"{told}: severity {blurred.severity} is no mean and longest length")
    typed = bool(blurred.type) or not all(part.CONCERT for part in parts)
    _must(typed, f"{told}: a concert blur without a type")


def _check_networks(told: str, model: Model) -> None:
    multiple = getattr(model, "multiple", None)
    stated = isinstance(multiple, int) and multiple > 0
    _must(stated, f"{told}: multiple is {multiple!r}, not what sides are to be multiples of")
    modules = set(model.modules())
    strange = [part for part in model.inference_modules() if part not in modules]
    _must(not strange, f"{told}: inference_modules gives what is no part of the model")
    count = parameter_count(*model.inference_modules())
    _must(count > 0, f"{told}: inference_modules has no parameters")


def _check_output(told: str, model: Model) -> None:
    if not model.RESTORES:
        _tried(f"{told}: compute", lambda: _output(model))
        return
    size = f"{ODD[1]} x {ODD[0]} px"
    found = _tried(
        f"{told}: deblur of {size}, as where multiple ({model.multiple}) is too small",
        lambda: _output(model),
    )
    shape = tuple(found.shape)
    mend = f"; is multiple ({model.multiple}) too small?"
    _must(
        shape == (1, 3, *ODD), f"{told}: deblur gives {shape} for (1, 3, {ODD[0]}, {ODD[1]}){mend}"
    )
    _must(bool(torch.isfinite(found).all()), f"{told}: deblur gives what is no number")
    _must(0 <= float(found.min()) <= float(found.max()) <= 1, f"{told}: deblur leaves 0..1")


def _check_stage(told: str, model: Model, stage: Stage, batch: Batch) -> None:
    """One step of every update."""
    _must(bool(stage.updates), f"{told}: has no updates")
    set_modes(model, [module for update in stage.updates for module in update.modules])
    for update in stage.updates:
        set_trainable(stage, update)
        where = f"{told}, update {update.name!r}"
        losses = _tried(where, lambda update=update: update.loss(batch))  # type: ignore[misc]
        _check_losses(where, losses)
        optimiser = make_optimiser(update)
        optimiser.zero_grad(set_to_none=True)
        _tried(where, losses["loss"].backward)
        moved = any(p.grad is not None for module in update.modules for p in module.parameters())
        _must(moved, f"{where}: no parameter of its modules takes part in its loss")
        optimiser.step()


def _check_losses(told: str, losses: Losses) -> None:
    given = ", ".join(losses) or "nothing"
    _must("loss" in losses, f'{told}: gives {given}, and no "loss", which is what is minimised')
    for name, value in losses.items():
        number = value.detach()
        _must(number.ndim == 0, f"{told}: {name} is {tuple(number.shape)}, not one number")
        _must(bool(torch.isfinite(number)), f"{told}: {name} is {float(number)}")


class _TwoPairs:
    """Two pairs with every label that a data set can have."""

    def __init__(self, side: int) -> None:
        self.sharp = [_sharp(side, side, number) for number in range(2)]

    def __len__(self) -> int:
        return 2

    def sample(self, index: int, _epoch: int) -> dict[str, Any]:
        sharp = self.sharp[index]
        labels = _labels(len(sharp))
        return {
            "blur": torch.from_numpy(to_float(_blur(sharp))),
            "sharp": torch.from_numpy(to_float(sharp)),
            "mask": torch.from_numpy(np.stack([labels == part for part in range(4)])).float(),
            "captions": [SENTENCES[index]],
            "id": f"p{index}",
        }


def _batch(model: Model) -> Batch:
    pairs: Any = _TwoPairs(min(model.config.crop_size or 64, 256))
    training = TrainingPairs(pairs, model.config, 0, model.reader())
    return stacked([training[position] for position in range(2)])


def _output(model: Model) -> Tensor:
    """What a model makes of a picture of odd sides: restored; or all it writes, as numbers."""
    picture = torch.from_numpy(to_float(_sharp(*ODD)))[None]
    if model.RESTORES:
        return model.deblur(picture)
    model.compute(picture)
    text = "".join(model.caption(picture, ["p0"])) if model.DESCRIBES else ""
    return torch.tensor([ord(letter) for letter in text])


def _scene(settings: Family, picture: np.ndarray) -> Scene:
    count = (settings.window or (1, None))[0]
    frames = None
    if settings.window:
        frames = np.stack([np.roll(picture.astype(np.uint8), n, axis=1) for n in range(count)])
    key: Sequence[str | int] = ("contract", 0, "train", "a", 0)
    random, names = stream(*key, "kernel"), ("contract", 0, "train")
    mask = _labels(SIDE).astype(np.uint8)  # for families that cut by one
    return Scene("a", picture.copy(), frames, random, 0, names, mask=mask)


def _sharp(height: int, width: int, number: int = 0) -> np.ndarray:
    """(H, W, 3) uint8 of a photograph: some metrics know what natural pictures look like."""
    top, left = 20 + 40 * number, 120 + 40 * number
    crop: np.ndarray = astronaut()[top : top + height, left : left + width]
    return np.ascontiguousarray(crop)


def _labels(side: int) -> np.ndarray:
    """(side, side) labels 0..3 of a mask: four bands."""
    return np.repeat(np.arange(side)[:, None] * 4 // side, side, axis=1)


def _blur(picture: np.ndarray) -> np.ndarray:
    """The mean of 7 px along the diagonal."""
    moved = [np.roll(picture, (n, n), axis=(0, 1)) for n in range(-3, 4)]
    out: np.ndarray = np.rint(np.mean(moved, axis=0)).astype(np.uint8)
    return out


def _tried(told: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except UserError as error:
        raise AssertionError(f"{told}: {error}") from error
    except Exception as error:
        raise AssertionError(f"{told}: {one_line(error)}") from error


def _must(holds: bool, told: str) -> None:
    # Not `assert`, which python -O leaves out.
    if not holds:
        raise AssertionError(told)
