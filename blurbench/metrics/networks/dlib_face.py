"""dlib's face recogniser: 128 numbers of a face, near each other for pictures of one person.

A ResNet of 29 convolutions (Davis King, "High Quality Face Recognition with Deep Metric Learning",
2017; dlib's dnn_face_recognition_ex.cpp), as face-api holds its weights, in 8 bits for the most
part. It learnt that pictures of one person lie within 0.6 of each other (Euclidean).
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.metrics.networks.face_api import load

SIDE = 150  # px, of the square that it learnt from: a face upright, with a quarter of room around
MEAN = (122.782, 117.001, 104.298)  # RGB in 0..255
SPREAD = 256.0
LAYERS = (
    *("conv32_1", "conv32_2", "conv32_3"),
    *("conv64_down", "conv64_1", "conv64_2", "conv64_3"),
    *("conv128_down", "conv128_1", "conv128_2"),
    *("conv256_down", "conv256_1", "conv256_2", "conv256_down_out"),
)
NUMBERS = 128


class ScaledConv(nn.Module):
    """A convolution and, as dlib keeps it, a factor and a summand for each channel."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, padding: int) -> None:
        """As of nn.Conv2d."""
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding)
        self.factor = nn.Parameter(torch.ones(outputs))
        self.summand = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, ...)."""
        out: Tensor = self.conv(x) * self.factor[:, None, None] + self.summand[:, None, None]
        return out


class Residual(nn.Module):
    """ReLU(x + conv(ReLU(conv(x)))); or both halved, and x with as many channels more, of zeros."""

    def __init__(self, inputs: int, outputs: int, halves: bool) -> None:
        """`halves`: the first convolution has stride 2, and no border."""
        super().__init__()
        self.halves = halves
        stride, padding = (2, 0) if halves else (1, 1)
        self.conv1 = ScaledConv(inputs, outputs, 3, stride, padding)
        self.conv2 = ScaledConv(outputs, outputs, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W), or half the sides."""
        y = self.conv2(F.relu(self.conv1(x)))
        if self.halves:
            x = F.avg_pool2d(x, 2)
            # Of an even side, the convolution gives a row and a column less than the means.
            y = F.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
            x = F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
        return F.relu(x + y)


class DlibFace(nn.Module):
    """The whole network."""

    mean: Tensor

    def __init__(self) -> None:
        """Untrained."""
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.conv32_down = ScaledConv(3, 32, 7, 2, 0)
        channels = 32
        for name in LAYERS:
            wider = int(name.removeprefix("conv").partition("_")[0])
            self.add_module(name, Residual(channels, wider, "down" in name))
            channels = wider
        self.fc = nn.Linear(channels, NUMBERS, bias=False)

    def forward(self, faces: Tensor) -> Tensor:
        """(N, 3, 150, 150) RGB in [0, 1] -> (N, 128), of no fixed length."""
        x = F.relu(self.conv32_down((faces * 255 - self.mean) / SPREAD))
        x = F.max_pool2d(x, 3, 2)
        for name in LAYERS:
            x = self.get_submodule(name)(x)
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


def load_dlib_face(path: Path) -> nn.Module:
    """The network of face-api's face_recognition_model.bin; UserError for what is none."""
    network = DlibFace()
    return load(network, path, {name: theirs(name) for name in network.state_dict()})


def theirs(name: str) -> str:
    """face-api's name of a tensor."""
    layer, _, kind = name.rpartition(".")
    ends = {
        "factor": "scale/weights",
        "summand": "scale/biases",
        "weight": "filters",
        "bias": "bias",
    }
    return "fc" if layer == "fc" else f"{layer}.{ends[kind]}".replace(".", "/")
