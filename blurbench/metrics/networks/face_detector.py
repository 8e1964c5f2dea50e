"""Where faces are in a photograph: the tiny face detector of face-api, 8 bits, 0.2 MB.

A YOLOv2 of separable convolutions (Redmon and Farhadi, CVPR 2017): in each cell of a grid five
boxes of usual sizes are moved, grown and given a chance of holding a face.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.errors import UserError
from blurbench.metrics.networks.face_api import load
from blurbench.metrics.regions import Box, box_iou

MEAN = (117.001, 114.697, 97.404)  # RGB in 0..255
CHANNELS = (16, 32, 64, 128, 256, 512)
# Width and height of the usual boxes, in cells of 32 px.
ANCHORS = (
    *((1.603231, 2.094468), (6.041143, 7.080126), (2.882459, 3.518061)),
    *((4.266906, 5.178857), (9.041765, 10.66308)),
)
# Px, of the squares that a picture is brought to. Of 20 faces that fill half of their picture it
# finds 20, 18 and 4 at these; of small ones in groups it finds the more the larger the square.
SIDES = (224, 448, 896)
CHANCE = 0.5  # that a box holds a face, at least: face-api's own
SAME = 0.4  # intersection over union of two boxes of one face, more than

Faces = Callable[[np.ndarray], list[Box]]  # (H, W, 3) uint8 -> the faces in it, likeliest first


class SeparableConv(nn.Module):
    """3x3 on each channel, 1x1 across them, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Channels."""
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        return F.leaky_relu(self.pointwise(self.depthwise(x)), 0.1)


class TinyFaces(nn.Module):
    """The whole network."""

    mean: Tensor

    def __init__(self) -> None:
        """Untrained."""
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.conv0 = nn.Conv2d(3, CHANNELS[0], 3)
        self.blocks = nn.ModuleList(SeparableConv(*step) for step in pairwise(CHANNELS))
        self.conv8 = nn.Conv2d(CHANNELS[-1], 5 * len(ANCHORS), 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, S, S) of 0..255, S a multiple of 32 -> (N, 5 boxes, 5, S/32, S/32).

        Of each box: place in the cell, growth, and the chance of a face, all before their curves.
        """
        x = F.leaky_relu(self.conv0((images - self.mean) / 255), 0.1)
        for block in self.blocks:
            x = block(F.max_pool2d(x, 2, ceil_mode=True))
        # A last one of stride 1, as TF.js pads it: behind, with what is never the largest.
        x = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-torch.inf), 2, 1)
        out: Tensor = self.conv8(x).unflatten(1, (len(ANCHORS), 5))
        return out


def load_face_detector(path: Path) -> Faces:
    """By face-api's tiny_face_detector_model.bin; UserError for what is none."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; give face-detector, or its .bin")
    network = TinyFaces()
    load(network, path, {name: theirs(name) for name in network.state_dict()})
    return lambda image: find_faces(network, image)


def theirs(name: str) -> str:
    """face-api's name of a tensor."""
    layer, _, kind = name.rpartition(".")
    if not layer.startswith("blocks."):
        return f"{layer}/{'filters' if kind == 'weight' else 'bias'}"
    _, number, part = layer.split(".")
    return f"conv{int(number) + 1}/{'bias' if kind == 'bias' else f'{part}_filter'}"


def find_faces(network: nn.Module, image: np.ndarray) -> list[Box]:
    """Left, top, width and height of each face, px, likeliest first; of one face one box."""
    kept: list[Box] = []
    found = (each for side in SIDES for each in boxes_at(network, image, side))
    for _, box in sorted(found, reverse=True):
        if all(box_iou(box, other) <= SAME for other in kept):
            kept.append(box)
    return kept


def boxes_at(network: nn.Module, image: np.ndarray, side: int) -> list[tuple[float, Box]]:
    """The boxes that hold faces, with their chances: the picture at the top left of a square."""
    longest = max(image.shape[:2])
    square = np.zeros((longest, longest, 3), np.uint8)
    square[: image.shape[0], : image.shape[1]] = image
    how = cv2.INTER_AREA if side < longest else cv2.INTER_LINEAR
    small = cv2.resize(square, (side, side), interpolation=how)
    with torch.no_grad():
        out = network(torch.from_numpy(small.transpose(2, 0, 1)).float()[None])[0]
    x, y, grown_x, grown_y, chances = out.double().unbind(1)  # (boxes, rows, columns) each
    usual = torch.tensor(ANCHORS, dtype=torch.float64)[..., None, None]
    cells = torch.arange(len(x[0]))
    width, height = usual[:, 0] * grown_x.exp(), usual[:, 1] * grown_y.exp()
    left, top = cells + x.sigmoid() - width / 2, cells[:, None] + y.sigmoid() - height / 2
    likely = chances.sigmoid() > CHANCE
    boxes = torch.stack([left, top, width, height])[:, likely].T * (longest / len(cells))
    return list(zip(chances[likely].tolist(), boxes.round().int().tolist(), strict=True))
