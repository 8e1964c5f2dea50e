"""How blurred a picture still looks, without a sharp one to compare with."""

import numpy as np

from blurbench.metrics.protocols import Protocol


def blur_effect(restored: np.ndarray, _sharp: np.ndarray | None, _protocol: Protocol) -> float:
    """From 0, sharp, to 1: how little an 11-pixel blur changes the picture.

    Crete et al., The blur effect: perception and estimation with a new no-reference perceptual
    blur metric, 2007. Noise and ringing lower it too: it tells sharpness, not fidelity.
    """
    from skimage.measure import blur_effect as of_picture

    return float(of_picture(restored, h_size=11, channel_axis=-1))
