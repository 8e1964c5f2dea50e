"""V: the last feature map of a network that never learns, which captioners and the tree look at.

A ResNet, as in the paper, or EfficientNet-Lite0.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from blurbench.errors import UserError
from blurbench.models.parts.released import read_checkpoint, state_dicts
from blurbench.models.parts.vgg import MEAN, STD
from blurbench.models.parts.weights import differences
from blurbench.weights import efficientnet
from blurbench.weights.places import Needed, folder_of

STRIDE = 32  # of the last map
# Of the last norm of each residual branch, where nothing is trained: at 1, the 50 blocks of
# ResNet-152 would make values of 3e7.
BRANCH = 0.2


class FrozenTrunk(nn.Module, ABC):
    """A classifier's convolutions, always in eval mode."""

    mean: Tensor
    std: Tensor
    channels: int  # of V

    def __init__(self, name: str, mean: Any = MEAN, std: Any = STD) -> None:
        """Pictures are given less `mean`, over `std`."""
        super().__init__()
        self.name = name
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def train(self, mode: bool = True) -> "FrozenTrunk":  # noqa: ARG002
        """Stay in eval mode: batch norm keeps its statistics."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, channels, H/32, W/32)."""
        return self.see((image - self.mean) / self.std)

    @abstractmethod
    def see(self, x: Tensor) -> Tensor:
        """Normalised pictures -> V."""

    @abstractmethod
    def published(self) -> tuple[Path, str]:
        """Where its weights of ImageNet are, or should be; and the name they are fetched by."""

    @abstractmethod
    def named(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """A file's tensors under the names of this module's; others are left out."""

    def files(self, weights: str) -> tuple[Needed, ...]:
        """The file that `load` reads; none for random weights."""
        if weights == "random":
            return ()
        path, name = self.published() if weights == "imagenet" else (Path(weights), "")
        instead = "opt in to an untrained network with --set resnet_weights=random"
        return (Needed(f"resnet_weights={weights}", path, name, instead),)

    def load(self, weights: str) -> None:
        """Fill it: imagenet, a file, or random, which it is; UserError without the file."""
        files = self.files(weights)
        if not files:
            return
        path = files[0].read_from()
        wanted = {k: v for k, v in self.state_dict().items() if k not in ("mean", "std")}
        held = [self.named(tensors) for tensors in state_dicts(read_checkpoint(path))]
        best = max(held, key=len, default={})
        if told := differences(wanted, best):
            raise UserError(f"{path}: not weights of {self.name}: {told}")
        self.load_state_dict(best, strict=False)


class FrozenResNet(FrozenTrunk):
    """A ResNet of torchvision without its classifier."""

    def __init__(self, name: str) -> None:
        """With seeded random weights, until `load`."""
        super().__init__(name)
        network = random_resnet(name)
        self.channels = int(network.fc.in_features)
        # By hand: create_feature_extractor traces this chain of children, 0.4 s of ResNet-152.
        for part, block in list(network.named_children())[:-2]:  # no pooling, no classifier
            self.add_module(part, block)
        self.eval().requires_grad_(False)

    def see(self, x: Tensor) -> Tensor:
        """Block by block."""
        for block in self.children():
            x = block(x)
        return x

    def published(self) -> tuple[Path, str]:
        """torchvision's file."""
        url = models.get_model_weights(self.name).IMAGENET1K_V1.url
        return folder_of("torch") / url.rpartition("/")[2], self.name

    def named(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """torchvision's names are ours."""
        wanted = self.state_dict().keys()
        return {key: value for key, value in tensors.items() if key in wanted}


class FrozenEfficientNet(FrozenTrunk):
    """EfficientNet-Lite0 of timm without its classifier."""

    def __init__(self) -> None:
        """With seeded random weights, until `load`."""
        network = efficientnet.untrained()
        about = network.pretrained_cfg
        super().__init__(efficientnet.NAME, about["mean"], about["std"])
        self.network = network
        self.channels = efficientnet.CHANNELS
        self.eval().requires_grad_(False)

    def see(self, x: Tensor) -> Tensor:
        """Up to the last convolution."""
        out: Tensor = self.network.forward_features(x)
        return out

    def published(self) -> tuple[Path, str]:
        """timm's file, or that of a package."""
        return efficientnet.published()

    def named(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """timm's names, or the order."""
        found = efficientnet.by_order(tensors, self.network)
        wanted = self.network.state_dict().keys()
        return {f"network.{key}": value for key, value in found.items() if key in wanted}


def frozen_trunk(name: str) -> FrozenTrunk:
    """The network that V comes from."""
    return FrozenEfficientNet() if name == efficientnet.NAME else FrozenResNet(name)


def random_resnet(name: str) -> Any:
    """The same random weights in every process and every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = models.get_model(name, weights=None)
    for module in network.modules():
        for norm in ("bn3", "bn2"):  # of a bottleneck, or of a basic block
            if last := getattr(module, norm, None):
                nn.init.constant_(last.weight, BRANCH)
                break
    return network


def squared(image: Tensor, side: int) -> Tensor:
    """(N, 3, H, W) -> (N, 3, side, side): the whole picture, as captions speak of all of it."""
    return F.interpolate(image, (side, side), mode="bilinear", antialias=True).clamp(0, 1)
