"""`builtin:whole-photos`: four of those photographs uncut, for testing: room for severe blur."""

import numpy as np

from blurbench.sources.items import BuiltinItem
from blurbench.sources.labels.attach import WantedLabels
from blurbench.sources.photos import read_photo

KIND = "the colour photographs in the scikit-image wheel"
HAS: frozenset[str] = frozenset()
# One eye of the stereo pair is enough; published boards show these, so no portrait.
NAMES = ("chelsea", "coffee", "motorcycle_left", "rocket")


def items(wanted: WantedLabels) -> list[BuiltinItem]:
    """Every photograph, in the test split; there are no labels, so none may be `wanted`."""
    assert not wanted.names
    return [BuiltinItem(name, "test", load, masked=False) for name in NAMES]


def load(name: str) -> tuple[np.ndarray, None]:
    """(H, W, 3) uint8 RGB, 451x300 to 741x500 px; no mask. UserError where the wheel lacks it."""
    return read_photo(name), None
