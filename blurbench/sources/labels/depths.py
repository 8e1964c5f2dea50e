"""How far away a picture's pixels are: a file of depth, read when the picture is."""

from dataclasses import dataclass

import numpy as np

from blurbench.images import BadImage, decode_depth
from blurbench.sources.labels.masks import fitted
from blurbench.stores.store import Store

DEPTH_FOLDERS = (("images", "depth"),)  # pictures -> maps, as folders beside each other


@dataclass(frozen=True)
class DepthFile:
    """The depth map of one picture."""

    store: Store
    name: str

    def read(self, size: tuple[int, int]) -> np.ndarray:
        """(H, W) uint16; BadImage names a file that is damaged or of another shape."""
        try:
            data = self.store.read(self.name)
        except OSError as error:
            raise BadImage(f"{self.name}: cannot be read ({error.strerror})") from None
        # Neighbours are not mixed: between a near and a far pixel nothing is half as far.
        return fitted(decode_depth(data, self.name), self.name, size)
