"""What the Semantic Prior adds to a backbone: student, connections, embeddings.

The paper prints equations and no layer table: widths and kernels here are ours.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blurbench.models.unet import LEVEL, SPREAD, level

Levels = list[Tensor]  # (N, C, H, W), at full, half and quarter size


class Student(nn.Module):
    """F_S: an encoder of residual blocks and strided convolutions, as UNet's."""

    def __init__(self, widths: tuple[int, int, int], blocks: int) -> None:
        """Widths from full to quarter size."""
        super().__init__()
        self.head = nn.Conv2d(3, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(level(width, blocks, "none") for width in widths)
        steps = pairwise(widths)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in steps)
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                # As in UNet: each block begins as the identity.
                if name.endswith("conv2"):
                    nn.init.zeros_(module.weight)
                else:
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, blur: Tensor) -> Levels:
        """(N, 3, H, W) in [0, 1], multiples of 4 -> m of eq. 2."""
        found = [self.encoder[0](self.head((blur - LEVEL) / SPREAD))]
        for down, encode in zip(self.down, self.encoder[1:], strict=True):
            found.append(encode(down(found[-1])))
        return found


class CrossLevel(nn.Module):
    """CLC, eq. 3: one attention map on the features of a level and of the next coarser one."""

    def __init__(self, width: int, coarser: int) -> None:
        """Channels of both levels."""
        super().__init__()
        self.fit = nn.Conv2d(coarser, width, 1)
        self.conv = nn.Conv2d(2 * width, width, 3, padding=1)

    def forward(self, m: Tensor, coarser: Tensor) -> Tensor:
        """(N, width, H, W) and (N, coarser, H/2, W/2) -> (N, width, H, W)."""
        # The 1x1 convolution commutes with the resizing, and is cheaper before it.
        raised = resized(self.fit(coarser), m)
        attention = torch.sigmoid(self.conv(torch.cat([m, raised], 1)))
        return attention * m + attention * raised


class Aggregation(nn.Module):
    """MLA, eq. 5: an attention map on one level, out of all."""

    def __init__(self, widths: tuple[int, int, int], own: int) -> None:
        """Channels of all levels, and the place of this one among them."""
        super().__init__()
        width = widths[own]
        self.own = own
        others = [w for i, w in enumerate(widths) if i != own]
        self.fit = nn.ModuleList(nn.Conv2d(w, width, 1) for w in others)
        self.conv = nn.Conv2d(3 * width, width, 3, padding=1)

    def attention(self, priors: Levels) -> Tensor:
        """All levels -> (N, width, H, W) in (0, 1)."""
        f = priors[self.own]
        others = [p for i, p in enumerate(priors) if i != self.own]
        fitted = [resized(fit(p), f) for fit, p in zip(self.fit, others, strict=True)]
        return torch.sigmoid(self.conv(torch.cat([f, *fitted], 1)))

    def forward(self, priors: Levels) -> Tensor:
        """All levels -> this one, (N, width, H, W)."""
        f = priors[self.own]
        return self.attention(priors) * f + f


class Transformation(nn.Module):
    """SAT, eq. 6: a scale and a shift for every feature of the backbone; 1 and 0 at first."""

    def __init__(self, prior: int, width: int) -> None:
        """Channels of the prior and of the features."""
        super().__init__()
        self.scale = two_convolutions(prior, width, start=1.0)
        self.shift = two_convolutions(prior, width, start=0.0)

    def forward(self, x: Tensor, prior: Tensor) -> Tensor:
        """Features and prior of one size -> features."""
        out: Tensor = self.scale(prior) * x + self.shift(prior)
        return out


class Addition(nn.Module):
    """Net1: the prior is added; nothing at first."""

    def __init__(self, prior: int, width: int) -> None:
        """Channels of the prior and of the features."""
        super().__init__()
        self.fit = silent(nn.Conv2d(prior, width, 1))

    def forward(self, x: Tensor, prior: Tensor) -> Tensor:
        """Features and prior of one size -> features."""
        out: Tensor = x + self.fit(prior)
        return out


class Concatenation(nn.Module):
    """Net2: a 1x1 convolution of both; the features themselves at first."""

    def __init__(self, prior: int, width: int) -> None:
        """Channels of the prior and of the features."""
        super().__init__()
        self.merge = silent(nn.Conv2d(width + prior, width, 1))
        with torch.no_grad():
            self.merge.weight[:, :width, 0, 0] = torch.eye(width)

    def forward(self, x: Tensor, prior: Tensor) -> Tensor:
        """Features and prior of one size -> features."""
        out: Tensor = self.merge(torch.cat([x, prior], 1))
        return out


EMBEDDINGS: dict[str, type[nn.Module]] = {
    "attention": Transformation,
    "add": Addition,
    "concat": Concatenation,
}


class ClassMap(nn.Module):
    """Classes of every pixel out of the student's levels, for the image-level prior.

    The coarser levels correct the finest, as in Long et al., "Fully Convolutional Networks", 2015.
    """

    def __init__(self, widths: tuple[int, int, int], classes: int) -> None:
        """Channels of the levels."""
        super().__init__()
        self.fit = nn.ModuleList(nn.Conv2d(width, classes, 1) for width in widths)

    def forward(self, m: Levels) -> Tensor:
        """Levels -> logits (N, classes, H, W)."""
        finest, *coarser = [fit(x) for fit, x in zip(self.fit, m, strict=True)]
        out: Tensor = finest + sum(resized(x, finest) for x in coarser)
        return out


def two_convolutions(inputs: int, outputs: int, start: float) -> nn.Sequential:
    """3x3, LeakyReLU, 3x3; gives `start` at first."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, padding=1),
        nn.LeakyReLU(0.2),
        silent(nn.Conv2d(inputs, outputs, 3, padding=1), start),
    )


def silent(conv: nn.Conv2d, bias: float = 0.0) -> nn.Conv2d:
    """A convolution that gives its bias, whatever it sees."""
    nn.init.zeros_(conv.weight)
    assert conv.bias is not None
    nn.init.constant_(conv.bias, bias)
    return conv


def resized(x: Tensor, like: Tensor) -> Tensor:
    """(N, C, h, w) at the height and width of `like`, bilinear."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)
