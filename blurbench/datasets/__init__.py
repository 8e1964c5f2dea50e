"""From sharp images to data sets of pairs, and back into memory."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blurbench.datasets.dataset import BlurDataset, OnTheFlyDataset

__all__ = ["BlurDataset", "OnTheFlyDataset"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: the reader needs torch, and making a data set does not.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from blurbench.datasets import dataset

    return getattr(dataset, name)
