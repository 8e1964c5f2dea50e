"""VGG16 features for perceptual losses."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from blurbench.errors import UserError

WEIGHTS_FILE = "vgg16-397923af.pth"
# ImageNet statistics of RGB in [0, 1], which torchvision's weights expect.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Convolutions in each of VGG16's blocks (Simonyan and Zisserman, 2015, configuration D).
DEPTHS = (2, 2, 3, 3, 3)


class VggFeatures(nn.Module):
    """Named ReLU outputs of a frozen VGG16, such as relu1_2."""

    mean: Tensor
    std: Tensor

    def __init__(self, layers: tuple[str, ...], weights: str) -> None:
        """`weights`: "imagenet", "random" (seeded), or the path of a torchvision state dict.

        Raises UserError where a layer is unknown or the weights cannot be read.
        """
        super().__init__()
        indices = layer_indices()
        for layer in layers:
            if layer not in indices:
                raise UserError(f"VGG16 has no layer {layer!r}; it has {', '.join(indices)}")
        self.taken = {indices[layer]: layer for layer in layers}
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1))
        self.layers = load_vgg16(weights)[: max(self.taken) + 1].eval().requires_grad_(False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) in [0, 1] -> features (N, C, H', W') by layer name."""
        x = (image - self.mean) / self.std
        found = {}
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in self.taken:
                found[self.taken[index]] = x
        return found


def layer_indices() -> dict[str, int]:
    """Name of each ReLU -> its place in torchvision's `features`."""
    names = [(block, i) for block, depth in enumerate(DEPTHS, 1) for i in range(1, depth + 1)]
    # A convolution and a ReLU each; one pooling layer after each earlier block.
    return {f"relu{b}_{i}": 2 * n + 1 + (b - 1) for n, (b, i) in enumerate(names)}


def load_vgg16(weights: str) -> nn.Sequential:
    """VGG16's convolutional part, without a download."""
    # Not torchvision's vgg16(): that would also fill 120 million weights of its classifier.
    features = make_layers(cfgs["D"])
    if weights == "random":
        return initialise(features)
    hub = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_FILE
    path = hub if weights == "imagenet" else Path(weights)
    if not path.is_file():
        raise UserError(
            f"perceptual_weights={weights}: {path} is missing; put torchvision's {WEIGHTS_FILE}"
            " there, or opt in to untrained features with --set perceptual_weights=random"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        features.load_state_dict(
            {k.removeprefix("features."): v for k, v in state.items() if "classifier" not in k}
        )
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: not VGG16 weights of torchvision ({reason})") from None
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
