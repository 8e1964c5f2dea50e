"""Features of VGG networks for perceptual losses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from blurbench.errors import UserError
from blurbench.models.parts.released import read_checkpoint, state_dicts
from blurbench.models.parts.weights import differences
from blurbench.weights.places import Needed, folder_of

# ImageNet statistics of RGB in [0, 1], which torchvision's weights expect.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Network = Literal["vgg16", "vgg19"]


@dataclass(frozen=True)
class Vgg:
    """A network of Simonyan and Zisserman, 2015, as torchvision has it."""

    title: str
    configuration: str
    depths: tuple[int, ...]  # convolutions in each block
    file: str


NETWORKS: dict[Network, Vgg] = {
    "vgg16": Vgg("VGG16", "D", (2, 2, 3, 3, 3), "vgg16-397923af.pth"),
    "vgg19": Vgg("VGG19", "E", (2, 2, 4, 4, 4), "vgg19-dcbb9e9d.pth"),
}


class VggFeatures(nn.Module):
    """Named outputs of a frozen VGG, such as relu1_2, or conv1_2 before its ReLU."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        layers: tuple[str, ...],
        weights: str,
        network: Network = "vgg16",
        normalise: bool = True,
    ) -> None:
        """`weights`: "imagenet", "random" (seeded), or the path of a torchvision state dict.

        `normalise` False leaves out ImageNet's mean and deviation: pictures are taken as they are.
        Raises UserError where a layer is unknown or the weights cannot be read.
        """
        super().__init__()
        vgg = NETWORKS[network]
        indices = layer_indices(network)
        for layer in layers:
            if layer not in indices:
                raise UserError(f"{vgg.title} has no layer {layer!r}; it has {', '.join(indices)}")
        self.taken = {indices[layer]: layer for layer in layers}
        mean, std = (MEAN, STD) if normalise else ((0.0,) * 3, (1.0,) * 3)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))
        self.layers = load_vgg(weights, network)[: max(self.taken) + 1].eval().requires_grad_(False)
        for index, module in enumerate(self.layers):
            if isinstance(module, nn.ReLU) and index - 1 in self.taken:
                module.inplace = False  # it would rectify the convolution's output too

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W), in [0, 1] if normalised -> features (N, C, H', W') by layer name."""
        # By hand: torchvision's create_feature_extractor also hands out what the next ReLU then
        # rectifies in place.
        x = (image - self.mean) / self.std
        found: dict[str, Tensor] = {}
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in self.taken:
                found[self.taken[index]] = x
        return found


def layer_indices(network: Network = "vgg16") -> dict[str, int]:
    """Name of each convolution and ReLU -> its place in torchvision's `features`."""
    depths = NETWORKS[network].depths
    names = [(block, i) for block, depth in enumerate(depths, 1) for i in range(1, depth + 1)]
    # A convolution and a ReLU each; one pooling layer after each earlier block.
    return {
        f"{kind}{block}_{i}": 2 * n + offset + (block - 1)
        for n, (block, i) in enumerate(names)
        for offset, kind in enumerate(("conv", "relu"))
    }


def vgg_files(weights: str, network: Network = "vgg16") -> tuple[Needed, ...]:
    """The file that `VggFeatures` reads; none for random weights."""
    if weights == "random":
        return ()
    hub = folder_of("torch") / NETWORKS[network].file
    return (
        Needed(
            f"perceptual_weights={weights}",
            hub if weights == "imagenet" else Path(weights),
            network if weights == "imagenet" else "",
            "opt in to untrained features with --set perceptual_weights=random",
        ),
    )


def load_vgg(weights: str, network: Network) -> nn.Sequential:
    """The convolutional part, without a download."""
    # Not torchvision's own constructor: that would also fill 120 million weights of its classifier.
    vgg = NETWORKS[network]
    features: nn.Sequential = make_layers(cfgs[vgg.configuration])
    files = vgg_files(weights, network)
    if not files:
        return initialise(features)
    path = files[0].read_from()
    whole = next(state_dicts(read_checkpoint(path)), {})
    found = {k.removeprefix("features."): v for k, v in whole.items() if "classifier" not in k}
    if told := differences(features.state_dict(), found):
        raise UserError(f"{path}: not {vgg.title} weights of torchvision: {told}")
    features.load_state_dict(found)
    return features


def initialise(features: nn.Sequential) -> nn.Sequential:
    """Random weights after He et al., 2015, as torchvision draws them."""
    # The same features in every process and after every resume, whatever the run's seed.
    generator = torch.Generator().manual_seed(0)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", generator=generator)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return features
