"""The losses of UMSN; images are in [-1, 1] here."""

from torch import Tensor
from torch.nn import functional as F

from blurbench.models.parts.losses import unmixed
from blurbench.models.parts.vgg import VggFeatures
from blurbench.models.umsn.blocks import half_size
from blurbench.models.umsn.config import BaseNetConfig, UmsnConfig

EPSILON = 1e-8  # keeps log C finite


def segmentation_loss(logits: tuple[Tensor, Tensor], mask: Tensor, kind: str) -> Tensor:
    """Cross entropy, or one binary cross entropy a class; half the weight at half size.

    Logits (N, 4, H, W) and half that size; mask (N, 4, H, W) one-hot.
    """
    full, half = (
        F.cross_entropy(value, target.float())
        if kind == "cross_entropy"
        else F.binary_cross_entropy_with_logits(value, target.float())
        for value, target in zip(logits, (mask, half_size(mask)), strict=True)
    )
    return full + 0.5 * half


@unmixed
def class_errors(restored: Tensor, sharp: Tensor, maps: Tensor) -> Tensor:
    """Mean |m_i (restored - sharp)| of each class and colour: (N, 4, 3).

    Images (N, 3, H, W), maps (N, 4, H, W) >= 0.
    """
    # Over all pixels, not those of the class: eq. 4 is least at C = lambda / L1, so that what L1
    # is divided by decides C.
    error = (restored - sharp).abs().flatten(2)
    return maps.flatten(2) @ error.transpose(1, 2) / error.shape[-1]  # (N, 4, HW) @ (N, HW, 3)


@unmixed
def confidence_loss(
    errors: Tensor, confidence: Tensor, weights: tuple[float, ...], regulariser: float
) -> Tensor:
    """L_c of eq. 4: the sum over classes of C_i L1_i - lambda log C_i, with class weights.

    `errors` and `confidence` are (N, 4, 3): one value a class and colour, as released.
    """
    reconstruction = errors.new_tensor(weights) @ (confidence * errors).mean((0, 2))
    return reconstruction - regulariser * (confidence + EPSILON).log().mean((0, 2)).sum()


def gradient_loss(restored: Tensor, sharp: Tensor) -> Tensor:
    """L1 between the absolute differences of neighbours, down plus across (released code)."""
    return sum(
        (F.l1_loss(restored.diff(dim=axis).abs(), sharp.diff(dim=axis).abs()) for axis in (2, 3)),
        start=restored.new_zeros(()),
    )


def perceptual_loss(
    features: VggFeatures, restored: Tensor, sharp: Tensor, layers: tuple[str, ...], norm: str
) -> Tensor:
    """L_p of eq. 5, mean over each layer's elements, summed over layers; squared for "l2"."""
    distance = F.mse_loss if norm == "l2" else F.l1_loss
    found, wanted = features((restored + 1) / 2), features((sharp + 1) / 2)
    return sum(
        (distance(found[layer], wanted[layer]) for layer in layers), start=restored.new_zeros(())
    )


def deblurring_loss(
    restored: tuple[Tensor, Tensor],
    sharp: Tensor,
    maps: Tensor,
    confidence: Tensor | None,
    c: UmsnConfig,
) -> Tensor:
    """Eq. 6 but for L_p, and what the released code adds.

    `restored` at full and half size; `maps` of the sharp image; `confidence` (N, 4, 3), or none
    for an L1 in place of eq. 4.
    """
    if confidence is None:
        return plain_loss(restored, sharp, c)
    errors = class_errors(restored[0], sharp, maps)
    loss = confidence_loss(errors, confidence, c.class_weights, c.confidence_lambda)
    return c.loss_scale * (loss + added_losses(restored, sharp, c))


def plain_loss(restored: tuple[Tensor, Tensor], sharp: Tensor, c: BaseNetConfig) -> Tensor:
    """L1, and what the released code adds; `restored` at full and half size."""
    return c.loss_scale * (F.l1_loss(restored[0], sharp) + added_losses(restored, sharp, c))


def added_losses(restored: tuple[Tensor, Tensor], sharp: Tensor, c: BaseNetConfig) -> Tensor:
    """L1 at half size and of gradients: no part of the paper's losses."""
    full, half = restored
    small = half_size(sharp)
    loss = sharp.new_zeros(())
    if c.half_scale_weight:
        loss = loss + c.half_scale_weight * F.l1_loss(half, small)
    pairs = (full, sharp), (half, small)
    for weight, (image, target) in zip(c.gradient_weights, pairs, strict=True):
        if weight:
            loss = loss + weight * gradient_loss(image, target)
    return loss


def network_perceptual_loss(
    features: VggFeatures, restored: tuple[Tensor, Tensor], sharp: Tensor, c: BaseNetConfig
) -> Tensor:
    """L_p of both sizes, with its weights."""
    full, half = restored
    loss = perceptual_loss(features, full, sharp, c.perceptual_layers, c.perceptual_norm)
    if c.perceptual_half_layers:
        small = half_size(sharp)
        layers, norm = c.perceptual_half_layers, c.perceptual_norm
        loss = loss + c.half_scale_weight * perceptual_loss(features, half, small, layers, norm)
    return c.loss_scale * c.perceptual_weight * loss
