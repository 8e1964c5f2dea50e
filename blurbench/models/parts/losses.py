"""Losses that several papers use; all take (N, C, H, W) and give a scalar."""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, ParamSpec

import torch
from torch import Tensor
from torch.nn import functional as F

P = ParamSpec("P")


def unmixed(loss: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """A loss whose convolutions and products mixed precision leaves in float32.

    In bfloat16, which autocast gives them, a sum of errors would be off by up to 0.4 %, and the
    critic's gradient of its penalty by 10 %.
    """

    @wraps(loss)
    def computed(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        tensors = [value for value in args if isinstance(value, Tensor)]
        with torch.autocast(tensors[0].device.type, enabled=False):
            return loss(*map(widened, args), **kwargs)

    return computed


def widened(value: Any) -> Any:
    """A tensor of half precision in float32; anything else as it is."""
    half = isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16)
    return value.float() if half else value


def psnr_loss(restored: Tensor, sharp: Tensor) -> Tensor:
    """Negative PSNR in dB of each picture in [0, 1], then the mean (Chen et al., NAFNet, 2022)."""
    error = (restored - sharp).square().mean((1, 2, 3))
    # 1e-8 ends it at 80 dB: of a perfect picture loss and slope are finite, too.
    return 10 / math.log(10) * (error + 1e-8).log().mean()


def charbonnier_loss(restored: Tensor, sharp: Tensor) -> Tensor:
    """Mean of sqrt(d^2 + 1e-6), an L1 that is smooth at 0 (Zamir et al., MPRNet, 2021, eq. 3)."""
    return ((restored - sharp).square() + 1e-6).sqrt().mean()


@unmixed
def edge_loss(restored: Tensor, sharp: Tensor) -> Tensor:
    """Charbonnier loss between Laplacians (MPRNet, eq. 4)."""
    # The Laplacian is linear: that of the difference is half the work.
    edges = laplacian(restored - sharp)
    return charbonnier_loss(edges, torch.zeros_like(edges))


def laplacian(image: Tensor) -> Tensor:
    """What one level of a Laplacian pyramid holds: the image less its halved and doubled self."""
    halved = torch.zeros_like(image)
    # Times 4: three of four pixels are 0 when it is smoothed again.
    halved[..., ::2, ::2] = 4 * smooth(image)[..., ::2, ::2]
    return image - smooth(halved)


def smooth(image: Tensor) -> Tensor:
    """The 5x5 binomial-like filter of Laplacian pyramids; the border repeats."""
    row = image.new_tensor([0.05, 0.25, 0.4, 0.25, 0.05])
    channels = image.shape[1]
    kernel = torch.outer(row, row).expand(channels, 1, 5, 5)
    return F.conv2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), kernel, groups=channels)


def fft_loss(restored: Tensor, sharp: Tensor) -> Tensor:
    """Mean absolute error of the real and imaginary parts of the whole spectrum (MSFR loss).

    Cho et al., MIMO-UNet, 2021, eq. 4. The modulus in place of the parts would be pi/2 larger.
    """
    return torch.view_as_real(torch.fft.fft2(restored - sharp)).abs().mean()


# Its gradient of a gradient cannot be compiled. The public torch.compiler.disable does the same,
# but imports the compiler, which takes seconds, at once.
@torch._disable_dynamo  # type: ignore[attr-defined]
@unmixed
def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    sharp: Tensor,
    restored: Tensor,
    share: Tensor,
    norm: Literal["sample", "channel"],
) -> Tensor:
    """Mean squared distance of the critic's slope from 1, at `share` sharp + (1 - share) restored.

    The slope of a picture as a whole is WGAN-GP's (Gulrajani et al., 2017, eq. 3); DeblurGAN's
    released code takes that of the channels of each pixel. Its graph reaches the critic.
    """
    mixed = torch.lerp(restored.detach(), sharp, share).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    slope = (gradient if norm == "channel" else gradient.flatten(1)).norm(dim=1)
    out: Tensor = (slope - 1).square().mean()
    return out
