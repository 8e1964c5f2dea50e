"""Distances between deep features: the VGG-Face distance of UMSN (IEEE TIP 2020), table IV."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from blurbench.errors import UserError, reason
from blurbench.images.header import refuse_instead
from blurbench.metrics.levels import rounded
from blurbench.metrics.protocols import Protocol
from blurbench.progress import tell_once
from blurbench.weights.places import named

Features = Callable[[np.ndarray], np.ndarray]  # (H, W, 3) uint8 -> (D,)

# What VGG-Face was trained on: the mean of its faces, RGB in 0..255, and no deviation.
VGG_FACE_MEAN = (129.1863, 104.7624, 93.5940)


def distance(
    restored: np.ndarray, sharp: np.ndarray, _protocol: Protocol, *, features: Features
) -> float:
    """Euclidean distance between the features of both pictures."""
    return float(np.linalg.norm(features(rounded(restored)) - features(sharp)))


def pixels(image: np.ndarray) -> np.ndarray:
    """(256,): 16x16 grey levels of mean 0 and length 1. No network: a floor to compare with."""
    import cv2

    small = cv2.resize(
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (16, 16), None, 0, 0, cv2.INTER_AREA
    )
    # Mean 0 and length 1: neither brightness nor contrast tells faces apart.
    vector = small.astype(np.float64).ravel() - small.mean()
    out: np.ndarray = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return out


def load_features(spec: str) -> Features:
    """The features that `spec` names; UserError where it names none.

    "pixels"; a network (.pt2) that torch.export saved, such as OpenFace or FaceNet, which takes
    (1, 3, H, W) in [0, 1]; dlib's face recogniser as face-api holds it (.bin); or a state dict of
    VGG16's 13 convolutions, such as VGG-Face's, whose pool5 is taken. A .pt2 is a program, which
    runs: never name one that strangers made.
    """
    if spec == "pixels":
        return pixels
    path = named(Path(spec))
    if not path.is_file():
        told = f"{spec}: no such file; give 'pixels', a .pt2 network, dlib's .bin, VGG16 weights"
        raise UserError(f"{told}, or a name of `blurbench weights list`")
    refuse_instead(path)
    if path.suffix == ".pt2":
        return exported(path)
    if path.suffix == ".bin":
        return dlib_face(path)
    return vgg_face(path)


def exported(path: Path) -> Features:
    """A network as torch.export.save writes it; its output is taken flat.

    torch.export fixes the size of the input unless told otherwise; pictures are resized to it then.
    """
    import torch

    # torch.export.load unpickles whatever it does not know, and evaluates the text of its sizes.
    tell_once(f"{path}: a program, which runs as code of yours; use files of your own alone")
    try:
        with _unlogged():
            program = torch.export.load(path)
        size, network = input_size(program), program.module()
    except Exception as error:
        raise UserError(f"{path}: not a network of torch.export ({reason(error)})") from None
    return lambda image: run(network, batch(resized(image, size)) / 255)


@contextmanager
def _unlogged() -> Iterator[None]:
    """Without the tracebacks that PyTorch logs before it raises one line."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


def dlib_face(path: Path) -> Features:
    """128 numbers of a face that fills the picture, which is resized to a square."""
    from blurbench.metrics.networks.dlib_face import SIDE, load_dlib_face

    network = load_dlib_face(path)
    return lambda image: run(network, batch(resized(image, (SIDE, SIDE))) / 255)


def input_size(program: Any) -> tuple[int, int] | None:
    """Height and width that an exported network insists on; None where it takes any."""
    name = program.graph_signature.user_inputs[0]
    node = next(node for node in program.graph.nodes if node.name == name)
    height, width = node.meta["val"].shape[2:]
    fixed = isinstance(height, int) and isinstance(width, int)
    return (height, width) if fixed else None


def resized(image: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """(H, W, 3) uint8 of another size: means of areas, or straight lines where it grows."""
    import cv2

    if size is None or size == image.shape[:2]:
        return image
    shrinks = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    out: np.ndarray = cv2.resize(
        image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return out


def vgg_face(path: Path) -> Features:
    """pool5 of VGG16, its convolutions filled in the order in which the file holds them."""
    import torch
    from torchvision.models.vgg import cfgs, make_layers

    from blurbench.metrics.networks.state_dicts import read_state

    try:
        state = read_state(path)
        if not all(
            value.is_floating_point() and value.isfinite().all() for value in state.values()
        ):
            raise ValueError("they are no finite numbers")
        kernels = [value for value in state.values() if value.ndim == 4]
        biases = [value for name, value in state.items() if name.endswith("bias")][: len(kernels)]
        layers = make_layers(cfgs["D"])
        wanted = [layer for layer in layers if isinstance(layer, torch.nn.Conv2d)]
        with torch.no_grad():
            for layer, kernel, bias in zip(wanted, kernels, biases, strict=True):
                layer.load_state_dict({"weight": kernel, "bias": bias})
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: not the weights of a VGG16 ({reason(error)})") from None
    mean = torch.tensor(VGG_FACE_MEAN).view(3, 1, 1)
    return lambda image: run(layers.eval(), batch(image) - mean)


def batch(image: np.ndarray) -> Any:
    """(H, W, 3) -> (1, 3, H, W) float32 tensor, same range."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float()[None]


def run(network: Any, image: Any) -> np.ndarray:
    """The network's output as a flat vector."""
    import torch

    with torch.no_grad():
        out: np.ndarray = network(image).flatten().double().numpy()
        return out
