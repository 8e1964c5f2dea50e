"""What tests/golden pins, computed by the code at hand from pictures and weights made by rule.

Only the Python surface that stays stable is used: kernels, build, compute, parse_caption and the
command line. So the same lines ran with 0.1.0, whose numbers the files hold.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from reference_weights import fill

from blurbench.captions import parse_caption
from blurbench.cli import cli
from blurbench.metrics import PROTOCOLS, compute
from blurbench.models import MODELS, build, model_class
from blurbench_kernels import bank, camera, convolution, motion_flow, random, sensor, trajectory
from blurbench_kernels.shot import SHOT_BLURS
from blurbench_kernels.uniform import disk, gaussian, line

FOLDER = Path(__file__).resolve().parents[1] / "golden"
GAIN = 0.8  # of the rule; at 1 the deeper networks overflow
SIDE = 32  # px, what the networks see: the largest `multiple`
CAPTIONS = (
    "A woman in a suit standing in front of a flag.",
    "Two dogs are sitting on a couch",
    "A man riding a wave on top of a surfboard.",
    "There is a red bus parked near the building",
    "A bowl of soup",
    "Someone jumping very high",
)
SHOT_ARGUMENTS: dict[str, dict[str, float]] = {
    "gaussian": {"size": 7, "sigma": 1.5},
    "bilateral": {"diameter": 7, "sigma_color": 40.0, "sigma_space": 3.0},
    "resizing": {"factor": 3.0},
}


def picture(height: int = 48, width: int = 64, shift: int = 0) -> np.ndarray:
    """(H, W, 3) uint8: smooth waves with edges, in whole numbers."""
    y, x, c = np.ogrid[:height, :width, :3]
    waves = (y * y // 3 + x * (5 + c) + shift * 3) % 200
    return (waves + 55 * ((x // 8 + y // 6 + c) % 2)).astype(np.uint8)


@cache
def kernels() -> dict[str, np.ndarray]:
    """Flows, trajectories, kernels and blurred pictures of each family."""
    return {**_flows(), **_trajectories(), **_cameras(), **_plain()}


def _flows() -> dict[str, np.ndarray]:
    motion = (5.3, -7.2, 0.1, 0.2, 4e-3, 0.04, (20.5, 33.0))
    u, v = motion_flow.compat_flow(48, 64, *motion)
    physical = motion_flow.physical_flow(48, 64, *motion)
    return {
        "compat_flow": np.stack([u, v])[:, ::4, ::4],
        "physical_flow": np.stack(physical)[:, ::4, ::4],
        "line_kernel": motion_flow.line_kernel(7, -4),
        "motion_flow_pixels": motion_flow.blur(picture(), u, v),
    }


def _trajectories() -> dict[str, np.ndarray]:
    path = trajectory.sample(random.stream("golden", 1), steps=400)
    kernel = bank.snap(bank.trajectory_kernel(random.stream("golden", 2), 13, steps=400))
    return {
        "trajectory": path[::4],
        "psfs": trajectory.rasterize_psf(path, 32, [0.01, 0.1, 1.0]),
        "snapped_kernel": kernel,
        "convolved": convolution.convolve(picture().astype(np.float64), kernel)[::2, ::2],
    }


def _cameras() -> dict[str, np.ndarray]:
    path = camera.sample_path(random.stream("golden", 3), 0.01, 0.01, poses=20)
    poses = camera.homographies(path, 48, 64, 80.0, (0.1, 0.05), 12)
    return {"poses": poses, "camera_pixels": camera.blur(picture(), poses)}


def _plain() -> dict[str, np.ndarray]:
    light = sensor.srgb_to_linear(picture()[::4, ::4] / 255.0)
    lit = sensor.saturate(sensor.boost_highlights(light, 0.6, 1.0))
    noisy = sensor.poisson_gaussian(lit, 0.01, 0.02, random.stream("golden", 4))
    shots = {
        f"shot_{name}": blur(picture(), **SHOT_ARGUMENTS.get(name, {"size": 5}))
        for name, blur in SHOT_BLURS.items()
    }
    return {
        "line": line(9.5, 0.4),
        "gaussian": gaussian(1.7),
        "disk": disk(4.2),
        "noisy_pixels": sensor.quantise(sensor.linear_to_srgb(np.clip(noisy, 0.0, 1.0))),
        **shots,
    }


def restoring() -> list[str]:
    """Models that restore pictures."""
    return [name for name in MODELS if model_class(name).RESTORES]


def trained() -> list[str]:
    """Of those, the models that learn from pictures and masks alone; sp draws its teacher."""
    without = [name for name in restoring() if "captions" not in model_class(name).NEEDS]
    return [name for name in without if name != "sp"]


@cache
def network(name: str) -> Any:
    """The tiny preset in float64 and eval mode, its weights filled by rule."""
    torch.manual_seed(0)
    model = build(name, "tiny").double()
    weights = {
        key: torch.tensor(fill(key, tuple(value.shape), GAIN))
        for key, value in model.state_dict().items()
    }
    model.load_state_dict(weights)
    return model.eval()


def batch() -> dict[str, torch.Tensor]:
    """Two pairs with masks, float64."""
    sharp = np.stack([picture(SIDE, SIDE, shift) for shift in (0, 20)]) / 255.0
    pictures = torch.tensor(sharp).permute(0, 3, 1, 2)
    labels = torch.arange(SIDE * SIDE).reshape(SIDE, SIDE).div(SIDE * 8, rounding_mode="floor")
    mask = torch.nn.functional.one_hot(labels, 4).permute(2, 0, 1).double()
    blur = (pictures + pictures.roll(1, -1) + pictures.roll(2, -1)) / 3
    return {"sharp": pictures, "blur": blur, "mask": mask.expand(2, 4, SIDE, SIDE).clone()}


@cache
def restored(name: str) -> np.ndarray:
    """(3, 16, 16) float64: every second pixel of what the network makes of a blurred picture."""
    torch.manual_seed(0)
    with torch.no_grad():
        return network(name).restore(batch()["blur"][:1])[0, :, ::2, ::2].numpy()


@cache
def losses(name: str) -> dict[str, float]:
    """Each loss of each update of each stage, before any step, in eval mode."""
    found = {}
    for stage in network(name).stages():
        for update in stage.updates:
            torch.manual_seed(0)
            for part, value in update.loss(batch()).items():
                found[f"{stage.name}/{update.name}/{part}"] = float(value.detach())
    return found


@cache
def weights_of(name: str) -> dict[str, list[Any]]:
    """Preset -> tensors, numbers in them, and a hash of their names and shapes."""
    found: dict[str, list[Any]] = {}
    for preset in model_class(name).PRESETS:
        with torch.device("meta"):
            shapes = {k: tuple(v.shape) for k, v in build(name, preset).state_dict().items()}
        lines = "\n".join(f"{key} {shape}" for key, shape in sorted(shapes.items()))
        numbers = sum(int(np.prod(shape)) for shape in shapes.values())
        found[preset] = [len(shapes), numbers, hashlib.sha256(lines.encode()).hexdigest()[:16]]
    return found


@cache
def scores() -> dict[str, float]:
    """PSNR and SSIM under each protocol that we compute ourselves, and some of one face class."""
    sharp = picture(64, 80)
    off = np.clip(sharp.astype(int) + (np.indices(sharp.shape).sum(0) * 7 % 23) - 11, 0, 255)
    made = off.astype(np.uint8)
    found = {
        f"{metric}/{protocol}": compute(metric, made, sharp, protocol)
        for protocol in PROTOCOLS
        if protocol != "pyiqa"  # another package's own numbers, and 5 s to import
        for metric in ("psnr", "ssim")
    }
    mask = (np.indices((64, 80))[0] // 16).astype(np.uint8)
    for metric in ("psnr-skin", "ssim-hair"):
        found[metric] = compute(metric, made, sharp, mask=mask)
    return found | {"blur-effect": compute("blur-effect", made, None)}


def trees() -> dict[str, list[str | None]]:
    """Sentence -> its seven nodes."""
    return {caption: list(parse_caption(caption)) for caption in CAPTIONS}


def digest_of(recipe: str, source: str, limit: int, out: Path) -> str:
    """The digest of what `blurbench synthesize` makes of a built-in source."""
    arguments = ["synthesize", recipe, "--source", f"builtin:{source}", "--limit", str(limit)]
    cli.main([*arguments, "--out", str(out)], standalone_mode=False)
    digest: str = json.loads((out / "dataset.json").read_text())["digest"]
    return digest
