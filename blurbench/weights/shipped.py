"""Weights of our own that lie in the wheel, and whatever is told of them."""

from pathlib import Path

from blurbench.errors import UserError
from blurbench.files import read_regular, sha256
from blurbench.weights.entries import Shipped

DATA = Path(__file__).parent / "data"
LICENCE = "WEIGHTS-LICENCE"  # in DATA
MOST_BYTES = 24_000_000  # of all of them together in the wheel, which packs them

# Made by scripts/ship_weights.py, which prints an entry with the SHA-256 of its file.
SHIPPED: dict[str, Shipped] = {
    "scene": Shipped(
        "photographs: motion of up to 40 px, camera shake, noise, JPEG",
        "maxim",
        "paper",
        {"precision": "bf16", "stages": 1},
        "ffb18598b956d2d594033b970d98cb3e10c7f3de162cb40fd3f0d1acd768b9b4",
        "scene.safetensors",
        "scene.md",
    ),
    "face": Shipped(
        "faces cut to 128 px: camera shake in kernels of 13 to 29 px, noise",
        "maxim",
        "paper",
        {"precision": "bf16", "stages": 1},
        "cd6ab9a507e0baf9a15fbf2eb0ef3702b483dd88a0fcb2f4a71708b13906ea72",
        "face.safetensors",
        "face.md",
    ),
}


def is_shipped(given: Path) -> bool:
    """Whether a --checkpoint means weights of ours: a file or folder of that name goes first."""
    return str(given) in SHIPPED and not given.exists()


def lies(file: str) -> Path:
    """Where a file of ours lies, or should."""
    return DATA / file


def shipped_as(file: Path) -> str:
    """The name of the weights of ours whose bytes a file has; empty for none."""
    if file.suffix != ".safetensors" or not file.is_file():
        return ""
    digest = sha256(read_regular(file))
    return next((name for name, entry in SHIPPED.items() if entry.sha256 == digest), "")


def told(given: Path) -> str:
    """A line on weights of ours that are used; empty for others."""
    if not is_shipped(given):
        return ""
    entry = SHIPPED[str(given)]
    return f"by the weights {given}: {entry.title}. Limits: {DATA / entry.card}"


def shipped_path(name: str) -> Path:
    """The file of shipped weights; UserError where it is not here, or not the one it should be."""
    entry = SHIPPED[name]
    path = DATA / entry.file
    if not path.is_file():
        told = "a development checkout has none" if not entry.sha256 else "install blurbench anew"
        raise UserError(
            f"--checkpoint {name}: {path} is not here: {told}; name a run, or a file of weights"
        )
    if sha256(read_regular(path)) != entry.sha256:
        raise UserError(f"{path}: not the file that was shipped; install blurbench anew")
    return path
