"""DeblurGAN's generator, told what the nodes of the S3-tree see (section 3.2)."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.deblurgan import Generator

Place = Literal["last_conv", "bottleneck"]


class GuidedGenerator(Generator):
    """The generator with the coupled nodes beside what enters one of its convolutions."""

    def __init__(
        self, nodes: int, width: int, blocks: int, dropout: float, embed_at: Place, skips: bool
    ) -> None:
        """`nodes`: channels of all node maps; `skips`: each scale down is added on the way up."""
        super().__init__(width, blocks, dropout)
        if embed_at == "last_conv":
            # Ten layers, of a border and three convolutions with norm and ReLU, precede the blocks.
            self.told, self.scale, channels = len(self.model) - 3, 1, width
            self.model[-2] = nn.Conv2d(2 * width, 3, 7)
        else:
            self.told, self.scale, channels = 10 + blocks, 4, 4 * width
            self.model[10 + blocks] = nn.ConvTranspose2d(2 * channels, 2 * width, 3, 2, 1, 1)
        self.embed = nn.Conv2d(nodes, channels, 3, padding=1)
        # Layer -> the earlier layer whose output is added to its own, of the same size.
        up = 10 + blocks
        self.skips = {up - 1: 9, up + 2: 6, up + 5: 3} if skips else {}

    def forward(self, x: Tensor, maps: Tensor | None = None, place: Tensor | None = None) -> Tensor:
        """(N, 3, H, W) in [-1, 1], maps (N, 7, c', h, w) of the whole picture -> restored.

        `place` (N, 2, H, W): x and y of each pixel in the whole picture, -1 to 1 from border to
        border; none: `x` is the whole picture.
        """
        assert maps is not None
        kept: dict[int, Tensor] = {}
        y = x
        for index, layer in enumerate(self.model):
            if index == self.told:
                y = torch.cat([y, self.told_at(maps, place, y)], 1)
            y = layer(y)
            if index in self.skips.values():
                kept[index] = y
            if index in self.skips:
                y = y + kept[self.skips[index]]
        return (x + y).clamp(-1, 1)

    def told_at(self, maps: Tensor, place: Tensor | None, y: Tensor) -> Tensor:
        """Eq. 6: the nodes coupled by one convolution, at the places of `y` (N, C, H, W)."""
        # The paper names no enlarging: coupled at the nodes' own 1/32 of the square, then enlarged.
        coupled = F.relu(self.embed(maps.flatten(1, 2)))
        if place is None:
            return F.interpolate(coupled, y.shape[-2:], mode="bilinear")
        # (N, h, w, 2): the mean place of the pixels that one of `y` stands for.
        grid = F.avg_pool2d(place, self.scale).permute(0, 2, 3, 1)
        return F.grid_sample(coupled, grid, padding_mode="border", align_corners=False)
