"""Restored pictures: a run's model on any picture, of any size."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from blurbench.errors import UserError
from blurbench.files import read_json, sha256
from blurbench.inference import Restored
from blurbench.inference.ensemble import self_ensemble
from blurbench.inference.memory import budget, bytes_per_pixel, out_of_memory
from blurbench.inference.tiles import restore_in_tiles
from blurbench.models import build
from blurbench.models.base import Figures, Model
from blurbench.models.captioners.base import Captioned
from blurbench.models.conversion import best_fit, read_checkpoint
from blurbench.models.weights import load_weights

# Sides of tiles, px, tried in this order where a whole picture is too much.
TILES = (1024, 512, 256, 128)
SMALL = 512 * 512  # pixels; up to here nobody measures what a picture takes


def pick_device(device: str | None) -> torch.device:
    """The named device; none named: a GPU where there is one."""
    told = f"--device {device}: no such device; use cpu, cuda or cuda:N"
    try:
        wanted = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError:
        raise UserError(told) from None
    if wanted.type not in ("cpu", "cuda"):
        raise UserError(told)
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device {device}: PyTorch sees {torch.cuda.device_count()} CUDA devices here"
        )
    return wanted


@dataclass(frozen=True)
class TrainedModel:
    """A finished run, ready to deblur."""

    name: str
    model: Model
    device: torch.device
    provenance: dict[str, Any]
    tile: int | None = None  # px; none: whole pictures, as long as the memory lasts
    tta: bool = False  # self-ensemble

    def __call__(self, blur: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 blurred -> restored, same shape."""
        return self.restore(blur).image

    def restore(
        self, blur: np.ndarray, advance: Callable[[int, int], None] = lambda _done, _total: None
    ) -> Restored:
        """(H, W, 3) uint8 blurred -> restored, whole or in tiles.

        `advance` is told how many tiles of how many are done. Raises RuntimeError or MemoryError
        where even the smallest tiles are too much.
        """
        sides = self.sides(*blur.shape[:2])
        for side in sides[:-1]:
            try:
                return self._restore(blur, side, advance)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
            torch.cuda.empty_cache()  # only now, without the error, nothing holds the tensors
        return self._restore(blur, sides[-1], advance)

    def sides(self, height: int, width: int) -> list[int]:
        """Sides of tiles to try for a picture; the first may be the whole picture's."""
        if self.tile:
            return [self.tile]
        whole, multiple = max(height, width), self.model.multiple
        smaller = [t for t in TILES if t < whole and t % multiple == 0 and t >= 2 * multiple]
        sides = [whole, *smaller]
        # Linux gives memory that it has not, and kills whoever uses it: there is no error to catch.
        if self.device.type == "cpu" and height * width > SMALL:
            most = budget() / self.bytes_per_pixel
            sides = [t for t in sides if min(t, height) * min(t, width) <= most] or sides[-1:]
        return sides

    @cached_property
    def bytes_per_pixel(self) -> float:
        """What the model takes, measured once."""
        return bytes_per_pixel(self.model, self.device)

    def _restore(
        self, blur: np.ndarray, side: int, advance: Callable[[int, int], None]
    ) -> Restored:
        values, figures = restore_in_tiles(blur, self._run, side, self.model.multiple, advance)
        return Restored(values, figures, side if side < max(blur.shape[:2]) else None)

    def _run(self, blur: Tensor) -> tuple[Tensor, Figures]:
        """One tile on the device."""
        blur = blur.to(self.device)
        if self.tta:
            return self_ensemble(self.model.deblur_counted, blur)
        return self.model.deblur_counted(blur)


def read_config(run: Path) -> dict[str, Any]:
    """The config.json of a run; UserError where the folder is none."""
    if not (run / "config.json").is_file():
        raise UserError(f"{run}: not a run of blurbench train (no config.json)")
    config = read_json(run / "config.json")
    wanted = {"model", "preset", "config", "steps", "seed", "data"}
    if not isinstance(config, dict) or not wanted <= config.keys():
        raise UserError(f"{run / 'config.json'}: not written by blurbench train")
    return config


def load_checkpoint(
    path: Path, device: str | None = None, name: str | None = None, preset: str = "paper"
) -> TrainedModel:
    """A run, or a public file of weights of model `name`; UserError where it is neither."""
    if name is not None and path.is_dir():
        raise UserError(f"{path}: a run knows its model; leave out --model and --preset")
    if name is not None:
        return load_weights_file(path, name, preset, device)
    if path.is_file():
        raise UserError(
            f"{path}: a file of weights, not a run; say whose: --model NAME [--preset NAME]"
        )
    return load_run(path, device)


def load_run(run: Path, device: str | None = None) -> TrainedModel:
    """The trained model of a run folder; UserError where it is none, or not finished."""
    config = read_config(run)
    # Written after the last step; model.safetensors is there after the first look at a run.
    if not (run / "last.safetensors").is_file():
        raise UserError(f"{run}: this training is not finished; {way_on(run, config)}")
    model = build(config["model"], preset=config["preset"], **config["config"])
    load_weights(model, run / "model.safetensors")
    if isinstance(model, Captioned):
        model.load_language(run)
    provenance = {
        "run": run.name,
        "run_hash": sha256((run / "config.json").read_bytes())[:12],
        "weights": sha256((run / "model.safetensors").read_bytes())[:12],
        **{key: config[key] for key in ("model", "preset", "steps", "seed", "data")},
        **({"init": config["init"]} if config.get("init") else {}),
        "config": config["config"],
    }
    return _ready(config["model"], model, provenance, device)


def way_on(run: Path, config: dict[str, Any]) -> str:
    """What to do with a run that is not finished, maybe because it became NaN."""
    told, weights = "go on with train --resume", run / "model.safetensors"
    if not weights.is_file():
        return told
    words = f"--checkpoint {weights} --model {config['model']} --preset {config['preset']}"
    return f"{told}, or take its best weights so far: {words}"


def load_weights_file(
    path: Path, name: str, preset: str = "paper", device: str | None = None
) -> TrainedModel:
    """Model `name` with public weights; UserError where they do not fit, or are only a part."""
    model = build(name, preset=preset)
    told = f"{path}: not weights of {name}, preset {preset}"
    network, tensors = best_fit((model, *model.children()), read_checkpoint(path), told)
    filled = {id(parameter) for parameter in network.parameters()}
    wanted = (p for module in model.inference_modules() for p in module.parameters())
    if not {id(parameter) for parameter in wanted} <= filled:
        raise UserError(f"{path}: only a part of {name}; train the rest: train --init {path}")
    network.load_state_dict(tensors)
    provenance = {
        "run": path.name,
        "weights": sha256(path.read_bytes())[:12],
        "model": name,
        "preset": preset,
        "config": model.config.model_dump(mode="json"),
    }
    return _ready(name, model, provenance, device)


def _ready(name: str, model: Model, provenance: dict[str, Any], device: str | None) -> TrainedModel:
    """On its device, for inference only."""
    target = pick_device(device)
    model.to(target).to(memory_format=model.LAYOUT).eval().requires_grad_(False)
    return TrainedModel(name, model, target, provenance)
