"""Maps of a network as pictures to look at."""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def grey(values: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """(H, W) in [0, 1] -> (3, H, W), or of another size."""
    return enlarged(values.detach().float().cpu().clamp(0, 1)[None].expand(3, -1, -1), size)


def coloured(values: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """(H, W) of any range -> (3, H, W) in [0, 1]: dark blue lowest, yellow highest."""
    values = values.detach().float().cpu()
    low, high = values.min(), values.max()
    levels = ((values - low) / (high - low).clamp_min(1e-12) * 255).round().to(torch.uint8)
    bgr = cv2.applyColorMap(levels.numpy(), cv2.COLORMAP_VIRIDIS)
    rgb = np.ascontiguousarray(bgr[..., ::-1].transpose(2, 0, 1))
    return enlarged(torch.from_numpy(rgb).float() / 255, size)


def enlarged(image: Tensor, size: tuple[int, int] | None) -> Tensor:
    """(3, H, W) at another (height, width), without blending: a map's own cells stay visible."""
    return image if size is None else F.interpolate(image[None], size, mode="nearest")[0]
