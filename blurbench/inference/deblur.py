"""Restored pictures: a run's model on any picture, of any size."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from blurbench.errors import UserError
from blurbench.files import read_json, sha256, write_bytes
from blurbench.images import BadImage, encode, image_files, read_image, to_float, to_uint8
from blurbench.models import build
from blurbench.models.base import Model
from blurbench.models.weights import load_weights
from blurbench.progress import progress


def pick_device(device: str | None) -> torch.device:
    """The named device; none named: a GPU where there is one."""
    try:
        wanted = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError:
        raise UserError(f"--device {device}: no such device; use cpu, cuda or cuda:N") from None
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

    def __call__(self, blur: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 blurred -> restored, same shape."""
        tensor = torch.from_numpy(to_float(blur))[None].to(self.device)
        return to_uint8(self.model.deblur(tensor)[0].cpu())


def read_config(run: Path) -> dict[str, Any]:
    """The config.json of a run; UserError where the folder is none."""
    if not (run / "config.json").is_file():
        raise UserError(f"{run}: not a run of blurbench train (no config.json)")
    config = read_json(run / "config.json")
    wanted = {"model", "preset", "config", "steps", "seed", "data"}
    if not isinstance(config, dict) or not wanted <= config.keys():
        raise UserError(f"{run / 'config.json'}: not written by blurbench train")
    return config


def load_run(run: Path, device: str | None = None) -> TrainedModel:
    """The trained model of a run folder; UserError where it is none, or not finished."""
    config = read_config(run)
    # Written after the last step; model.safetensors is there after the first look at a run.
    if not (run / "last.safetensors").is_file():
        raise UserError(f"{run}: this training is not finished; go on with train --resume")
    model = build(config["model"], preset=config["preset"], **config["config"])
    load_weights(model, run / "model.safetensors")
    target = pick_device(device)
    model.to(target).to(memory_format=model.LAYOUT).eval().requires_grad_(False)
    provenance = {
        "run": run.name,
        "run_hash": sha256((run / "config.json").read_bytes())[:12],
        "weights": sha256((run / "model.safetensors").read_bytes())[:12],
        **{key: config[key] for key in ("model", "preset", "steps", "seed", "data")},
        **({"init": config["init"]} if config.get("init") else {}),
        "config": config["config"],
    }
    return TrainedModel(config["model"], model, target, provenance)


@dataclass(frozen=True)
class Deblurred:
    """What `deblur_files` made, and what it could not read."""

    made: list[Path]
    failed: list[str]


def deblur_files(source: Path, run: Path, out: Path, device: str | None = None) -> Deblurred:
    """Restore one picture, or every picture below a folder, as PNG files of the same names."""
    if not source.exists():
        raise UserError(f"{source}: no such file or folder")
    pictures = image_files(source) if source.is_dir() else [source]
    if not pictures:
        raise UserError(f"{source}: holds no pictures (jpg, png, webp, tif, bmp, pgm)")
    restorer = load_run(run, device)
    root = source if source.is_dir() else source.parent
    targets = [output_path(out, source, path.relative_to(root)) for path in pictures]
    if len(set(targets)) < len(targets):
        raise UserError(f"{source}: pictures that differ only by suffix would overwrite each other")
    if {path.resolve() for path in targets} & {path.resolve() for path in pictures}:
        raise UserError(f"{out}: would overwrite the pictures to restore; give another --out")
    result = Deblurred([], [])
    with progress("deblur", len(pictures)) as advance:
        for path, target in zip(pictures, targets, strict=True):
            try:
                write_bytes(target, encode(restorer(read_image(path))))
                result.made.append(target)
            except BadImage as error:
                result.failed.append(str(error))
            except (RuntimeError, MemoryError) as error:  # too large for this device
                result.failed.append(f"{path}: {' '.join(str(error).split()) or 'out of memory'}")
            advance()
    return result


def output_path(out: Path, source: Path, name: Path) -> Path:
    """Where a restored picture goes: `out` itself if it names a .png for one picture."""
    if source.is_dir() or not out.suffix:
        return out / name.with_suffix(".png")
    if out.suffix.lower() != ".png":
        raise UserError(f"{out}: restored pictures are PNG; name a .png file, or a folder")
    return out
