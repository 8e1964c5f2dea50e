"""Face recognition with restored probes: UMSN (Yasarla et al., IEEE TIP 2020), table V."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from blurbench.metrics.levels import rounded
from blurbench.metrics.protocols import Protocol


@dataclass(frozen=True)
class Gallery:
    """Sharp pictures of known people, as an embedding sees them."""

    embed: Callable[[np.ndarray], np.ndarray]  # (H, W, 3) uint8 -> (D,)
    vectors: np.ndarray  # (n, D)
    identities: Sequence[str]  # (n,)

    def nearest(self, image: np.ndarray, count: int) -> list[str]:
        """Whose the `count` nearest pictures are, by Euclidean distance; ties by position."""
        distances = np.linalg.norm(self.vectors - self.embed(image), axis=1)
        return [self.identities[i] for i in np.argsort(distances, kind="stable")[:count]]


def top(
    restored: np.ndarray,
    _sharp: np.ndarray,
    _protocol: Protocol,
    *,
    identity: str,
    gallery: Gallery,
    count: int,
) -> float:
    """1 where the person is among the `count` nearest gallery pictures, else 0."""
    return float(identity in gallery.nearest(rounded(restored), count))
