"""V: the last feature map of a ResNet that never learns, which captioners and the tree look at."""

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

STRIDE = 32  # of any ResNet's last map
# Of the last norm of each residual branch, where nothing is trained: at 1, the 50 blocks of
# ResNet-152 would make values of 3e7.
BRANCH = 0.2


class FrozenResNet(nn.Module):
    """A ResNet of torchvision without its classifier, always in eval mode."""

    mean: Tensor
    std: Tensor

    def __init__(self, name: str) -> None:
        """With seeded random weights, until `load`."""
        super().__init__()
        self.name = name
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1))
        network = random_resnet(name)
        self.channels = int(network.fc.in_features)
        # By hand: create_feature_extractor traces this chain of children, 0.4 s of ResNet-152.
        for part, block in list(network.named_children())[:-2]:  # no pooling, no classifier
            self.add_module(part, block)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "FrozenResNet":  # noqa: ARG002
        """Stay in eval mode: batch norm keeps its statistics."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, channels, H/32, W/32)."""
        x = (image - self.mean) / self.std
        for block in self.children():
            x = block(x)
        return x

    def load(self, weights: str) -> None:
        """Fill it: imagenet, a file, or random, which it is; UserError without the file."""
        if weights == "random":
            return
        published = models.get_model_weights(self.name).IMAGENET1K_V1.url
        file = published.rpartition("/")[2]
        hub = Path(torch.hub.get_dir()) / "checkpoints" / file
        path = hub if weights == "imagenet" else Path(weights)
        if not path.is_file():
            raise UserError(
                f"resnet_weights={weights}: {path} is missing; put {published} there, or opt in"
                " to an untrained network with --set resnet_weights=random"
            )
        wanted = {k: v for k, v in self.state_dict().items() if k not in ("mean", "std")}
        held = [
            {key: value for key, value in tensors.items() if key in wanted}
            for tensors in state_dicts(read_checkpoint(path))
        ]
        best = max(held, key=len, default={})
        if told := differences(wanted, best):
            raise UserError(f"{path}: not weights of {self.name}: {told}")
        self.load_state_dict(best, strict=False)


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
