"""What the presets `small` share, so that rivals see the same crops: an hour of one core each.

Crops grow while batches shrink, as in Restormer (section 4): early steps are cheap, late ones see
as far as severe blur reaches.
"""

from typing import Any

LEARNING: dict[str, Any] = {"precision": "auto", "ema": 0.999}
# Photographs under motion blur: pairs of COCO's or BSDS's size are some 280 px high once their
# borders are cut. Blur has no upright direction, so quarter turns are free pictures.
PHOTOS: dict[str, Any] = {
    **LEARNING,
    "batch_size": 4,
    "crops": (128, 192, 256),
    "batches": (4, 3, 2),
    "turns": True,
}
# Stills of 256 px; networks that halve seven times want multiples of 128.
STILLS: dict[str, Any] = {
    **LEARNING,
    "batch_size": 4,
    "crops": (128, 256),
    "batches": (4, 2),
    "turns": False,
}
# Faces of 128 px, upright. The last third sees them whole, as instance norm does at test.
FACES: dict[str, Any] = {
    **LEARNING,
    "batch_size": 8,
    "crops": (64, 96, 128),
    "batches": (8, 6, 4),
    "turns": False,
}
